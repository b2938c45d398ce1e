package access

import (
	"context"
	"errors"
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
// devices of their localities; a device that stands nowhere yet is anybody's.
func (c *Control) Issue(ctx context.Context, p Principal, device telemetry.Device, overlap time.Duration, from Caller) (out Issued, err error) {
	if err := p.needs(Field); err != nil {
		return out, err
	}
	if overlap < 0 || overlap > maxOverlap {
		return out, fault(ReasonBadExpiry, "overlap", time.Duration(0), maxOverlap)
	}
	secret := newDeviceSecret()
	n := Credential{Device: device, Sealed: sealDevice(secret, random(saltBytes)), Mosquitto: mosquittoHash(secret), Issued: c.now(), IssuedBy: p.String()}
	ended := false
	err = c.store.Write(ctx, func(tx Tx) error {
		s, err := standing(ctx, tx, device)
		if err != nil {
			return missing(err, string(device))
		}
		if s.State == devices.Retired {
			return fault(ReasonRetired, "", device)
		}
		if err := here(p, s, c.now()); err != nil {
			return err
		}
		rotated, cut, err := c.supersede(ctx, tx, p, device, overlap)
		if err != nil {
			return err
		}
		ended = cut
		if n, err = tx.PutCredential(ctx, n); err != nil {
			return err
		}
		e := Event{Action: CredentialIssued, Who: p.String(), Subject: string(device), Remote: from.remote()}
		if rotated {
			e.Action, e.Detail = CredentialRotated, "the one before ends after "+overlap.String()
		}
		return c.record(ctx, tx, e)
	})
	if err != nil {
		return Issued{}, wrapped("issue credential", err)
	}
	c.ended(device, ended)
	return Issued{Credential: n, Username: Username(device), Secret: secret}, nil
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
		if err := here(p, s, c.now()); err != nil {
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

// Credentials lists a device's credentials, without their secrets.
func (c *Control) Credentials(ctx context.Context, p Principal, device telemetry.Device) (out []Credential, err error) {
	if err := p.needs(Field); err != nil {
		return nil, err
	}
	err = c.store.Read(ctx, func(r Reader) error {
		if _, err := standing(ctx, r, device); err != nil {
			return missing(err, string(device))
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

// place is where a device stands at a moment; false if nowhere.
func place(s devices.Standing, at time.Time) (telemetry.Locality, bool) {
	for _, i := range s.Installations {
		if i.Holds(at) {
			return i.Locality, true
		}
	}
	return "", false
}

// here refuses who may not act where a device stands.
func here(p Principal, s devices.Standing, at time.Time) error {
	if l, ok := place(s, at); ok && !p.In(l) {
		return fault(ReasonLocality, "")
	}
	return nil
}

// Known reports whether a device has a credential that is good.
func (c *Control) Known(ctx context.Context, device telemetry.Device) (known bool, err error) {
	err = c.store.Read(ctx, func(r Reader) error {
		all, err := r.Credentials(ctx, device)
		for _, one := range all {
			known = known || live(one, c.now())
		}
		return err
	})
	if err != nil && !errors.Is(err, ErrMissing) {
		return false, wrapped("read credentials", err)
	}
	return known, nil
}
