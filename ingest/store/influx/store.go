package influx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Gzip says whether bodies are compressed.
type Gzip uint8

const (
	// GzipAuto compresses unless the server is on this machine: there the
	// network is cheaper than the compression.
	GzipAuto Gzip = iota
	// GzipAlways compresses.
	GzipAlways
	// GzipNever does not.
	GzipNever
)

// Options says where to write. URL and Bucket must be set.
type Options struct {
	// URL is the server's: http:// or https://, with the path before /api/v2 if
	// there is one. It must not hold a password.
	URL string
	// Org is the organisation's name or id; InfluxDB 1.8 and VictoriaMetrics
	// ignore it.
	Org string
	// Bucket is the bucket; for InfluxDB 1.8 "database" or
	// "database/retention-policy".
	Bucket string
	// Token is the secret; for InfluxDB 1.8 "user:password". Empty where the
	// server asks for none. It appears in no error.
	Token string

	// Timeout bounds one request; 0 is 20 s.
	Timeout time.Duration
	// Gzip says whether bodies are compressed.
	Gzip Gzip
	// Retention, if it is set, rejects points older than that before they are
	// sent, for servers that drop them without a word.
	Retention time.Duration
	// MaxBody bounds the body of one request in bytes, before compression; 0 is
	// 2 MiB. A single point is always sent.
	MaxBody int

	// HTTPClient makes the requests; nil makes one that keeps few connections.
	// Its Timeout should be 0 and its CheckRedirect is not used.
	HTTPClient *http.Client
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// Store writes to one bucket. It is safe for concurrent use.
type Store struct {
	options Options
	api     api.WriteAPIBlocking
	client  *http.Client
	// maxBody bounds a body in bytes, before compression.
	maxBody atomic.Int64
	// taken is a line that the server has taken last; nil if none yet.
	taken atomic.Pointer[string]
}

var _ store.Store = (*Store)(nil)

// New makes a store; it does not contact the server. The error names the setting
// that is wrong.
func New(o Options) (*Store, error) {
	u, err := checkURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("check --influx-url: %w", err)
	}
	if o.Bucket == "" {
		return nil, errors.New("check --influx-bucket: it is empty; name the bucket, or for InfluxDB 1.8 the database")
	}
	if o.Timeout <= 0 {
		o.Timeout = 20 * time.Second
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 2 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	client := newClient(o.HTTPClient)
	options := influxdb2.DefaultOptions().
		SetPrecision(time.Millisecond).
		SetUseGZip(o.Gzip == GzipAlways || (o.Gzip == GzipAuto && !isLoopback(u.Hostname()))).
		SetApplicationName("haidang")
	options.HTTPOptions().SetHTTPDoer(strictDoer{client})
	s := &Store{
		options: o,
		api:     influxdb2.NewClientWithOptions(o.URL, o.Token, options).WriteAPIBlocking(o.Org, o.Bucket),
		client:  client,
	}
	s.maxBody.Store(int64(o.MaxBody))
	return s, nil
}

// checkURL makes sure that the URL is one of a server and holds no secret, for it
// appears in errors.
func checkURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The error quotes the text, which may hold a password.
		return nil, errors.New("it is no URL; it should be like http://127.0.0.1:8086")
	}
	if u.User != nil {
		return nil, errors.New("it must not hold a user or password; give them with --influx-token as USER:PASSWORD")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q should begin with http:// or https:// and a host, like http://127.0.0.1:8086", text)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q should end with its path; give organisation and bucket with --influx-org and --influx-bucket", text)
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// newClient makes the client that never follows a redirect: it would make a GET
// of a POST, and what a login page answers to that is no success.
func newClient(given *http.Client) *http.Client {
	client := &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
	}}
	if given != nil {
		copied := *given
		client = &copied
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client
}

// Close closes idle connections. The store may still be used.
func (s *Store) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// Write implements [store.Store].
func (s *Store) Write(ctx context.Context, points []telemetry.Point) error {
	w := writing{store: s, points: points}
	w.check()
	for next := 0; next < len(points); {
		body, end := w.encode(next)
		if body == "" {
			next = end
			continue
		}
		refusal, err := s.send(ctx, body)
		if tooLarge(err) && s.smaller(body) {
			continue
		}
		if err == nil {
			units := w.units(next, end)
			w.sent += len(units)
			if refusal != nil {
				err = w.isolate(ctx, units, refusal)
			}
		}
		if err != nil {
			return fmt.Errorf("write to %s: %w", s.options.URL, err)
		}
		next = end
	}
	if w.refused > 0 && w.refused == w.sent {
		if err := s.prove(ctx, w.rejections[len(w.rejections)-1].Detail); err != nil {
			return fmt.Errorf("write to %s: %w", s.options.URL, err)
		}
	}
	if len(w.rejections) > 0 {
		return &store.RejectedError{Rejections: w.rejections}
	}
	return nil
}

// smaller makes bodies smaller for good, after one was refused for its size: by a
// proxy most likely, and not by the database. It is false for a single line.
func (s *Store) smaller(body string) bool {
	if strings.Count(body, "\n") <= 1 {
		return false
	}
	s.maxBody.Store(min(int64(len(body)), s.maxBody.Load()) / 2)
	return true
}

// prove tells whether a server that has refused all of a call refuses data or
// everything: it is given once more what it took last, which changes nothing. If it
// does not take that, or has not taken anything yet, its refusals are no word on
// the data. The platform's own figures, which are written all the time, see to it
// that there is something.
func (s *Store) prove(ctx context.Context, detail string) error {
	line := s.taken.Load()
	if line == nil {
		return fmt.Errorf("the server refuses everything, and has taken nothing yet: %s; check --influx-bucket (%q) and --influx-org (%q)", detail, s.options.Bucket, s.options.Org)
	}
	refusal, err := s.send(ctx, *line)
	if err == nil && refusal != nil {
		err = fmt.Errorf("the server refuses everything, even what it has taken before: %s; check the bucket of --influx-bucket (%q) on the server", refusal.detail, s.options.Bucket)
	}
	return err
}

// send sends one body. A refusal is the server's word that the data in it will
// never be taken; an error leaves open what became of it.
func (s *Store) send(ctx context.Context, body string) (*refusal, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	err := s.api.WriteRecord(bounded, body)
	if err == nil {
		line, _, _ := strings.Cut(body, "\n")
		line = strings.Clone(line)
		s.taken.Store(&line)
		return nil, nil
	}
	if r := asRefusal(err); r != nil {
		return r, nil
	}
	return nil, s.explain(ctx, err)
}
