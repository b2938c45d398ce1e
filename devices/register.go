package devices

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Registration is all that a technician under a lamp post says, in one act.
type Registration struct {
	// Request is the client's own id of this act, as [telemetry.CheckID] wants
	// it; a UUID will do. The same request sent again is done once and answered
	// alike.
	Request string `json:"request"`
	Device  Device `json:"device"`
	// Site is where it stands: a new one (NewSite) or the ID of one that exists.
	Site    Site `json:"site"`
	NewSite bool `json:"newSite,omitempty"`
	// FreeSite says that the new site's ID was made of its name: where another
	// site has it, a number is put behind.
	FreeSite bool `json:"-"`
	// From is since when the device stands there. Zero is as in [Batch.Install]:
	// what waits in quarantine finds its site.
	From      time.Time     `json:"from,omitzero"`
	Redundant bool          `json:"redundant,omitempty"`
	Cadence   time.Duration `json:"cadence,omitempty"`
	// SentAt is the phone's clock at the moment of sending. It shows how wrong
	// the clock is, and From is put right by it. Zero is a clock that is right.
	SentAt time.Time `json:"sentAt,omitzero"`
	// Photo is what [ReadPicture] made; or nil.
	Photo *Picture `json:"photo,omitempty"`
}

// Registered is what came of a registration.
type Registered struct {
	Device       Device       `json:"device"`
	Site         Site         `json:"site"`
	Installation Installation `json:"installation"`
	PhotoID      int64        `json:"photoId,omitempty"`
	// Skew is how far ahead the phone's clock was, where From was put right.
	Skew time.Duration `json:"skew,omitempty"`
	// Repeated is true in the answer to a request that had been done before.
	Repeated bool `json:"repeated,omitempty"`
}

// Holder is what stands in the way of a registration: the device as it is known,
// where it stands and who registered it.
type Holder struct {
	Device       Device        `json:"device"`
	Installation *Installation `json:"installation,omitempty"`
	Site         *Site         `json:"site,omitempty"`
	Who          string        `json:"who"`
	At           time.Time     `json:"at"`
}

// minSkew is the difference of clocks that is taken for an error of the phone's.
const minSkew = time.Minute

// RegisterDevice registers a device at a site, as a whole or not at all.
//
// A device that is known but stands nowhere (planned, or provisional) is taken as
// it is, what the phone says added; nothing that is known is overwritten. A
// device that stands somewhere already is a Conflict of ReasonAlreadyThere whose
// Current is its [Holder]; only a provisional place gives way.
//
// Errors: Invalid (all that is wrong, fields as "device.kinds", "site.position"),
// NotFound (the site), Conflict (also of ReasonRequestReused, ReasonKindTaken,
// ReasonDuplicateID for a new site, ReasonDuplicateSerial, ReasonRetired).
func (b *Batch) RegisterDevice(ctx context.Context, reg Registration) (out Registered, err error) {
	if e := checkID("request", reg.Request); e != nil {
		return out, e
	}
	digest := reg.digest()
	done, err := b.tx.Request(ctx, reg.Request)
	switch {
	case err == nil && done.Digest != digest:
		return out, conflict("request", ReasonRequestReused, nil, reg.Request)
	case err == nil:
		if err := json.Unmarshal(done.Answer, &out); err != nil {
			return out, internal(fmt.Errorf("read answer of request %s: %w", reg.Request, err))
		}
		out.Repeated = true
		return out, nil
	case CodeOf(err) != NotFound:
		return out, wrapped("read request", err)
	}
	err = b.do(ctx, func() error {
		if out, err = b.register(ctx, reg); err != nil {
			return err
		}
		return b.tx.AddRequest(ctx, Request{ID: reg.Request, Digest: digest, Answer: document(out), At: b.now})
	})
	return out, err
}

// digest tells two contents apart. When it was sent is not part of it: a
// repetition is sent later.
func (r Registration) digest() string {
	r.SentAt = time.Time{}
	sum := sha256.Sum256(document(r))
	return hex.EncodeToString(sum[:])
}

func (b *Batch) register(ctx context.Context, reg Registration) (out Registered, err error) {
	if !reg.SentAt.IsZero() && !reg.From.IsZero() {
		if skew := reg.SentAt.Sub(b.now); skew.Abs() >= minSkew {
			out.Skew = skew
			reg.From = reg.From.Add(-skew)
		}
	}
	if reg.FreeSite {
		old, err := b.tx.Site(ctx, reg.Site.ID)
		if err == nil && !old.Provisional { // a provisional one of that name is made real
			reg.Site.ID, err = b.FreeSiteID(ctx, reg.Site.ID)
		}
		if err != nil && CodeOf(err) != NotFound {
			return out, err
		}
	}
	if err := b.registerParts(ctx, reg); err != nil {
		return out, err
	}
	out.Installation, err = b.install(ctx, Installation{Device: reg.Device.ID, Site: reg.Site.ID, From: reg.From,
		Redundant: reg.Redundant, Cadence: reg.Cadence})
	if err != nil {
		return out, err
	}
	if reg.Photo != nil {
		p, err := b.addPhoto(ctx, out.Installation, *reg.Photo)
		if err != nil {
			return out, err
		}
		out.PhotoID = p.ID
	}
	if out.Device, err = b.tx.Device(ctx, reg.Device.ID); err != nil {
		return out, err
	}
	out.Site, err = b.tx.Site(ctx, reg.Site.ID)
	return out, err
}

