package influx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	influxhttp "github.com/influxdata/influxdb-client-go/v2/api/http"
)

// maxAnswer bounds how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// strictDoer makes requests and takes only 204 No Content for a success, as every
// server of the API answers. Whatever else says yes, a web page most likely, has
// written nothing.
type strictDoer struct{ client *http.Client }

// Do makes the request.
func (d strictDoer) Do(r *http.Request) (*http.Response, error) {
	answer, err := d.client.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 == 2 && answer.StatusCode != http.StatusNoContent {
		answer.Body.Close()
		return nil, &notInfluxError{status: answer.Status}
	}
	answer.Body = bounded{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	return answer, nil
}

type bounded struct {
	io.Reader
	io.Closer
}

// notInfluxError says that something answered that is no InfluxDB.
type notInfluxError struct{ status string }

func (e *notInfluxError) Error() string {
	return fmt.Sprintf("the server answered %s where InfluxDB answers 204 No Content; check that --influx-url is that of the database", e.status)
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
	// beyondRetention says that it refused points for their time.
	beyondRetention bool
}

// asRefusal reads the server's answer; nil if it does not blame the data.
func asRefusal(err error) *refusal {
	var answer *influxhttp.Error
	if !errors.As(err, &answer) {
		return nil
	}
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
	default:
		return nil
	}
	detail := answerText(answer)
	if !blamesData(detail) {
		return nil
	}
	r := &refusal{detail: detail, dropped: -1, beyondRetention: strings.Contains(detail, "beyond retention")}
	if _, after, ok := strings.Cut(detail, "dropped="); ok {
		digits := strings.IndexFunc(after, func(c rune) bool { return c < '0' || c > '9' })
		if digits < 0 {
			digits = len(after)
		}
		if n, err := strconv.Atoi(after[:digits]); err == nil {
			r.dropped = n
		}
	}
	r.metric = quotedAfter(detail, "input field ")
	r.kind = quotedAfter(detail, "on measurement ")
	return r
}

// answerText is what the server said. The client leaves it in different places
// for different servers.
func answerText(e *influxhttp.Error) string {
	switch {
	case e.Message != "":
		return strings.TrimSpace(e.Message)
	case e.Header.Get("X-Influxdb-Error") != "":
		return e.Header.Get("X-Influxdb-Error")
	case e.Code != "":
		return e.Code
	default:
		return http.StatusText(e.StatusCode)
	}
}

// blamesData tells a 400 for what is in the body from one for where it was sent:
// quarantining all data for a wrong bucket would be a mess.
func blamesData(detail string) bool {
	d := strings.ToLower(detail)
	for _, data := range []string{"partial write", "unable to parse", "type conflict", "beyond retention", "line protocol", "dropped="} {
		if strings.Contains(d, data) {
			return true
		}
	}
	for _, place := range []string{"bucket", "org", "database", "retention policy", "precision", "token", "gzip"} {
		if strings.Contains(d, place) {
			return false
		}
	}
	return true
}

// quotedAfter returns the text in quotes after the mark; the quotes may be
// escaped, as they are in JSON within JSON.
func quotedAfter(text, mark string) string {
	_, after, ok := strings.Cut(text, mark)
	if !ok {
		return ""
	}
	after = strings.TrimLeft(after, `\`)
	if !strings.HasPrefix(after, `"`) {
		return ""
	}
	quoted, _, _ := strings.Cut(after[1:], `"`)
	return strings.TrimRight(quoted, `\`)
}

// explain says what an operator can do about an error that is not the data's.
func (s *Store) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	var answer *influxhttp.Error
	if !errors.As(err, &answer) || answer.StatusCode == 0 {
		if other := new(notInfluxError); errors.As(err, &other) {
			return other
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("no answer within %v; check that the server of --influx-url runs and is not overloaded: %w", s.options.Timeout, err)
		}
		return fmt.Errorf("no answer; check --influx-url and that the server runs: %w", err)
	}
	said := fmt.Sprintf("the server answered %d %s: %s", answer.StatusCode, http.StatusText(answer.StatusCode), answerText(answer))
	return &answerError{said: said, remedy: s.remedy(answer), cause: err}
}

// answerError is an answer that is not the data's fault.
type answerError struct {
	said, remedy string
	cause        error
}

func (e *answerError) Error() string { return e.said + "; " + e.remedy }

func (e *answerError) Unwrap() error { return e.cause }

func (s *Store) remedy(answer *influxhttp.Error) string {
	o, status := s.options, answer.StatusCode
	switch {
	case strings.Contains(answerText(answer), "retention policy not found"):
		// InfluxDB 1.8 calls this an internal error.
		return fmt.Sprintf("create the retention policy, or correct --influx-bucket (%q)", o.Bucket)
	case status == http.StatusUnauthorized:
		return "give a valid token with --influx-token (for InfluxDB 1.8 it is USER:PASSWORD)"
	case status == http.StatusForbidden:
		return fmt.Sprintf("give a token with --influx-token that may write to bucket %q", o.Bucket)
	case status == http.StatusNotFound:
		return fmt.Sprintf("create bucket %q (for InfluxDB 1.8: CREATE DATABASE), or correct --influx-bucket, --influx-org (%q) or --influx-url", o.Bucket, o.Org)
	case status == http.StatusBadRequest:
		return fmt.Sprintf("correct --influx-bucket (%q) or --influx-org (%q)", o.Bucket, o.Org)
	case status/100 == 3:
		return "--influx-url should be the address it redirects to"
	case status == http.StatusMethodNotAllowed:
		return "check that --influx-url is that of the database"
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return "it is overloaded, or limits how much may be written: it will be tried again; give it more resources if this lasts"
	default:
		return "see the server's own log; it will be tried again"
	}
}
