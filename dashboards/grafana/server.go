package grafana

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grafana-tools/sdk"
)

// Server is a Grafana that has been asked who it is. grafana-tools/sdk does what
// it can: health, folders, making a data source. It knows no folder of a board
// by uid, updates data sources by number, and has no playlists; those are asked
// for here, over the same HTTP client.
type Server struct {
	// Version as Grafana tells it; empty if it hides it.
	Version string

	major int
	base  *url.URL
	http  *http.Client
	sdk   *sdk.Client
}

// Options say which Grafana, and as whom.
type Options struct {
	// URL is its root, with the sub-path if it is served from one.
	URL string
	// Token is a service account's token, or user:password.
	Token string
	// Transport carries the requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

const (
	answerTime = 30 * time.Second // for one request
	maxAnswer  = 32 << 20         // bytes of an answer
)

// The oldest Grafana that boards are made for.
const oldestMajor, oldestMinor = 9, 4

// Open asks a Grafana for its version. It fails if nobody answers, if it is no
// Grafana, or one older than 9.4.
func Open(ctx context.Context, o Options) (*Server, error) {
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil {
		return nil, errors.New("--grafana should be like http://127.0.0.1:3000, without a user or password; those go into --token as user:password")
	}
	if strings.ContainsAny(o.Token, "\r\n\x00") {
		return nil, errors.New("--token has a line break in it: give the token alone, in one line")
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	s := &Server{base: base, http: &http.Client{
		Transport: &messenger{next: o.Transport, base: base, token: o.Token},
		Timeout:   answerTime,
	}}
	// Without credentials: the SDK would write a password into its URLs, and
	// those are in errors.
	if s.sdk, err = sdk.NewClient(base.String(), "", s.http); err != nil {
		return nil, fmt.Errorf("open Grafana's client: %w", err)
	}
	return s, s.greet(ctx)
}

// greet finds out the version.
func (s *Server) greet(ctx context.Context) error {
	health, err := s.sdk.GetHealth(ctx)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) || errors.As(err, &kind) || err == nil && health.Database == "":
		return fmt.Errorf("%s answers, but is no Grafana: --grafana is its root, such as http://127.0.0.1:3000, with its sub-path if it has one", s.base)
	case err != nil:
		return s.unreached(err)
	}
	if health.Version == "" {
		health.Version = s.settledVersion(ctx)
	}
	s.Version = health.Version
	major, minor, ok := readVersion(s.Version)
	if !ok {
		return nil // hidden; whatever it is, it will say what it does not know
	}
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return fmt.Errorf("%s is Grafana %s, and the boards need 9.4 or newer: update it", s.base, shown(s.Version, 20))
	}
	s.major = major
	return nil
}

// settledVersion asks a Grafana that hides its version from strangers.
func (s *Server) settledVersion(ctx context.Context) string {
	var settings struct {
		BuildInfo struct {
			Version string `json:"version"`
		} `json:"buildInfo"`
	}
	if err := s.ask(ctx, http.MethodGet, "/api/frontend/settings", nil, &settings); err != nil {
		return ""
	}
	return settings.BuildInfo.Version
}

// readVersion reads 12.3.1, 12.3.1-pre and the like.
func readVersion(text string) (major, minor int, ok bool) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return 0, 0, false
	}
	minor, err = strconv.Atoi(parts[1])
	return major, minor, err == nil
}

// ask sends in as JSON, unless it is nil, and decodes the answer into out.
func (s *Server) ask(ctx context.Context, method, path string, in, out any) error {
	return s.askWith(ctx, method, path, nil, in, out)
}

// askWith is ask with more headers.
func (s *Server) askWith(ctx context.Context, method, path string, header http.Header, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base.String()+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.http.Do(req)
	if err != nil {
		return s.unreached(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(http.MaxBytesReader(nil, res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", s.base, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read answer of %s to %s %s: %w: is something between us and Grafana?", s.base, method, path, err)
	}
	return nil
}

// unreached is the error of a request that was refused or not answered.
func (s *Server) unreached(err error) error {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return fmt.Errorf("--grafana %s has not answered within %v: look at its log, or try again", s.base, answerTime)
		}
		err = u.Err
	}
	return fmt.Errorf("ask --grafana %s: %w: %s", s.base, err, whyUnreached(err))
}

// whyUnreached is what to do where nobody answered.
func whyUnreached(err error) string {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return "if this is your own authority, give its certificate with --ca FILE"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it is not encrypted there: --grafana begins with http://"
	}
	return "is Grafana running there?"
}

// messenger authorizes requests, bounds answers, and makes an error of whatever
// is not a success, which the SDK would flatten into text.
type messenger struct {
	next  http.RoundTripper
	base  *url.URL
	token string
}

// RoundTrip implements http.RoundTripper.
func (m *messenger) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if user, password, ok := strings.Cut(m.token, ":"); ok {
		req.SetBasicAuth(user, password)
	} else if m.token != "" {
		req.Header.Set("Authorization", "Bearer "+m.token)
	}
	req.Header.Set("User-Agent", "haidang")
	res, err := m.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	res.Body.Close()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)
	case res.StatusCode < 200 || res.StatusCode > 299:
		r := readRefusal(req.Method, strings.TrimPrefix(req.URL.Path, m.base.Path), res.StatusCode, body)
		r.token = m.token != ""
		return nil, r
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}
