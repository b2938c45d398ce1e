package terminal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/haidang-iot/haidang/devices"
)

// problemAnswer is an error as the registry or the access control tells it
// (RFC 9457).
type problemAnswer struct {
	Code   string         `json:"code"`
	Reason string         `json:"reason"`
	Detail string         `json:"detail"`
	Errors []problemFault `json:"errors"`
	// Text is an answer that is no such document.
	Text string
}

// problemFault is one thing that is wrong.
type problemFault struct {
	Field      string          `json:"field"`
	Code       devices.Reason  `json:"code"`
	EN         string          `json:"en"`
	Suggestion string          `json:"suggestion"`
	Current    json.RawMessage `json:"current"`
}

func readProblem(body []byte) problemAnswer {
	var p problemAnswer
	if json.Unmarshal(body, &p) != nil || p.Detail == "" && len(p.Errors) == 0 {
		p = problemAnswer{Text: strings.TrimSpace(string(body[:min(len(body), 500)]))}
	}
	return p
}

// Refusal is the error for a question that was answered with no.
type Refusal struct {
	url     string
	Status  int
	token   bool // one was sent
	about   string
	retry   string // seconds
	Problem problemAnswer
}

// Error says what is wrong, a line for each thing, and what to do.
func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s answers %d %s", r.url, r.Status, http.StatusText(r.Status))
	p := r.Problem
	switch {
	case len(p.Errors) > 0:
		b.WriteString(":")
		for _, f := range p.Errors {
			b.WriteString("\n  " + f.line())
		}
	case p.Detail != "":
		b.WriteString(": " + Shown(p.Detail, 1000))
	case p.Text != "":
		b.WriteString(": " + Shown(p.Text, 300))
	}
	for _, remedy := range r.remedies() {
		b.WriteString("\n  → " + remedy)
	}
	return b.String()
}

// line is the fault in a line: where, what, and what stands there now.
func (f problemFault) line() string {
	var b strings.Builder
	if field := strings.TrimRight(f.Field, "."); field != "" {
		b.WriteString(Shown(field, 100) + ": ")
	}
	b.WriteString(Shown(f.EN, 500))
	var held struct {
		State   string `json:"state"`
		Version int64  `json:"version"`
	}
	if json.Unmarshal(f.Current, &held) == nil && held.Version > 0 && held.State != "" {
		fmt.Fprintf(&b, " Now it is %s, version %d.", Shown(held.State, 20), held.Version)
	}
	if f.Suggestion != "" && !strings.Contains(f.EN, f.Suggestion) {
		b.WriteString(" Perhaps " + Shown(f.Suggestion, 100) + "?")
	}
	return b.String()
}

// remedies are what to do, first for each fault, else for the status.
func (r *Refusal) remedies() (out []string) {
	for _, f := range r.Problem.Errors {
		if s := f.remedy(r.about); s != "" {
			out = append(out, s)
		}
	}
	if len(out) > 0 {
		return out
	}
	switch r.Status {
	case http.StatusUnauthorized:
		if r.token {
			return []string{"The token in HAIDANG_TOKEN (--token) is not valid or not any more: make a new one in the console."}
		}
		return []string{"Nobody is logged in: make an API token in the console and give it in HAIDANG_TOKEN."}
	case http.StatusForbidden:
		return []string{"This token may not do that: ask an administrator for one of a higher role or of this locality."}
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		if r.Problem.Text != "" {
			return []string{"There is no registry at --url " + r.url + ": is it a haidang with a loader, and of this version?"}
		}
		return []string{"See what there is: haidang devices list"}
	case http.StatusPreconditionFailed:
		return []string{r.again()}
	case http.StatusPreconditionRequired:
		return []string{"Give the version you have seen with --if-version."}
	case http.StatusRequestEntityTooLarge:
		return []string{"The server takes no file as large as this: split it and send the parts one after the other."}
	case http.StatusTooManyRequests:
		return []string{"Wait " + Shown(r.retry, 20) + " s, then try again."}
	case http.StatusMisdirectedRequest:
		return []string{"Give --url with the name under which the server is known, or 127.0.0.1 on its own machine."}
	case http.StatusInternalServerError:
		return []string{"The reason is in the server's log."}
	}
	return nil
}

func (r *Refusal) again() string { return changedRemedy(r.about) }

func changedRemedy(about string) string {
	if about == "" {
		about = "DEVICE"
	}
	return "Look at it: haidang devices show " + about + "; then repeat with its version, or without --if-version."
}

// remedy is what one may do about a fault on this command line.
func (f problemFault) remedy(about string) string {
	if about == "" {
		about = "DEVICE"
	}
	switch f.Code {
	case devices.ReasonStale:
		return changedRemedy(about)
	case devices.ReasonNotFound:
		if strings.Contains(f.EN, "no site ") {
			return "See which sites there are: haidang devices export --what sites"
		}
	case devices.ReasonSwapped:
		if f.Suggestion != "" {
			return fmt.Sprintf("If so: --position %q", Shown(f.Suggestion, 60))
		}
	case devices.ReasonOutside:
		return "If it is right: --outside-reason TEXT"
	case devices.ReasonAlreadyThere, devices.ReasonStandsElsewhere:
		return "See: haidang devices show " + about + "; to put another in its place: haidang devices swap"
	case devices.ReasonDuplicateID:
		return "Choose another id, or use what is there: --site ID alone takes a site that exists, and devices install a device that is registered."
	case devices.ReasonKindTaken:
		return "Replace the one that is there with haidang devices swap, or add --redundant if both are to stand there."
	case devices.ReasonRequestReused:
		return "Leave --request-id out, or choose a new one."
	case devices.ReasonUnknownKind:
		return "The kinds are at /api/v1/kinds."
	case devices.ReasonUnknownLocality, devices.ReasonUnknownWard, devices.ReasonWardEnded:
		return "Localities and wards are at /api/v1/localities."
	case devices.ReasonNotInstalled:
		return "Put it somewhere: haidang devices install " + about + " --site ID"
	case devices.ReasonRetired:
		return "Take it into use again: haidang devices resume " + about
	}
	return ""
}
