package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// accessFlags say who is asked to prove who they are.
type accessFlags struct {
	Login bool `help:"Ask people to log in. The first start prints a link that makes the first administrator. Without it, and while nobody has an account, who is on this machine is administrator."`
}

// control opens access control over the registry's store.
func (r *registry) control(ctx context.Context, f accessFlags, e access.Exposure, log *slog.Logger, ended func(telemetry.Device)) (*access.Control, access.NewLink, error) {
	var link access.NewLink
	c, err := access.New(access.Options{Store: r.store.Access(), Logger: log, OnEnded: ended})
	if err != nil {
		return nil, link, err
	}
	if f.Login {
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
func (l *loading) serveRegistry(s *server, c *access.Control, log *slog.Logger) (*api.API, error) {
	a := api.New(l.registry.Registry)
	a.Logger = log
	a.Quarantine, a.Refusals, a.Credentials = waiting{l.ledger}, refusals{c}, credentials{c}
	a.Presences = l.registry.presences
	a.Asker = func(ctx context.Context) api.Asker {
		p := access.Actor(ctx)
		return api.Asker{Name: p.String(), Role: api.Role(p.Role)}
	}
	a.Readings = l.readings
	l.registry.live = a.Live
	a.Register(s.api)
	c.Register(s.api)
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

// refusals is what access control wrote down of devices at the broker.
type refusals struct{ *access.Control }

// Refused implements [api.Refusals].
func (r refusals) Refused(ctx context.Context, d telemetry.Device) (api.Refused, bool, error) {
	events, err := r.Events(ctx, access.EventFilter{Action: access.CredentialRefused, Subject: access.Username(d), Limit: 1})
	if err != nil || len(events) == 0 {
		return api.Refused{}, false, err
	}
	return api.Refused{At: events[0].At, Reason: events[0].Reason}, true, nil
}

// credentials issues devices' secrets in the name of who asks.
type credentials struct{ *access.Control }

// Issue implements [api.Credentials].
func (c credentials) Issue(ctx context.Context, _ devices.By, ids []telemetry.Device) (map[telemetry.Device]string, error) {
	out := make(map[telemetry.Device]string, len(ids))
	for _, id := range ids {
		issued, err := c.Control.Issue(ctx, access.Actor(ctx), id, 0, access.Caller{})
		if err != nil {
			return nil, fmt.Errorf("issue credential of device %s: %w", id, err)
		}
		out[id] = string(issued.Secret)
	}
	return out, nil
}

// doorkeeper lets gateways and devices in at the embedded broker. It refuses
// everybody until access control is there.
type doorkeeper struct {
	gateways map[string]gatewayPass
	control  atomic.Pointer[access.Control]
}

// gatewayPass is what one gateway of this process may do; its password is of
// this process too.
type gatewayPass struct {
	password  string
	subscribe []string
}

func newDoorkeeper(cfg Config) *doorkeeper {
	k := &doorkeeper{gateways: map[string]gatewayPass{}}
	for _, g := range cfg.Gateways {
		p := gatewayPass{password: rand.Text()}
		for _, s := range g.Subscriptions {
			p.subscribe = append(p.subscribe, s.Filter)
		}
		k.gateways[clientID(g.Name)] = p
	}
	return k
}

// Authenticate implements [broker.Authenticator].
func (k *doorkeeper) Authenticate(ctx context.Context, login broker.Login) (broker.Grant, error) {
	if g, ok := k.gateways[login.Username]; ok {
		if subtle.ConstantTimeCompare([]byte(g.password), []byte(login.Password)) != 1 {
			return broker.Grant{}, access.RefusedSecret
		}
		return broker.Grant{Identity: "gateway " + login.Username, Subscribe: g.subscribe, ClientIDs: []string{login.Username}, Internal: true}, nil
	}
	c := k.control.Load()
	if c == nil {
		return broker.Grant{}, errors.New("access control is not there yet")
	}
	g, err := c.Authenticate(ctx, login.ClientID, login.Username, access.Secret(login.Password), login.Remote)
	if err != nil {
		return broker.Grant{}, err
	}
	return broker.Grant{Identity: g.Identity, Publish: g.Publish, Subscribe: g.Subscribe, ClientIDs: g.ClientIDs}, nil
}

// refused has access control write down what the broker refused.
func (k *doorkeeper) refused(r broker.Refusal) {
	if c := k.control.Load(); c != nil {
		c.NoteRefused(string(r.Kind), r.Username, r.ClientID, r.Topic, r.Reason, r.Remote)
	}
}
