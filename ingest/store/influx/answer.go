package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxAnswer bounds how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// strictDoer makes requests and takes only 204 No Content for a success, as every
// server of the API answers. Whatever else says yes, a web page most likely, has
// written nothing. Every other answer is an *answer as its error, for the client
// reads of its body only what InfluxDB 2 says.
type strictDoer struct{ client *http.Client }

// Do makes the request.
func (d strictDoer) Do(r *http.Request) (*http.Response, error) {
	resp, err := d.client.Do(r)
	if err != nil || resp.StatusCode == http.StatusNoContent {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return nil, newAnswer(resp.StatusCode, body)
}

// answer is what was said instead of 204.
type answer struct {
	status int
	// text is what it said, for a person.
	text string
	// structured says that it is the JSON of an InfluxDB, and not what a proxy, a
	// web server or anything else says.
	structured bool
	// lines are those that InfluxDB 3 names as refused.
	lines []lineError
}

// lineError is InfluxDB 3's word on one line of a body; the first has number 1. It
// names at most 100 of them.
type lineError struct {
	Number  int    `json:"line_number"`
	Message string `json:"error_message"`
}

// newAnswer reads an answer's body: {"error":…} of InfluxDB 1.8, {"code":…,
// "message":…} of 2, {"error":…,"data":[…]} of 3, or anything.
func newAnswer(status int, body []byte) *answer {
	a := &answer{status: status, text: plain(string(body))}
	var said struct {
		Error   string          `json:"error"`
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error == "" && (said.Code == "" || said.Message == "") {
		return a
	}
	a.structured, a.text = true, said.Message
	if said.Error != "" {
		a.text = said.Error
	}
	if json.Unmarshal(said.Data, &a.lines) != nil {
		var one lineError // as its first versions had it
		if json.Unmarshal(said.Data, &one) == nil && one.Number > 0 {
			a.lines = []lineError{one}
		}
	}
	return a
}

// plain makes one short line of a text, without HTML.
func plain(text string) string {
	if strings.Contains(strings.ToLower(text), "<html") || strings.HasPrefix(text, "<") {
		text = untagged(text)
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// untagged is a text without what is between < and >.
func untagged(text string) string {
	var b strings.Builder
	inside := false
	for _, c := range text {
		switch {
		case c == '<':
			inside = true
		case c == '>':
			inside = false
			b.WriteByte(' ')
		case !inside:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// Error implements error.
func (a *answer) Error() string {
	said := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if a.text == "" {
		return said
	}
	return said + ": " + a.text
}

// refusal is a server's word that it will not take some of the data.
type refusal struct {
	// detail is its own explanation.
	detail string
	// dropped is how many lines it did not write; -1 if it does not say.
	dropped int
	// kind and metric are the field it names as the first one in conflict with
	// what is stored; empty if it names none. They only help to find the values
	// sooner.
	kind, metric string
	// lines are the lines it names.
	lines []lineError
	// beyondRetention says that it refused points for their time.
	beyondRetention bool
}

// blames are the words of InfluxDB that the data is at fault. A JSON without them
// is of where it was sent, or of the server itself.
func blames() []string {
	return []string{
		"partial write",    // 1.8, 2 and 3
		"unable to parse",  // 1.8 and 2: a line that is no line protocol
		"parsing failed",   // 3
		"type conflict",    // all
		"beyond retention", // all
		"dropped=",         // 1.8 and 2
	}
}

// asRefusal reads the server's answer; nil if it does not say, as an InfluxDB says
// it, that the data is at fault. Anything else, were it a 400, is no word on the
// data: a proxy's page, a TLS port spoken to in HTTP, a limit of the body's size.
func asRefusal(err error) *refusal {
	var a *answer
	if !errors.As(err, &a) || !a.structured || a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity {
		return nil
	}
	low := strings.ToLower(a.text)
	if !slices.ContainsFunc(blames(), func(words string) bool { return strings.Contains(low, words) }) {
		return nil
	}
	r := &refusal{detail: a.text, dropped: -1, lines: a.lines, beyondRetention: strings.Contains(low, "beyond retention")}
	if r.beyondRetention {
		r.detail += " (does the bucket keep less than --retention?)"
	}
	if _, after, ok := strings.Cut(a.text, "dropped="); ok {
		digits := strings.IndexFunc(after, func(c rune) bool { return c < '0' || c > '9' })
		if digits < 0 {
			digits = len(after)
		}
		if n, err := strconv.Atoi(after[:digits]); err == nil {
			r.dropped = n
		}
	}
	r.metric = quotedAfter(a.text, "input field ", '"')
	r.kind = quotedAfter(a.text, "on measurement ", '"')
	return r
}

// tooLarge says whether a body was refused for its size.
func tooLarge(err error) bool {
	var a *answer
	return errors.As(err, &a) && a.status == http.StatusRequestEntityTooLarge
}

// quotedAfter returns the text in quotes after the mark; the quotes may be
// escaped, as they are in JSON within JSON.
func quotedAfter(text, mark string, quote byte) string {
	_, after, ok := strings.Cut(text, mark)
	if !ok {
		return ""
	}
	after = strings.TrimLeft(after, `\`)
	if after == "" || after[0] != quote {
		return ""
	}
	quoted, _, _ := strings.Cut(after[1:], string(quote))
	return strings.TrimRight(quoted, `\`)
}

// explain says what an operator can do about an error that is not the data's.
func (s *Store) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	var a *answer
	if errors.As(err, &a) {
		if a.status/100 == 2 {
			return fmt.Errorf("the server answered %d %s where InfluxDB answers 204 No Content; check that --influx-url is that of the database", a.status, http.StatusText(a.status))
		}
		return fmt.Errorf("the server answered %w; %s", a, s.remedy(a))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v; check that the server of --influx-url runs and is not overloaded: %w", s.options.Timeout, err)
	}
	return fmt.Errorf("no answer; check --influx-url, http:// or https:// too, and that the server runs: %w", err)
}

func (s *Store) remedy(a *answer) string {
	o := s.options
	switch {
	case strings.Contains(a.text, "HTTP request to an HTTPS server"), strings.Contains(a.text, "plain HTTP request was sent to HTTPS port"):
		return "--influx-url should begin with https://"
	case strings.Contains(a.text, "retention policy not found"):
		// InfluxDB 1.8 calls this an internal error.
		return fmt.Sprintf("create the retention policy, or correct --influx-bucket (%q)", o.Bucket)
	case a.status == http.StatusUnauthorized:
		return "give a valid token with --influx-token (for InfluxDB 1.8 it is USER:PASSWORD)"
	case a.status == http.StatusForbidden:
		return fmt.Sprintf("give a token with --influx-token that may write to bucket %q", o.Bucket)
	case a.status == http.StatusNotFound:
		return fmt.Sprintf("create bucket %q (for InfluxDB 1.8: CREATE DATABASE), or correct --influx-bucket, --influx-org (%q) or --influx-url", o.Bucket, o.Org)
	case a.status == http.StatusRequestEntityTooLarge:
		return "a single reading is too large for it: raise the limit of the proxy before it (nginx: client_max_body_size) or of the server (InfluxDB 1.8: max-body-size)"
	case a.status/100 == 3:
		return "--influx-url should be the address it redirects to"
	case a.status == http.StatusMethodNotAllowed:
		return "check that --influx-url is that of the database"
	case a.status == http.StatusTooManyRequests, a.status == http.StatusServiceUnavailable:
		return "it is overloaded, or limits how much may be written: it will be tried again; give it more resources if this lasts"
	case a.structured && a.status/100 == 4:
		return fmt.Sprintf("correct --influx-bucket (%q) or --influx-org (%q)", o.Bucket, o.Org)
	case a.status/100 == 4:
		return "this is not how InfluxDB refuses data, so it is held: check that --influx-url is that of the database, and the proxy before it if there is one"
	default:
		return "see the log of the server, or of the proxy before it; it will be tried again"
	}
}
