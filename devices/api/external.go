package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Language is what a store is asked in.
type Language string

// The languages.
const (
	LanguagePromQL   Language = "promql"   // VictoriaMetrics
	LanguageInfluxQL Language = "influxql" // InfluxDB
)

// External reads from a store outside of this process. Unless it is told, it finds
// out by the first question whether the store speaks PromQL or InfluxQL; one that
// does not answer is asked anew the next time. So nothing waits for the store to be
// there when the program starts.
type External struct {
	url      string
	client   *http.Client
	prom     *Prometheus
	influx   *InfluxQL
	language atomic.Pointer[Language]
}

// ExternalOptions says where and how an external store is asked.
type ExternalOptions struct {
	// URL is what /query (InfluxQL) or /api/v1/query (PromQL) comes after.
	URL string
	// Bucket is InfluxDB's bucket, in 1.8 "database" or "database/policy". PromQL
	// stores have none.
	Bucket string
	// Token is shown to the server as the header "Authorization: Token …"; empty
	// shows nothing.
	Token string
	// Language is what the store is asked in; empty asks the store.
	Language  Language
	Catalogue *telemetry.Catalogue
}

// NewExternal makes a reader; it does not contact the store.
func NewExternal(o ExternalOptions) *External {
	e := &External{url: strings.TrimRight(o.URL, "/"), client: newStoreClient(o.Token)}
	e.prom = NewPrometheus(e.url, o.Catalogue)
	e.prom.Client = e.client
	database, policy, _ := strings.Cut(o.Bucket, "/")
	e.influx = &InfluxQL{URL: e.url, Database: database, Policy: policy, Client: e.client, Catalogue: o.Catalogue, Now: time.Now}
	if o.Language != "" {
		e.language.Store(&o.Language)
	}
	return e
}

// newStoreClient makes a client that shows a token, waits a bounded time and never
// follows a redirect: what a page for people answers is no reading, and the token is
// for one server.
func newStoreClient(token string) *http.Client {
	return &http.Client{
		Timeout: 20 * time.Second,
		Transport: tokenTransport{token, &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 20 * time.Second,
			MaxIdleConnsPerHost:   8,
			// Charts of many clients wait here for their turn.
			MaxConnsPerHost: 16,
			IdleConnTimeout: 90 * time.Second,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// tokenTransport shows a token with every request.
type tokenTransport struct {
	token string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t tokenTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Token "+t.token)
	}
	return t.next.RoundTrip(r)
}

// Close closes idle connections.
func (e *External) Close() error {
	e.client.CloseIdleConnections()
	return nil
}

// Latest implements [Readings].
func (e *External) Latest(ctx context.Context, site telemetry.Site) ([]Reading, error) {
	r, err := e.readings(ctx)
	if err != nil {
		return nil, err
	}
	return r.Latest(ctx, site)
}

// First implements [Readings].
func (e *External) First(ctx context.Context, device telemetry.Device, site telemetry.Site, from time.Time) (Reading, bool, error) {
	r, err := e.readings(ctx)
	if err != nil {
		return Reading{}, false, err
	}
	return r.First(ctx, device, site, from)
}

// Series implements [Readings].
func (e *External) Series(ctx context.Context, q SeriesQuery) ([]DeviceSeries, error) {
	r, err := e.readings(ctx)
	if err != nil {
		return nil, err
	}
	return r.Series(ctx, q)
}

// Samples implements [Readings].
func (e *External) Samples(ctx context.Context, q SeriesQuery) ([]DeviceSamples, error) {
	r, err := e.readings(ctx)
	if err != nil {
		return nil, err
	}
	return r.Samples(ctx, q)
}

// readings is the reader of the store's language, which is found out once.
func (e *External) readings(ctx context.Context) (Readings, error) {
	l := e.language.Load()
	if l == nil {
		found, err := e.detect(ctx)
		if err != nil {
			return nil, fmt.Errorf("find out what store %s is: %w", e.url, err)
		}
		l = &found
		e.language.Store(l)
	}
	if *l == LanguagePromQL {
		return e.prom, nil
	}
	return e.influx, nil
}

// detect asks the store something that only PromQL answers; whoever does not is
// InfluxDB if it says so. An answer that leaves it open is an error: a proxy's, or a
// store's that is about to start.
func (e *External) detect(ctx context.Context) (Language, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, body, err := e.get(ctx, "/api/v1/query?query=1")
	if err != nil {
		return "", err
	}
	var a promAnswer
	if answer.StatusCode == http.StatusOK && json.Unmarshal(body, &a) == nil && a.Status == "success" {
		return LanguagePromQL, nil
	}
	switch {
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return "", fmt.Errorf("it answered %s: give a token with --influx-token that may read (for InfluxDB 1.8 it is USER:PASSWORD)", answer.Status)
	case answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode >= 500:
		return "", fmt.Errorf("it answered %s", answer.Status)
	case isInflux(answer.Header):
		return LanguageInfluxQL, nil
	}
	if answer, body, err = e.get(ctx, "/ping"); err != nil {
		return "", err
	}
	if answer.StatusCode/100 == 2 && isInflux(answer.Header) {
		return LanguageInfluxQL, nil
	}
	if strings.Contains(string(body), "HTTPS") && answer.StatusCode == http.StatusBadRequest {
		return "", fmt.Errorf("it answered %s: %s: its address should begin with https://, in --influx-url or --query-url", answer.Status, clip(strings.TrimSpace(string(body)), 100))
	}
	return "", fmt.Errorf("it answers neither PromQL nor as InfluxDB (but %s): check --influx-url, name the server that answers queries with --query-url, or say with --query promql or --query influxql what it speaks", answer.Status)
}

// isInflux says whether an answer's headers are InfluxDB's.
func isInflux(h http.Header) bool {
	return h.Get("X-Influxdb-Version") != "" || h.Get("X-Influxdb-Build") != ""
}

func (e *External) get(ctx context.Context, path string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+path, nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp, body, err
}
