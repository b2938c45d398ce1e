package city

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/web"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/certificate"
)

// maxBody bounds a request's body: an import of 16 MiB and its envelope. Each
// operation has its own, mostly far smaller, bound.
const maxBody = 17 << 20

// mostScrapes is how many requests for metrics are answered at once: each reads the
// ledger.
const mostScrapes = 8

// server is the one HTTP listener.
type server struct {
	mux *http.ServeMux
	// routes are the handlers that are no operations of api, with who may ask them.
	routes   []route
	api      huma.API
	listener *connections
	// control is nil where there is nobody to tell from another (a gateway
	// process): then only health and metrics are served.
	control *access.Control

	cert *certificate.Certificate // nil is plain HTTP
	// public is where browsers reach us, nil is at our own address. beyond says
	// that this address is not of the loopback.
	public *url.URL
	beyond bool
	// only are those who may come, where that is but a proxy; empty is all.
	only []netip.Prefix
	// full says why nothing large may be written to the disk now, nil if it may; it is
	// nil where nothing is.
	full     func() error
	headers  access.Headers
	mapStyle string
	// mqtt serves MQTT over WebSocket; nil is nobody.
	mqtt http.Handler
	log  *slog.Logger
}

// listen takes the address now, so that a taken port is known before anything
// else has started.
func listen(addr string) (*server, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on --http %s: another program has this port, perhaps another haidang: stop it, or choose another with --http", addr)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on --http %s: %w", addr, err)
	}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Hải Đăng", terminal.Version)
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.OpenAPIPath, config.SchemasPath = "/api/openapi", "/api/schemas"
	// huma's page of documentation loads its script from the internet, which an
	// operations centre need not have.
	config.DocsPath = ""
	return &server{mux: mux, api: humago.New(mux, config), listener: newConnections(l, mostConnections, mostPerAddress), log: slog.New(slog.DiscardHandler)}, nil
}

// schemaName tells types of one name in different packages apart.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	for suffix, prefix := range map[string]string{"ingest/telemetry": "Telemetry", "ingest/api": "Ingest", "devices/access": "Access"} {
		if strings.HasSuffix(t.PkgPath(), suffix) && t.Name() != "" {
			return prefix + name
		}
	}
	return name
}

// url is where browsers reach us.
func (s *server) url() string {
	if s.public != nil {
		return s.public.Scheme + "://" + s.public.Host
	}
	scheme := "http"
	if s.cert != nil {
		scheme = "https"
	}
	return scheme + "://" + shownAddress(s.listener.Addr().String(), s.cert)
}

// run serves until ctx ends, then lets requests finish.
func (s *server) run(ctx context.Context) error {
	h := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 3 * time.Minute, IdleTimeout: idleKnown,
		MaxHeaderBytes: 64 << 10,
		// Requests beside each other in one connection: a page has some dozens.
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: 100},
		ConnState: s.listener.state, ConnContext: s.listener.context,
		// What goes wrong on a connection is the client's doing, and anybody can.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	serve := h.Serve
	if s.cert != nil {
		h.TLSConfig = s.cert.TLS()
		serve = func(l net.Listener) error { return h.ServeTLS(l, "", "") }
	}
	failed := make(chan error, 1)
	go s.listener.sweep(ctx)
	go func() { failed <- serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := h.Shutdown(stop)
	if err != nil {
		err = h.Close() // a request that will not end is cut off
	}
	<-failed
	return err
}

// handler is all that requests go through: first whether they come by a name of
// ours, then whether they may be a foreign page's, then who asks, then whether that
// one has not too many.
func (s *server) handler() http.Handler {
	if s.control == nil {
		return s.protect(s.connectsMQTT(http.NewCrossOriginProtection().Handler(s.mux)))
	}
	return s.protect(s.connectsMQTT(s.headers.Wrap(s.control.Middleware(newRequests(s.listener).bound(s.mux)))))
}

// mqttPath is where MQTT clients come by WebSocket.
const mqttPath = "/mqtt"

