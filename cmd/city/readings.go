package city

import (
	"bytes"
	"net/http"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// openReadings makes the reader of what the store holds. The
// embedded store is nil if the store is external. It contacts nobody.
func (c *city) openReadings(f storeFlags, built *embedded.Store, cat *telemetry.Catalogue) api.Readings {
	if built != nil {
		p := api.NewPrometheus("http://store"+terminal.PrometheusPath, cat)
		p.Client = &http.Client{Transport: handlerTransport{built.Console(terminal.PrometheusPath)}, Timeout: 20 * time.Second}
		return p
	}
	o := api.ExternalOptions{URL: f.InfluxURL, Bucket: f.InfluxBucket, Token: f.InfluxToken, Catalogue: cat}
	if f.QueryURL != "" {
		o.URL = f.QueryURL
	}
	if f.Query != "auto" {
		o.Language = api.Language(f.Query)
	}
	e := api.NewExternal(o)
	c.open.opened("store's reader", e.Close)
	return e
}

// handlerTransport answers requests by a handler of this process, without a
// connection.
type handlerTransport struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := &answer{header: http.Header{}, status: http.StatusOK}
	t.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: nopCloser{&w.body},
		ContentLength: int64(w.body.Len()), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
}

// answer is a response being written.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

type nopCloser struct{ *bytes.Buffer }

func (nopCloser) Close() error { return nil }
