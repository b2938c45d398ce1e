package access

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	// CSRFHeader is where a page that changes something with a session says that
	// it is ours: GET /api/v1/session tells it the value.
	CSRFHeader = "X-CSRF-Token"
	// RoleKey is the key of a huma operation's metadata that holds the least role,
	// as a [Role] or a string.
	RoleKey = "role"

	sessionCookie = "haidang"
	hostPrefix    = "__Host-" // such a cookie is Secure, of this host alone, and no subdomain can set it
)

func (r request) caller() Caller {
	return Caller{Remote: r.remote, Agent: r.agent, Familiar: r.familiar}
}

func (r request) cookieName(name string) string {
	if r.secure {
		return hostPrefix + name
	}
	return name
}

// Middleware finds out who asks, for [Actor] and all that decides by it, and ends
// the request when they may no longer ask ([hold]). It refuses by itself only what
// comes from another origin's page.
func (c *Control) Middleware(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := c.origin(r)
		bearer, isBearer := bearerOf(r)
		if !isBearer {
			if err := origins.Check(r); err != nil {
				c.journal.refused(Event{Action: RequestRefused, Reason: string(ReasonCrossOrigin), Detail: r.Method + " " + r.URL.Path, Remote: q.caller().remote()})
				writeError(w, fault(ReasonCrossOrigin, ""))
				return
			}
		}
		c.identify(r, &q, bearer, isBearer)
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, q))
		if q.Account == "" {
			next.ServeHTTP(w, r)
			return
		}
		c.hold(next, w, r, q.Principal)
	})
}

// Forwarded is a request as its sender made it, where a trusted proxy has passed it on: by
// its address, and encrypted if it was.
func (c *Control) Forwarded(r *http.Request) *http.Request {
	q := c.origin(r)
	if !q.remote.IsValid() {
		return r
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || peer.Addr().Unmap() == q.remote {
		return r
	}
	r = r.Clone(r.Context())
	r.RemoteAddr = netip.AddrPortFrom(q.remote, 0).String()
	return r
}

// origin reads where a request comes from.
func (c *Control) origin(r *http.Request) request {
	q := request{agent: r.UserAgent(), secure: r.TLS != nil}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return q
	}
	q.remote = peer.Addr().Unmap()
	if c.proxy(q.remote) {
		q.remote = c.behind(q.remote, r.Header.Values("X-Forwarded-For"))
		q.secure = q.secure || last(r.Header.Values("X-Forwarded-Proto")) == "https"
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	q.here = q.remote.IsLoopback() && loopbackHost(host) && fromHere(r.Header)
	if k, err := r.Cookie(q.cookieName(familiarCookie)); err == nil && (q.secure || q.here) {
		q.familiar = Secret(k.Value)
	}
	return q
}

// fromHere reports whether a request's headers speak against its coming from this
// machine: what a proxy has passed on comes from anywhere, unless all whom it names
// are here. So a Grafana on this machine, which passes on what its user's browser
// on this machine asks, needs no token.
func fromHere(h http.Header) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-Host", "X-Real-Ip"} {
		if h.Get(name) != "" {
			return false
		}
	}
	from := h.Values("X-Forwarded-For")
	if len(from) == 0 {
		return h.Get("Via") == ""
	}
	for hop := range strings.SplitSeq(strings.Join(from, ","), ",") {
		if a, err := netip.ParseAddr(strings.TrimSpace(hop)); err != nil || !a.Unmap().IsLoopback() {
			return false
		}
	}
	return true
}

func (c *Control) proxy(a netip.Addr) bool {
	return slices.ContainsFunc(c.o.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// behind is the address before the last trusted proxy. What a client wrote into
// the header itself stands further left and is not believed.
func (c *Control) behind(peer netip.Addr, headers []string) netip.Addr {
	hops := strings.Split(strings.Join(headers, ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return peer
		}
		if peer = a.Unmap(); !c.proxy(peer) {
			return peer
		}
	}
	return peer
}

func last(values []string) string {
	all := strings.Split(strings.Join(values, ","), ",")
	return strings.ToLower(strings.TrimSpace(all[len(all)-1]))
}

func bearerOf(r *http.Request) (string, bool) {
	scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(rest), true
}

// identify finds who asks: the token if there is one, else the session, else, in
// open mode and at this machine, everybody.
func (c *Control) identify(r *http.Request, q *request, bearer string, isBearer bool) {
	ctx := r.Context()
	if isBearer {
		if !strings.HasPrefix(bearer, tokenPrefix) { // another kind, such as a broker's
			q.refused = fault(ReasonBadToken, "")
			return
		}
		p, err := c.byToken(ctx, bearer, q.caller())
		q.Principal, q.refused = p, asError(err)
		return
	}
	if cookie, err := r.Cookie(q.cookieName(sessionCookie)); err == nil && (q.secure || q.here) {
		p, err := c.bySession(ctx, Secret(cookie.Value))
		if err == nil {
			q.Principal, q.secret = p, Secret(cookie.Value)
			q.forged = unsafe(r.Method) && !sameText(r.Header.Get(CSRFHeader), csrfToken(q.secret))
			return
		}
		if !errors.Is(err, ErrMissing) {
			q.refused = asError(wrapped("read session", err))
			return
		}
	}
	if c.Mode() == Open && q.here {
		q.Principal = Principal{Account: Local, Role: Admin}
	}
}

func unsafe(method string) bool {
	return !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}, method)
}

