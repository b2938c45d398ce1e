package access

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Role is what a person may do. Each role may do all that the ones before it may.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"   // sees everything, changes nothing
	Field    Role = "field"    // registers, swaps, issues credentials
	Operator Role = "operator" // re-drives, imports, retires, revokes
	Admin    Role = "admin"    // accounts, tokens of others, the journal of access

	// Anyone is no role of a person: it marks an operation that needs no log-in.
	Anyone Role = "anyone"
)

// Roles lists the roles of people, the least first.
func Roles() []Role { return []Role{Viewer, Field, Operator, Admin} }

// rank is 0 for what is no role of a person.
func (r Role) rank() int { return slices.Index(Roles(), r) + 1 }

// Allows reports whether who has the role may do what needs at least another. An
// unknown role allows nothing and is allowed to nobody.
func (r Role) Allows(least Role) bool {
	return least == Anyone || least.rank() > 0 && r.rank() >= least.rank()
}

// Scope is what a token may be used for.
type Scope string

// The scopes, each with the role whose operations it reaches.
const (
	ScopeRead     Scope = "read"     // viewer
	ScopeRegister Scope = "register" // field
	ScopeOperate  Scope = "operate"  // operator
	ScopeAdmin    Scope = "admin"    // admin
)

// Scopes lists the scopes in the order of their roles.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeRegister, ScopeOperate, ScopeAdmin} }

// role is the role whose operations a scope reaches; "" for an unknown one.
func (s Scope) role() Role {
	if i := slices.Index(Scopes(), s); i >= 0 {
		return Roles()[i]
	}
	return ""
}

// roleOf is the greatest role that some scopes reach, but no greater than the
// owner's.
func roleOf(scopes []Scope, owner Role) Role {
	var r Role
	for _, s := range scopes {
		if s.role().rank() > r.rank() {
			r = s.role()
		}
	}
	if r.rank() > owner.rank() {
		return owner
	}
	return r
}

// Local is who acts in open mode, when nobody has an account yet.
const Local = "local"

// Principal is who is asking. The zero value is nobody and may do nothing.
type Principal struct {
	// Account is the name of the account; "" is nobody.
	Account string
	Role    Role
	// Localities are those that it may change; none is all.
	Localities []telemetry.Locality
	// Token is the id of the API token, where it was one.
	Token string

	session string // the hash of the session, where it was one
}

// String names the principal in journals: "lan", or "lan/token:k3v9" where a
// program acts for lan.
func (p Principal) String() string {
	if p.Token != "" {
		return p.Account + "/token:" + p.Token
	}
	return p.Account
}

// May reports whether the principal may do what needs at least a role.
func (p Principal) May(least Role) bool { return p.Role.Allows(least) }

// ownAffairs refuses a token what is its owner's own, such as sessions and tokens,
// unless it may administer: whose account it acts for is no right of a scope.
func (p Principal) ownAffairs() error {
	if p.Token != "" && !p.May(Admin) {
		return fault(ReasonScope, "")
	}
	return nil
}

// Scope is where the principal may change things; nobody nowhere.
func (p Principal) Scope() devices.Scope {
	switch {
	case p.Account == "":
		return devices.Scope{}
	case len(p.Localities) == 0:
		return devices.Everywhere()
	}
	return devices.Within(p.Localities...)
}

// System is the principal of a command on the machine itself, such as
// `haidang accounts add`: who can write the store need not log in.
func System(user string) Principal {
	if user = strings.TrimSpace(user); user == "" {
		user = Local
	}
	return Principal{Account: "terminal:" + clip(user, 64), Role: Admin}
}

// request is what the middleware found out about an HTTP request.
type request struct {
	Principal
	remote netip.Addr
	agent  string
	// secure is a request that came encrypted; here is one from this machine to
	// one of its own names.
	secure, here bool
	// forged is a change asked for with a cookie alone: another site's page may
	// be behind it.
	forged bool
	// secret is the session's secret, as the cookie has it.
	secret Secret
	// familiar is the sign that the browser keeps of earlier log-ins.
	familiar Secret
	// device is the device that asks, if it is one.
	device *Grant
	// refused is why the token was not accepted.
	refused *Error
}

type requestKey struct{}

func requestOf(ctx context.Context) request {
	r, _ := ctx.Value(requestKey{}).(request)
	return r
}

// Actor is who asks in this context; nobody where [Control.Middleware] has not
// seen the request.
func Actor(ctx context.Context) Principal { return requestOf(ctx).Principal }

// From is where the request of this context comes from, as it is counted; behind a
// trusted proxy what that tells.
func From(ctx context.Context) netip.Prefix { return Network(requestOf(ctx).remote) }

// WithActor is a context in which somebody asks: for commands and tests.
func WithActor(ctx context.Context, p Principal) context.Context {
	r := requestOf(ctx)
	r.Principal = p
	return context.WithValue(ctx, requestKey{}, r)
}