// connectsMQTT hands a client of MQTT to the door, by all that is about requests: it says
// by MQTT who it is, no cookie counts, and its connection lasts for days.
func (s *server) connectsMQTT(next http.Handler) http.Handler {
	if s.mqtt == nil {
		return next
	}
	s.routes = append(s.routes, route{"GET " + mqttPath, access.Anyone})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == mqttPath {
			s.mqtt.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownOrigin reports whether a request is no foreign page's.
func (s *server) ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && s.knows(u.Host)
}

// guard has every operation of the API added from now on ask c, and refuses
// strangers the handlers that are no operations.
func (s *server) guard(c *access.Control) {
	s.control = c
	s.api.UseMiddleware(c.Operations)
}

// route is a handler that is no operation of the API.
type route struct {
	pattern string
	least   access.Role
}

// handle adds a handler for those who may at least look.
func (s *server) handle(pattern string, h http.Handler) {
	s.routes = append(s.routes, route{pattern, access.Viewer})
	if s.control != nil {
		h = s.control.Require(access.Viewer, h)
	}
	s.mux.Handle(pattern, h)
}

// handlePublic adds a handler that asks nobody who they are, or asks by itself.
func (s *server) handlePublic(pattern string, h http.HandlerFunc) {
	s.routes = append(s.routes, route{pattern, access.Anyone})
	s.mux.HandleFunc(pattern, h)
}

// protect keeps web pages of other origins from rebinding a name of theirs to our
// address, keeps out who goes round the proxy that encrypts, and bounds what is
// sent. Health is told to all: who probes it comes by whatever address it has.
func (s *server) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probe := r.URL.Path == "/healthz" || r.URL.Path == "/readyz"
		switch {
		case probe:
		case !s.knows(r.Host):
			http.Error(w, "this server does not answer to that name: use "+s.url()+", or start it with --public-url", http.StatusMisdirectedRequest)
			return
		case !s.lets(r.RemoteAddr):
			http.Error(w, "nothing is encrypted here: use "+s.url()+", or name your proxy with --proxy", http.StatusForbidden)
			return
		}
		if err := s.refuse(r); err != nil {
			http.Error(w, err.Error(), http.StatusInsufficientStorage)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// smallBody is what a request may bring on a full disk: who purges, acknowledges or logs
// in sends less, and photos and imports are more.
const smallBody = 16 << 10

// refuse says why a request that brings much, to be kept, must wait.
func (s *server) refuse(r *http.Request) error {
	if s.full == nil || r.ContentLength >= 0 && r.ContentLength <= smallBody || strings.HasPrefix(r.URL.Path, terminal.PrometheusPath+"/") ||
		strings.HasPrefix(r.URL.Path, ingestPath) { // the journal answers for itself
		return nil
	}
	if err := s.full(); err != nil {
		return fmt.Errorf("nothing large is taken now: %w", err)
	}
	return nil
}

// knows reports whether a Host header is a name of ours. Rebinding needs a name,
// so beyond the loopback every bare address is.
func (s *server) knows(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if terminal.ThisMachine(host) {
		return true
	}
	if s.public != nil && strings.EqualFold(host, s.public.Hostname()) {
		return true
	}
	if net.ParseIP(host) != nil {
		return s.beyond
	}
	return s.cert != nil && s.cert.For(host)
}

// lets reports whether somebody at an address may come.
func (s *server) lets(remote string) bool {
	if len(s.only) == 0 {
		return true
	}
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	a := peer.Addr().Unmap()
	return a.IsLoopback() || slices.ContainsFunc(s.only, func(p netip.Prefix) bool { return p.Contains(a) })
}

// check is one thing that must be well for the process to be ready. Problem is
// empty where it is; Note says more of what is no problem.
type check struct {
	Name    string `json:"name"`
	Problem string `json:"problem,omitempty"`
	Note    string `json:"note,omitempty"`
}

// findingChecks are the findings for which the process is not ready.
func findingChecks(findings *ingest.Findings) (out []check) {
	for _, f := range findings.List() {
		if f.NotReady {
			out = append(out, check{Name: strings.TrimSpace(f.Rule + " " + string(f.Device)), Problem: f.SummaryEN + ": " + f.DescriptionEN + ". " + f.RunbookEN})
		}
	}
	return out
}

// health adds /healthz (the process answers), /readyz (it can do its work) and
// /metrics.
func (s *server) health(gatherer prometheus.Gatherer, findings *ingest.Findings, checks func(context.Context) []check) {
	s.handlePublic("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	s.handlePublic("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
		defer cancel()
		body := struct {
			Ready  bool    `json:"ready"`
			Checks []check `json:"checks"`
		}{true, append(checks(ctx), findingChecks(findings)...)}
		stranger := s.control != nil && !access.Actor(r.Context()).May(access.Viewer)
		for i, c := range body.Checks {
			body.Ready = body.Ready && c.Problem == ""
			if stranger {
				body.Checks[i].Note = ""
			}
			if stranger && c.Problem != "" { // it may name servers and folders
				body.Checks[i].Problem = "log in, or look into the log, to see why"
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if !body.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.Encode(body) // an error here means that nobody reads any more
	})
	s.handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrapes}))
	s.handlePublic("GET /api/docs", http.RedirectHandler("/api/openapi.yaml", http.StatusSeeOther).ServeHTTP)
}

//go:embed index.html
var indexPage []byte

// pages adds the console, and at /api the page that says what is to be found here
// for programs.
func (s *server) pages() {
	s.handlePublic("/", web.Handler(web.Options{MapStyle: s.mapStyle}).ServeHTTP)
	s.handlePublic("GET /api", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.Write(indexPage) // an error here means that nobody reads any more
	})
}
