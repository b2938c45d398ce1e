package score

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Query asks for raw samples.
type Query struct {
	// Kind is one kind, or empty for all.
	Kind telemetry.Kind
	// Devices are those asked for; none is all.
	Devices []telemetry.Device
	// Metric is one metric, or empty for all.
	Metric telemetry.Metric
	// From and To bound the event time, in Unix milliseconds; To is not in it.
	From, To int64
}

// Series is what a store calls one line of values.
type Series struct {
	Kind     telemetry.Kind
	Metric   telemetry.Metric
	Locality telemetry.Locality
	Site     telemetry.Site
	Device   telemetry.Device
}

// Store gives raw samples, at their exact times. The order is the store's. A
// series that holds two values for one time yields both.
type Store interface {
	Read(ctx context.Context, q Query, yield func(s *Series, at int64, value float64)) error
	// Retention is how long the store keeps readings; 0 where it does not say.
	Retention(ctx context.Context) time.Duration
	// String names it for people, without secrets.
	String() string
}

// Limits of one answer: what holds more is not what was asked for.
const (
	maxAnswer  = 1 << 30
	queryAfter = 2 * time.Minute
	// tries bound how often a query is repeated that failed for a reason that
	// passes: the store is starting, or has too much to do.
	tries = 4
)

// NewClient makes the HTTP client that stores are asked with. authorization, if
// not empty, is shown with every request; no redirect is followed, so it reaches
// one server only. next sends the requests; nil is a transport of its own.
func NewClient(authorization string, next http.RoundTripper) *http.Client {
	if next == nil {
		next = &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
		}
	}
	return &http.Client{
		Timeout: queryAfter, Transport: authorized{authorization, next},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type authorized struct {
	value string
	next  http.RoundTripper
}

// CloseIdleConnections does what [http.Client.CloseIdleConnections] asks for.
func (a authorized) CloseIdleConnections() {
	if c, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.value != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", a.value)
	}
	return a.next.RoundTrip(r)
}

// refusal is an answer that is no success.
type refusal struct {
	code   int
	status string
	said   string
}

func (r *refusal) Error() string {
	text := "the store answers " + r.status
	if r.said != "" {
		text += ": " + r.said
	}
	switch r.code {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += "; give a token that may read with --influx-token (for InfluxDB 1.8 USER:PASSWORD), or HAIDANG_TOKEN for the city's own store"
	case http.StatusNotFound:
		text += "; give the address that /api/v1/query comes after with --prometheus, or that /query comes after with --influx"
	}
	return text
}

// patiently repeats a question whose failure may pass. ask must start over each
// time.
func patiently(ctx context.Context, ask func() error) error {
	var err error
	for try := range tries {
		if try > 0 {
			select {
			case <-time.After(time.Duration(try) * time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err = ask()
		var no *refusal
		passes := err != nil && (!errors.As(err, &no) || no.code == http.StatusTooManyRequests || no.code == http.StatusServiceUnavailable)
		if !passes || ctx.Err() != nil {
			break
		}
	}
	return err
}

// ask posts a form and has read take the answer.
func ask(ctx context.Context, client *http.Client, url, form string, read func(d *jsontext.Decoder) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(form))
	if err != nil {
		return fmt.Errorf("ask store: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask store: %w: is it running there?", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // an error leaves less to show
		return &refusal{resp.StatusCode, resp.Status, strings.TrimSpace(strings.ToValidUTF8(string(said), "�"))}
	}
	if err := read(jsontext.NewDecoder(io.LimitReader(resp.Body, maxAnswer))); err != nil {
		return fmt.Errorf("read store's answer: %w", err)
	}
	return nil
}

// object calls f for each key of the object that comes next; f reads the value.
func object(d *jsontext.Decoder, f func(key string) error) error {
	return each(d, '{', '}', func() error {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		return f(t.String())
	})
}

// array calls f for each element of the array that comes next; f reads it.
func array(d *jsontext.Decoder, f func() error) error { return each(d, '[', ']', f) }

func each(d *jsontext.Decoder, open, end jsontext.Kind, f func() error) error {
	t, err := d.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() == 'n' {
		return nil
	}
	if t.Kind() != open {
		return fmt.Errorf("%s where %s was expected", t.Kind(), open)
	}
	for d.PeekKind() != end {
		if err := f(); err != nil {
			return err
		}
	}
	_, err = d.ReadToken()
	return err
}

// word reads the next value as a text; what is none is empty.
func word(d *jsontext.Decoder) (string, error) {
	if d.PeekKind() != '"' {
		return "", d.SkipValue()
	}
	t, err := d.ReadToken()
	return t.String(), err
}
