package city

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"sync/atomic"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// grants says who a device is and what it may do at the door.
type grants interface {
	Authenticate(ctx context.Context, login door.Login) (door.Grant, error)
}

// doorkeeper lets the parts of this process and devices in at the door.
type doorkeeper struct {
	parts map[string]partPass
	// devices is asked about all others; nil lets in whoever comes.
	devices grants
	door    atomic.Pointer[doorway]
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
)

func newDoorkeeper(cfg config.Config, devices grants) *doorkeeper {
	k := &doorkeeper{parts: map[string]partPass{}, devices: devices}
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

// ownGrants are those of this process's access control.
type ownGrants struct {
	control atomic.Pointer[access.Control]
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