// registerParts makes device and site ready to be joined. What is wrong with
// either is told together, so that the form is mended in one go.
func (b *Batch) registerParts(ctx context.Context, reg Registration) error {
	known, err := b.free(ctx, reg)
	if err != nil {
		return err
	}
	var wrong Errors
	if known == nil {
		_, err = b.CreateDevice(ctx, reg.Device)
	} else {
		_, err = b.UpdateDevice(ctx, completed(*known, reg.Device))
	}
	if err := gather(&wrong, "device.", err); err != nil {
		return err
	}
	if reg.NewSite {
		reg.Site.State = Planned
		err = b.claimSite(ctx, reg.Site)
	} else {
		_, err = b.tx.Site(ctx, reg.Site.ID)
	}
	if err := gather(&wrong, "site.", err); err != nil {
		return err
	}
	return wrong.err()
}

// claimSite makes a new site, or makes the provisional one of that name real.
func (b *Batch) claimSite(ctx context.Context, s Site) error {
	old, err := b.tx.Site(ctx, s.ID)
	if err == nil && old.Provisional {
		s.Version, s.State, s.Provisional = old.Version, old.State, false
		if s.State == Retired {
			return conflict("id", ReasonRetired, old, string(s.ID))
		}
		_, err = b.UpdateSite(ctx, s)
		return err
	}
	_, err = b.CreateSite(ctx, s)
	return err
}

// gather puts Invalid errors to the others under a prefix; any other error ends
// the operation.
func gather(wrong *Errors, prefix string, err error) error {
	if err == nil {
		return nil
	}
	details := Details(err)
	for _, d := range details {
		c := *d
		if c.Field = prefix + c.Field; d.Field == "" { // the whole of it
			c.Field = strings.TrimSuffix(prefix, ".")
		}
		if c.Code != Invalid {
			return &c
		}
		wrong.add(&c)
	}
	return nil
}

// free is the device as it is known, if it is known and may be registered; nil if
// it is not known. A provisional place is ended.
func (b *Batch) free(ctx context.Context, reg Registration) (*Device, error) {
	d, err := b.tx.Device(ctx, reg.Device.ID)
	if CodeOf(err) == NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := b.tx.Installations(ctx, InstallationFilter{Device: d.ID})
	if err != nil {
		return nil, err
	}
	i, stands := openOf(own)
	if stands && !i.Provisional {
		return nil, b.held(ctx, d, i)
	}
	if stands {
		if err := b.leaveProvisional(ctx, i, reg); err != nil {
			return nil, err
		}
		if d, err = b.tx.Device(ctx, d.ID); err != nil {
			return nil, err
		}
	}
	return &d, nil
}

// leaveProvisional ends a provisional place at the moment the real one begins.
func (b *Batch) leaveProvisional(ctx context.Context, i Installation, reg Registration) error {
	at, err := b.moment("from", reg.From)
	if err != nil {
		return err
	}
	if !at.After(i.From) { // it stood there all the time that we know of
		at = i.From.Add(time.Millisecond)
	}
	if err := b.end(ctx, i, at); err != nil {
		return err
	}
	if _, err := b.setDeviceState(ctx, i.Device, Planned, Removed, i.Site); err != nil {
		return err
	}
	s, err := b.tx.Site(ctx, i.Site)
	if err != nil || !s.Provisional || s.ID == reg.Site.ID {
		return err
	}
	_, err = b.setSiteState(ctx, s, Retired, RetiredNow)
	return err
}

// held explains who was quicker.
func (b *Batch) held(ctx context.Context, d Device, i Installation) error {
	h := Holder{Device: d, Installation: &i, At: i.From}
	if s, err := b.tx.Site(ctx, i.Site); err == nil {
		h.Site = &s
	}
	log, err := b.tx.Changes(ctx, ChangeFilter{Entity: EntityInstallation, ID: installationID(i), Limit: MaxPage})
	if err != nil {
		return err
	}
	for _, c := range log {
		if c.Action == Installed {
			h.Who, h.At = c.Who, c.At
		}
	}
	return conflict("device.id", ReasonAlreadyThere, h, string(d.ID), h.Who, string(i.Site), h.At.Format(time.RFC3339))
}

// completed is a known device with what was not known added.
func completed(known, said Device) Device {
	fill := func(p *string, s string) {
		if *p == "" {
			*p = s
		}
	}
	fill(&known.Model, said.Model)
	fill(&known.Profile, said.Profile)
	fill(&known.Serial, said.Serial)
	fill(&known.Gateway, said.Gateway)
	fill(&known.Notes, said.Notes)
	if known.Provisional { // what it was heard to send is a guess; a person's word is better
		known.Provisional, known.Simulated = false, said.Simulated
		if len(said.Kinds) > 0 {
			known.Kinds = said.Kinds
		}
	}
	return known
}
