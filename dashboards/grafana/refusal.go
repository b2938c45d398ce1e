package grafana

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// Refusal is an answer of Grafana's that is not a success.
type Refusal struct {
	Method, Path string
	Status       int
	// Message and Word are Grafana's own: Word is a short code such as
	// version-mismatch or name-exists.
	Message, Word string
	// token says that the request was authorized with one.
	token bool
}

// readRefusal makes an error of an answer.
func readRefusal(method, path string, status int, body []byte) *Refusal {
	r := &Refusal{Method: method, Path: path, Status: status}
	var answer struct {
		Message string `json:"message"`
		Status  any    `json:"status"`
		Reason  string `json:"reason"`
	}
	if json.Unmarshal(body, &answer) == nil {
		r.Message, r.Word = answer.Message, answer.Reason
		if word, ok := answer.Status.(string); ok && r.Word == "" {
			r.Word = word
		}
	}
	return r
}

// Error says what was refused, why in Grafana's words, and what to do.
func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Grafana answers %d %s to %s %s", r.Status, http.StatusText(r.Status), r.Method, r.Path)
	if r.Message != "" {
		b.WriteString(": " + shown(r.Message, 300))
	}
	if remedy := r.remedy(); remedy != "" {
		b.WriteString("\n  → " + remedy)
	}
	return b.String()
}

// remedy is what to do about it.
func (r *Refusal) remedy() string {
	switch {
	case r.Status == http.StatusUnauthorized && !r.token:
		return "Make a service account with the role Admin in Grafana (Administration → Service accounts) and give its token in HAIDANG_GRAFANA_TOKEN."
	case r.Status == http.StatusUnauthorized:
		return "The token in HAIDANG_GRAFANA_TOKEN (--token) is not valid, not any more, or of another Grafana; a user is given as user:password."
	case r.Status == http.StatusForbidden && strings.Contains(r.Path, "/datasources"):
		return "Data sources need the role Admin: give a token of that role, or leave the data source to your administrator with --no-source."
	case strings.Contains(r.Message, "rule title under the same"):
		return "Another alert rule in this folder has the same title, and is left as it is: rename or remove it in Grafana."
	case r.Status == http.StatusForbidden && strings.Contains(r.Path, "/v1/provisioning"):
		return "Alert rules need the role Admin, in newer Grafanas Editor: give a token of that role, or push without them with --rules no."
	case r.Status == http.StatusNotFound && r.Path == alertRules:
		return "This Grafana's own alerting is off ([unified_alerting] enabled in its settings): switch it on, or push without alert rules with --rules no."
	case r.Status == http.StatusConflict && strings.Contains(r.Path, "/v1/provisioning"):
		return "Another alert rule has the same title or was changed at this moment: look with `haidang dashboards diff`, then push again."
	case r.Status == http.StatusForbidden && r.Method == http.MethodGet:
		return "Grafana does not say whether it is there to who may not see it. The first push needs the role Admin; later ones, with --no-source and without alert rules, Editor."
	case r.Status == http.StatusForbidden:
		return "This token may not do that: give one with the role Editor or, for the data source, Admin."
	case r.Word == "version-mismatch" || r.Word == "Conflict" || r.Status == http.StatusPreconditionFailed && r.Word == "":
		return "Somebody saved it at this moment. Look with `haidang dashboards diff`, then push again."
	case r.Word == "name-exists":
		return "Another board in this folder has the same title, and is left as it is: rename or remove it in Grafana, or publish into a folder of its own with --folder."
	case r.Status == http.StatusConflict && strings.Contains(r.Path, "/folders"):
		return "Another folder (or a board outside of folders) has the same title: rename it in Grafana, or give --folder another title."
	case r.Status == http.StatusConflict && strings.Contains(r.Path, "/datasources"):
		return "Another data source has the same name: rename it in Grafana, or give --source-name another name."
	case r.Status == http.StatusNotFound && strings.HasSuffix(r.Path, "/api/health"):
		return "There is no Grafana at this address: --grafana is its root, such as http://127.0.0.1:3000, with its sub-path if it has one."
	case r.Status == http.StatusBadRequest && strings.HasSuffix(r.Path, "/api/health"):
		return "Is it encrypted there? Then --grafana begins with https://."
	case r.Status >= 300 && r.Status < 400:
		return "It sends elsewhere. Give the address behind that redirect in --grafana; a token is not sent on."
	case r.Status == http.StatusTooManyRequests || r.Status >= 500:
		return "Look at Grafana's log, and push again: what is done already is not done twice."
	}
	return ""
}

// refusedWith reports whether an error is a refusal with this status.
func refusedWith(err error, status int) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Status == status
}

// shown is text from elsewhere as it may be shown: bounded, without control
// characters.
func shown(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}
