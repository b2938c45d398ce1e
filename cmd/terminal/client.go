// Package terminal is what all commands share: how a command line is run, how a
// running city is asked, how values are read and results shown.
package terminal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// ClientFlags say which running haidang a command asks.
type ClientFlags struct {
	URL   string `name:"url" env:"HAIDANG_URL" default:"http://127.0.0.1:8080" help:"Where the city's HTTP listener is." placeholder:"http://127.0.0.1:8080"`
	JSON  bool   `name:"json" help:"Print JSON instead of a table."`
	Token string `env:"HAIDANG_TOKEN" help:"API token; better given in the environment." placeholder:"SECRET"`
	CA    string `name:"ca" env:"HAIDANG_CA" type:"path" help:"Certificate (PEM) of the authority that vouches for --url, where this machine does not know it." placeholder:"FILE"`
}

// DefaultURL is where a city is that nobody says the place of.
const DefaultURL = "http://127.0.0.1:8080"

// maxAnswer bounds what is read of an answer.
const maxAnswer = 256 << 20

// Call asks the running city; in is the request's body, nil for none, and out
// what the answer is decoded into: a *[]byte takes it as it is.
func (f ClientFlags) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(f.URL, "/")+path, body)
	if err != nil {
		return fmt.Errorf("--url %s: %w", Redact(f.URL), err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := f.Authorize(req); err != nil {
		return err
	}
	client, err := f.Client()
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which may have a password
		}
		return fmt.Errorf("ask --url %s: %w: %s", Redact(f.URL), err, WhyUnreached(err))
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", Redact(f.URL), err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", Redact(f.URL), res.Status, ProblemText(answer))
	}
	if raw, ok := out.(*[]byte); ok {
		*raw = answer
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("read answer of %s: %w: is this a haidang of another version?", Redact(f.URL), err)
	}
	return nil
}

// Authorize adds the token, where there is one and nobody on the way can read it.
func (f ClientFlags) Authorize(req *http.Request) error {
	if f.Token == "" {
		return nil
	}
	if req.URL.Scheme != "https" && !ThisMachine(req.URL.Hostname()) {
		return fmt.Errorf("--url %s is not encrypted, and the token would cross the network for all to read: give an https:// address, or take HAIDANG_TOKEN away", Redact(f.URL))
	}
	if strings.ContainsAny(f.Token, "\r\n\x00") {
		return errors.New("--token has a line break in it: give the token alone, in one line")
	}
	req.Header.Set("Authorization", "Bearer "+f.Token)
	return nil
}

// Client asks servers whose certificate this machine's authorities, or that of
// --ca, vouch for.
func (f ClientFlags) Client() (*http.Client, error) {
	if f.CA == "" {
		return http.DefaultClient, nil
	}
	text, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("read --ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--ca %s has no certificate in PEM: give the authority's, the file that begins with -----BEGIN CERTIFICATE-----", f.CA)
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}}, nil
}

// WhyUnreached is what to do where nobody answered.
func WhyUnreached(err error) string {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return "if this is your own authority, give its certificate with --ca FILE"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "nothing is encrypted there: does the address begin with http://?"
	}
	return "is `haidang up` running there?"
}

// ThisMachine reports whether a host is this machine.
func ThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ProblemText is what a problem document (RFC 9457) says, or the text itself.
func ProblemText(body []byte) string {
	var p struct {
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"` // as body.why or query.limit
		} `json:"errors"`
	}
	if json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return strings.TrimSpace(string(body[:min(len(body), 500)]))
	}
	parts := []string{p.Detail}
	for _, e := range p.Errors {
		if _, field, ok := strings.Cut(e.Location, "."); ok {
			e.Message = field + ": " + e.Message
		}
		parts = append(parts, e.Message)
	}
	return strings.Join(parts, "; ")
}

// PrintJSON prints v as indented JSON.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// PrometheusPath is where the embedded store's HTTP API is mounted.
const PrometheusPath = "/prometheus"