func asError(err error) *Error {
	var e *Error
	errors.As(err, &e)
	return e
}

// Check refuses who has not at least a role in this context, and says why.
func (c *Control) Check(ctx context.Context, least Role) error {
	q := requestOf(ctx)
	var e *Error
	switch {
	case least == Anyone:
		return nil
	case least.rank() == 0:
		e = fault(ReasonNoRole, "")
	case q.refused != nil:
		if q.refused.Err != nil {
			c.log.Error("cannot find out who asks", "error", q.refused.Err)
		}
		return q.refused
	case q.Account == "":
		return fault(ReasonLogInNeeded, "")
	case q.forged:
		e = fault(ReasonForged, "")
	case !q.May(least):
		e = fault(ReasonRole, "", least, q.Role)
	default:
		return nil
	}
	c.journal.refused(Event{Action: RequestRefused, Who: q.Principal.String(), Reason: string(e.Reason), Detail: "needs " + clip(string(least), 16), Remote: q.caller().remote()})
	return e
}

// Require lets through to a handler who has at least a role: for what is no
// operation of huma's, such as /prometheus.
func (c *Control) Require(least Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.Check(r.Context(), least); err != nil {
			writeError(w, asError(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Operations is the middleware for huma: each operation names its least role in
// its metadata under [RoleKey]; one that does not is refused to everybody.
//
//	api.UseMiddleware(control.Operations)
func (c *Control) Operations(ctx huma.Context, next func(huma.Context)) {
	o := ctx.Operation()
	if username, secret, ok := basicOf(ctx); ok {
		c.device(ctx, username, secret, next)
		return
	}
	err := c.Check(ctx.Context(), roleIn(o))
	if err == nil {
		err = c.checkScope(ctx.Context(), o)
	}
	if err == nil {
		next(ctx)
		return
	}
	refuseOperation(ctx, err)
}

// checkScope refuses tokens that may only read whatever could change something,
// though the operation's least role is a viewer's: what a viewer may change is the
// viewer's own (sessions, password, tokens), and no program's that was let in to
// look.
func (c *Control) checkScope(ctx context.Context, o *huma.Operation) error {
	q := requestOf(ctx)
	if q.Token == "" || !unsafe(o.Method) || q.May(Field) || roleIn(o) == Anyone {
		return nil
	}
	c.journal.refused(Event{Action: RequestRefused, Who: q.Principal.String(), Reason: string(ReasonScope), Detail: clip(o.OperationID, 64), Remote: q.caller().remote()})
	return fault(ReasonScope, "")
}

func roleIn(o *huma.Operation) Role {
	switch r := o.Metadata[RoleKey].(type) {
	case Role:
		return r
	case string:
		return Role(r)
	}
	return ""
}

// Unguarded lists the operations that name no role, or none that exists: main
// refuses to start with such, and a test says which they are.
func Unguarded(api huma.API) (ids []string) {
	for path, item := range api.OpenAPI().Paths {
		for _, o := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Options, item.Head, item.Patch, item.Trace} {
			if o == nil {
				continue
			}
			if r := roleIn(o); r != Anyone && r.rank() == 0 {
				ids = append(ids, o.Method+" "+path)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// writeError answers with a problem.
func writeError(w http.ResponseWriter, e *Error) {
	maps.Copy(w.Header(), e.GetHeaders())
	w.Header().Set("Content-Type", e.ContentType(""))
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e) // an error here means that nobody reads any more
}

// Refuse answers who asks too much at once, in the form of every other error.
func Refuse(w http.ResponseWriter, r Reason, after time.Duration) {
	e := fault(r, "")
	e.RetryAfter = after
	writeError(w, e)
}

// cookie is the session's cookie; without a secret it takes the cookie away.
func (c *Control) cookie(q request, secret Secret, expires time.Time) *http.Cookie {
	k := &http.Cookie{Name: q.cookieName(sessionCookie), Value: string(secret), Path: "/", Secure: q.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	k.MaxAge = int(expires.Sub(c.now()) / time.Second)
	if secret == "" {
		k.MaxAge = -1
	}
	return k
}

// canKeep refuses to send a secret where it would cross a network in the clear.
func (q request) canKeep() error {
	if q.secure || q.here {
		return nil
	}
	return fault(ReasonPlainHTTP, "")
}
