package city

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// grants says who a device is and what it may do at the door.
type grants interface {
	Authenticate(ctx context.Context, login door.Login) (door.Grant, error)
	// Lapsed are those of some identities whom no secret would let in.
	Lapsed(ctx context.Context, identities []string) ([]string, error)
}

// doorkeeper lets the parts of this process and devices in at the door.
type doorkeeper struct {
	parts map[string]partPass
	// devices is asked about all others; nil lets in whoever comes.
	devices grants
	door    atomic.Pointer[doorway]
	log     *slog.Logger
}

// partPass is what a part of this process may do; its password is of this process too.
type partPass struct {
	password           string
	publish, subscribe []string
}

const (
	// simulatorUser is the one user of all simulated devices, canaryUser that of what the
	// city sends itself; no device can have a ~ in its name before its first colon.
	simulatorUser = "~simulator"
	canaryUser    = "~canary"
	// simulatedPrefix begins simulated devices' ids.
	simulatedPrefix = "sim"
	// endedWithin bounds how long is asked whether a device may still come.
	endedWithin = 10 * time.Second
)

func newDoorkeeper(cfg config.Config, devices grants, log *slog.Logger) *doorkeeper {
	k := &doorkeeper{parts: map[string]partPass{}, devices: devices, log: log}
	sim, canary := partPass{password: rand.Text()}, partPass{password: rand.Text()}
	for _, l := range cfg.LocalityIDs() {
		sim.publish = append(sim.publish, "kh/"+string(l)+"/+/+")
		canary.publish = append(canary.publish, "kh/"+string(l)+"/canary/~"+door.Name)
	}
	k.parts[simulatorUser], k.parts[canaryUser] = sim, canary
	return k
}

// Authenticate implements [door.Authenticator].
func (k *doorkeeper) Authenticate(ctx context.Context, login door.Login) (door.Grant, error) {
	if p, ok := k.parts[login.Username]; ok {
		if subtle.ConstantTimeCompare([]byte(p.password), []byte(login.Password)) != 1 {
			return door.Grant{}, access.RefusedSecret
		}
		return door.Grant{Identity: "part " + login.Username, Publish: p.publish, Subscribe: p.subscribe, Internal: true}, nil
	}
	if k.devices != nil {
		return k.devices.Authenticate(ctx, login)
	}
	all := []string{"#"}
	return door.Grant{Identity: openIdentity(login), Publish: all, Subscribe: all}, nil
}

// openIdentity is who somebody is where nobody is asked: the client id, so that
// what bounds a device bounds no other.
func openIdentity(login door.Login) string {
	if login.ClientID == "" {
		return "client at " + login.Remote.String()
	}
	return "client " + login.ClientID
}

// end ends a device's connections: it is to show again who it is and what it may do.
func (k *doorkeeper) end(d telemetry.Device) {
	if w := k.door.Load(); w != nil {
		w.Disconnect(string(d))
	}
}

// ended is told that a credential of a device has ended. If it was its last, nothing that
// waits for the device may go to who has its name next.
func (k *doorkeeper) ended(d telemetry.Device) {
	k.end(d)
	ctx, cancel := context.WithTimeout(context.Background(), endedWithin)
	defer cancel()
	if err := k.forgetLapsed(ctx, []string{string(d)}); err != nil {
		k.log.Error("what waits for a device may have to be forgotten, and is not; the next start looks again", "device", d, "error", err)
	}
}

// forgetLapsed ends the sessions of those users whom no secret would let in.
func (k *doorkeeper) forgetLapsed(ctx context.Context, users []string) error {
	w := k.door.Load()
	if w == nil || k.devices == nil || len(users) == 0 {
		return nil
	}
	lapsed, err := k.devices.Lapsed(ctx, users)
	if err != nil {
		return err
	}
	if n := w.sessions.Forget(lapsed...); n > 0 {
		k.log.Info("MQTT sessions of devices that may not come any more are ended, with what waited in them", "sessions", n, "devices", len(lapsed))
	}
	return nil
}

// changed is told which devices the registry has changed: what a device may do is decided
// when it connects, so it must again.
func (k *doorkeeper) changed(all []telemetry.Device, s *devices.Snapshot) {
	var gone []string
	for _, d := range all {
		k.end(d)
		if s.Retired(d) {
			gone = append(gone, string(d))
		}
	}
	if w := k.door.Load(); w != nil {
		w.sessions.Forget(gone...)
	}
}

// ownGrants are those of this process's access control.
type ownGrants struct {
	control atomic.Pointer[access.Control]
}

// Lapsed implements grants.
func (o *ownGrants) Lapsed(ctx context.Context, identities []string) ([]string, error) {
	c := o.control.Load()
	if c == nil {
		return nil, door.ErrUnavailable
	}
	return c.Lapsed(ctx, identities)
}

// Authenticate implements grants.
func (o *ownGrants) Authenticate(ctx context.Context, login door.Login) (door.Grant, error) {
	c := o.control.Load()
	if c == nil {
		return door.Grant{}, fmt.Errorf("access control is not there yet: %w", door.ErrUnavailable)
	}
	g, err := c.Authenticate(ctx, login.ClientID, login.Username, access.Secret(login.Password), login.Remote)
	if err != nil {
		return door.Grant{}, err
	}
	return door.Grant{Identity: g.Identity, Publish: g.Publish, Subscribe: g.Subscribe}, nil
}

// refused has access control write down what the door refused.
func (o *ownGrants) refused(r door.Refusal) {
	if c := o.control.Load(); c != nil {
		c.NoteRefused(refusalOf(r))
	}
}

func refusalOf(r door.Refusal) access.Refusal {
	return access.Refusal{Kind: string(r.Kind), Username: r.Username, Known: r.Identity != "", ClientID: r.ClientID, Topic: r.Topic,
		Reason: r.Reason, Code: r.Code, Remote: r.Remote}
}
