package access

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxOverlap is how long a device may go on with the secret before its last.
const maxOverlap = 30 * day

// Issued is a new credential. Its Secret is shown once.
type Issued struct {
	Credential
	Username string
	Secret   Secret
}

// Issue gives a device a new credential. Those it has end: at once, or the newest
// of them when the overlap is over, so that a device can be brought its new
// secret while it works. At most two are good at a time. Field people may, for
// devices of their localities ([devices.Standing.Place]).
func (c *Control) Issue(ctx context.Context, p Principal, device telemetry.Device, overlap time.Duration, from Caller) (Issued, error) {
	all, err := c.IssueAll(ctx, p, []telemetry.Device{device}, overlap, from)
	if err != nil {
		return Issued{}, err
	}
	return all[0], nil
}

// IssueAll is [Control.Issue] for several devices: all of them or none.
func (c *Control) IssueAll(ctx context.Context, p Principal, ids []telemetry.Device, overlap time.Duration, from Caller) ([]Issued, error) {
	if err := p.needs(Field); err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > maxOverlap {
		return nil, fault(ReasonBadExpiry, "overlap", time.Duration(0), maxOverlap)
	}
	out := make([]Issued, len(ids))
	for i, id := range ids { // before the transaction, which others wait for
		secret := newDeviceSecret()
		out[i] = Issued{Username: Username(id), Secret: secret, Credential: Credential{Device: id, Sealed: sealDevice(secret, random(saltBytes)),
			Mosquitto: mosquittoHash(secret), Issued: c.now(), IssuedBy: p.String()}}
	}
	cut := make([]bool, len(ids))
	err := c.store.Write(ctx, func(tx Tx) (err error) {
		for i := range out {
			if cut[i], err = c.issue(ctx, tx, p, &out[i].Credential, overlap, from); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrapped("issue credential", err)
	}
	for i, id := range ids {
		c.ended(id, cut[i])
	}
	return out, nil
}

// issue keeps a new credential. cut says that one before it ended at once.
func (c *Control) issue(ctx context.Context, tx Tx, p Principal, n *Credential, overlap time.Duration, from Caller) (cut bool, err error) {
	s, err := standing(ctx, tx, n.Device)
	if err != nil {
		return false, missing(err, string(n.Device))
	}
	if err := c.mayDevice(p, s); err != nil {
		return false, err
	}
	if s.State == devices.Retired {
		return false, fault(ReasonRetired, "", n.Device)
	}
	rotated, cut, err := c.supersede(ctx, tx, p, n.Device, overlap)
	if err != nil {
		return false, err
	}
	if *n, err = tx.PutCredential(ctx, *n); err != nil {
		return false, err
	}
	e := Event{Action: CredentialIssued, Who: p.String(), Subject: string(n.Device), Remote: from.remote()}
	if rotated {
		e.Action, e.Detail = CredentialRotated, "the one before ends after "+overlap.String()
	}
	return cut, c.record(ctx, tx, e)
}

// supersede ends the credentials that a device has: the newest after the overlap,
// all others at once. cut says that one ended at once.
func (c *Control) supersede(ctx context.Context, tx Tx, p Principal, device telemetry.Device, overlap time.Duration) (rotated, cut bool, err error) {
	all, err := tx.Credentials(ctx, device)
	if err != nil {
		return false, false, err
	}
	now := c.now()
	for _, old := range all {
		if !live(old, now) {
			continue
		}
		if !rotated && overlap > 0 {
			if end := now.Add(overlap); old.Expires.IsZero() || end.Before(old.Expires) {
				old.Expires = end
			}
		} else {
			old.Revoked, old.RevokedBy, cut = now, p.String(), true
		}
		rotated = true
		if _, err := tx.PutCredential(ctx, old); err != nil {
			return false, false, err
		}
	}
	return rotated, cut, nil
}

// Revoke ends all credentials of a device at once, and its connections.
func (c *Control) Revoke(ctx context.Context, p Principal, device telemetry.Device, why string, from Caller) error {
	if err := p.needs(Field); err != nil {
		return err
	}
	cut := false
	err := c.store.Write(ctx, func(tx Tx) error {
		s, err := standing(ctx, tx, device)
		if err != nil {
			return missing(err, string(device))
		}
		if err := c.mayDevice(p, s); err != nil {
			return err
		}
		if _, cut, err = c.supersede(ctx, tx, p, device, 0); err != nil || !cut {
			return err
		}
		return c.record(ctx, tx, Event{Action: CredentialRevoked, Who: p.String(), Subject: string(device), Reason: clip(why, 256), Remote: from.remote()})
	})
	if err != nil {
		return wrapped("revoke credentials", err)
	}
	c.ended(device, cut)
	return nil
}

// ended tells at once what [Control.Run] would tell within seconds.
func (c *Control) ended(device telemetry.Device, cut bool) {
	if cut && c.o.OnEnded != nil {
		c.o.OnEnded(device)
	}
}

// Credentials lists a device's credentials, without their secrets, for who may issue
// them.
func (c *Control) Credentials(ctx context.Context, p Principal, device telemetry.Device) (out []Credential, err error) {
	if err := p.needs(Field); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(r Reader) error {
		s, err := standing(ctx, r, device)
		if err != nil {
			return missing(err, string(device))
		}
		if err := c.mayDevice(p, s); err != nil {
			return err
		}
		out, err = r.Credentials(ctx, device)
		return err
	})
	return out, wrapped("read credentials", err)
}

// standing is what the registry knows of a device; ErrMissing where that is
// nothing.
func standing(ctx context.Context, r Reader, device telemetry.Device) (s devices.Standing, err error) {
	if telemetry.CheckID(string(device)) != nil {
		return s, ErrMissing
	}
	found := false
	err = r.Standings(ctx, []telemetry.Device{device}, func(one devices.Standing) error {
		s, found = one, true
		return nil
	})
	if err == nil && !found {
		err = ErrMissing
	}
	return s, err
}

// May refuses a principal what belongs to a place outside their localities; what and
// id name it to them. It is the same rule as the registry's, for all that the registry
// does not keep.
func (c *Control) May(p Principal, what devices.Entity, id string, at devices.Place) error {
	if s := p.Scope(); !s.Holds(at) {
		return outside(devices.Outside(what, id, at, s, c.o.Names))
	}
	return nil
}

// mayDevice is [Control.May] for a device.
func (c *Control) mayDevice(p Principal, s devices.Standing) error {
	return c.May(p, devices.EntityDevice, string(s.Device), s.Place())
}

// Lapsed are those of some devices that no secret would let in: they have no credential
// that is good, or are retired, or not registered. What is no device's id is not judged.
func (c *Control) Lapsed(ctx context.Context, ids []string) (lapsed []string, err error) {
	var all []telemetry.Device
	for _, id := range ids {
		if telemetry.CheckID(id) == nil {
			all = append(all, telemetry.Device(id))
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	now := c.now()
	err = c.store.Read(ctx, func(r Reader) error {
		serves := map[telemetry.Device]bool{}
		if err := r.Standings(ctx, all, func(s devices.Standing) error {
			serves[s.Device] = s.State != devices.Retired
			return nil
		}); err != nil {
			return err
		}
		lapsed = nil
		for _, d := range all {
			some, err := r.Credentials(ctx, d)
			if err != nil && !errors.Is(err, ErrMissing) {
				return err
			}
			if !serves[d] || !slices.ContainsFunc(some, func(one Credential) bool { return live(one, now) }) {
				lapsed = append(lapsed, string(d))
			}
		}
		return nil
	})
	return lapsed, wrapped("read credentials", err)
}
