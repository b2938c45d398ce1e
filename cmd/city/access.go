package city

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// accessFlags say who is asked to prove who they are.
type accessFlags struct {
	Login bool `help:"Ask people to log in, as is done beyond the loopback anyway. The first start prints a link that makes the first administrator. Without it, and while nobody has an account, who is on this machine is administrator."`
	oidcFlags
	DoorSecret string `name:"door-secret" env:"HAIDANG_DOOR_SECRET" help:"Secret by which a haidang door elsewhere may ask who a device is; better given in the environment." placeholder:"SECRET"`
	EMQXSecret string `name:"emqx-secret" env:"HAIDANG_EMQX_SECRET" help:"Secret by which EMQX may ask who a device is and what it may do; better given in the environment." placeholder:"SECRET"`
}

// minShared is the least length of a secret that two programs share.
const minShared = 20

func (f accessFlags) check() error {
	if n := len(f.EMQXSecret); n > 0 && n < minShared {
		return fmt.Errorf("HAIDANG_EMQX_SECRET has %d characters and could be guessed: give at least %d, such as: openssl rand -base64 24", n, minShared)
	}
	if n := len(f.DoorSecret); n > 0 && n < minShared {
		return fmt.Errorf("HAIDANG_DOOR_SECRET has %d characters and could be guessed: give at least %d, such as: openssl rand -base64 24", n, minShared)
	}
	return f.oidcFlags.check()
}

// control opens access control over the registry's store. Beyond this machine,
// where no issuer vouches for people, it invites the first administrator without
// being asked to.
func (r *registry) control(ctx context.Context, f accessFlags, e access.Exposure, o access.Options) (*access.Control, access.NewLink, error) {
	var link access.NewLink
	o.Store = r.store.Access()
	o.Names = func(l telemetry.Locality) (vi, en string) { return r.Snapshot().Names(l) }
	c, err := access.New(o)
	if err != nil {
		return nil, link, err
	}
	if f.Login || e.Beyond() && o.OIDC == nil {
		if link, e.Invited, err = c.FirstLink(ctx); err != nil {
			return nil, link, err
		}
	}
	if _, err := c.Start(ctx, e); err != nil {
		return nil, link, err
	}
	return c, link, nil
}

// serveRegistry adds the registry's and access control's operations.
// An operation that does not say who may ask is a mistake of ours, and refused.
func (l *loading) serveRegistry(s *server, c *access.Control, f accessFlags, log *slog.Logger) (*api.API, error) {
	a := api.New(l.registry.Registry)
	a.Logger = log
	if s.public != nil {
		a.PublicURL = s.url()
	}
	a.Quarantine, a.Refusals, a.Credentials = waiting{l.ledger}, Refusals{Control: c}, Credentials{Control: c}
	a.Presences = l.registry.presences
	a.Asker = func(ctx context.Context) api.Asker {
		p := access.Actor(ctx)
		return api.Asker{Name: p.String(), Role: api.Role(p.Role), Scope: p.Scope()}
	}
	a.Readings = l.readings
	l.registry.live = a.Live
	a.Register(s.api)
	c.Register(s.api)
	s.handlePublic("/auth/oidc/", c.OIDCHandler().ServeHTTP)
	if f.DoorSecret != "" {
		s.handlePublic(access.DoorPath, c.Door(access.Secret(f.DoorSecret)).ServeHTTP)
	}
	if f.EMQXSecret != "" {
		s.handlePublic("/api/v1/access/emqx/authentication", c.EMQXAuthentication(access.Secret(f.EMQXSecret)).ServeHTTP)
		s.handlePublic("/api/v1/access/emqx/authorization", c.EMQXAuthorization(access.Secret(f.EMQXSecret)).ServeHTTP)
	}
	if ids := access.Unguarded(s.api); len(ids) > 0 {
		return nil, fmt.Errorf("operations without a least role: %s", strings.Join(ids, ", "))
	}
	return a, nil
}

// waiting is what the ledger's quarantine holds of a device.
type waiting struct{ *ledger.Ledger }

// Waiting implements [api.Quarantine].
func (w waiting) Waiting(ctx context.Context, d telemetry.Device) ([]api.Waiting, error) {
	rows, err := w.Ledger.Waiting(ctx, d)
	if err != nil {
		return nil, err
	}
	out := make([]api.Waiting, 0, len(rows))
	for _, q := range rows {
		out = append(out, api.Waiting{Reason: q.Problem.Reason, Detail: q.Problem.Detail, Count: q.Count, Received: q.Received, Topic: q.Topic, Payload: q.Payload})
	}
	return out, nil
}

// Refusals is what access control wrote down of devices at the broker.
type Refusals struct{ *access.Control }

// Refused implements [api.Refusals].
func (r Refusals) Refused(ctx context.Context, d telemetry.Device) (api.Refused, bool, error) {
	e, refused, err := r.LastRefusal(ctx, d)
	return api.Refused{At: e.At, Reason: e.Reason, Detail: e.Detail}, refused, err
}

// Credentials issues devices' secrets in the name of who asks.
type Credentials struct{ *access.Control }

// Issue implements [api.Credentials].
func (c Credentials) Issue(ctx context.Context, _ devices.By, ids []telemetry.Device) (map[telemetry.Device]string, error) {
	all, err := c.Control.IssueAll(ctx, access.Actor(ctx), ids, 0, access.Caller{})
	if err != nil {
		return nil, err
	}
	out := make(map[telemetry.Device]string, len(all))
	for _, issued := range all {
		out[issued.Device] = string(issued.Secret)
	}
	return out, nil
}

// scoped asks access control where people may act, for what the registry does not keep.
type scoped struct{ control *access.Control }

// Who implements the Guard of ingest/api.
func (scoped) Who(ctx context.Context) string { return access.Actor(ctx).String() }

// Localities implements the Guard of ingest/api. Nobody's are none, and that is not nil.
func (scoped) Localities(ctx context.Context) []telemetry.Locality {
	s := access.Actor(ctx).Scope()
	if s.All {
		return nil
	}
	return append([]telemetry.Locality{}, s.Only...)
}

// May implements the Guard of ingest/api.
func (s scoped) May(ctx context.Context, what, id string, at telemetry.Locality) error {
	return s.control.May(access.Actor(ctx), devices.Entity(what), id, devices.PlaceOf(at))
}
