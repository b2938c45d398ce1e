package devices

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// heardGrace is how far back an installation without a beginning reaches for
// readings that wait: longer ago the device may have stood elsewhere.
const heardGrace = 7 * 24 * time.Hour

// Install puts a device at a site. Only Device and Site are needed: From is now,
// or, if the device has been heard before it was registered, when it was first
// heard (its oldest waiting reading, a week back at most), so that what waits in
// quarantine finds its site. With To it records a past installation.
//
// Device and site become Active. Errors: NotFound, Invalid (times), Conflict of
// ReasonStandsElsewhere or ReasonKindTaken with the installation in the way, or
// of ReasonRetired.
func (b *Batch) Install(ctx context.Context, i Installation) (Installation, error) {
	err := b.do(ctx, func() (err error) {
		i, err = b.install(ctx, i)
		return err
	})
	return i, err
}

func (b *Batch) install(ctx context.Context, i Installation) (Installation, error) {
	d, err := b.tx.Device(ctx, i.Device)
	if err != nil {
		return i, err
	}
	s, err := b.tx.Site(ctx, i.Site)
	switch {
	case err != nil:
		return i, err
	case d.State == Retired:
		return i, conflict("device", ReasonRetired, d, string(d.ID))
	case s.State == Retired:
		return i, conflict("site", ReasonRetired, s, s.Name)
	}
	if i.From, err = b.beginning(ctx, i); err != nil {
		return i, err
	}
	i.To = stamp(i.To)
	if err := b.checkInstallation(ctx, i, d.Kinds); err != nil {
		return i, err
	}
	i.ID, i.Version = 0, 1
	if i, err = b.tx.PutInstallation(ctx, i); err != nil {
		return i, err
	}
	if err := b.recordInstallation(ctx, Installed, nil, i); err != nil {
		return i, err
	}
	if !i.Provisional {
		if err := b.tx.ForgetHeard(ctx, d.ID); err != nil {
			return i, err
		}
	}
	if !i.To.IsZero() {
		return i, nil
	}
	if _, err := b.setDeviceState(ctx, d.ID, Active, Installed, s.ID); err != nil {
		return i, err
	}
	_, err = b.setSiteState(ctx, s, Active, Installed)
	return i, err
}

// beginning is when an installation begins.
func (b *Batch) beginning(ctx context.Context, i Installation) (time.Time, error) {
	if !i.From.IsZero() {
		return b.moment("from", i.From)
	}
	from := b.now
	heard, _, err := b.tx.Heard(ctx, HeardFilter{Device: i.Device})
	if err != nil {
		return from, err
	}
	b.r.subMu.Lock()
	for _, of := range b.r.unwritten {
		if h, ok := of(i.Device); ok {
			heard = append(heard, h)
		}
	}
	b.r.subMu.Unlock()
	for _, h := range heard {
		if h.Provisional { // nothing waits: it was admitted
			continue
		}
		for _, t := range []time.Time{h.First, h.Earliest} {
			if !t.IsZero() && t.Before(from) && b.now.Sub(t) <= heardGrace {
				from = stamp(t)
			}
		}
	}
	own, err := b.tx.Installations(ctx, InstallationFilter{Device: i.Device})
	if err != nil {
		return from, err
	}
	for _, o := range own { // but never into the time of an earlier one
		if o.To.After(from) && !o.To.After(b.now) && !o.Provisional {
			from = o.To
		}
	}
	return from, nil
}

// checkInstallation holds an installation to the rules: a device stands at one
// place at a time, a kind is measured by one device at a site.
func (b *Batch) checkInstallation(ctx context.Context, i Installation, kinds []telemetry.Kind) error {
	if err := checkPeriod("to", i.From, i.To); err != nil {
		return err
	}
	if i.To.After(b.now.Add(futureTolerance)) {
		return invalid("to", ReasonFuture, i.To.Format(time.RFC3339))
	}
	if i.Cadence < 0 || i.Cadence > 31*24*time.Hour {
		return invalid("cadence", ReasonBadNumber, i.Cadence, time.Duration(0), 31*24*time.Hour)
	}
	own, err := b.tx.Installations(ctx, InstallationFilter{Device: i.Device})
	if err != nil {
		return err
	}
	for _, o := range own {
		// A provisional place that was left is a guess; the word of a person who
		// says that the device stood elsewhere at the time goes before it.
		if o.ID != i.ID && o.overlaps(i) && (!o.Provisional || o.To.IsZero()) {
			return conflict("device", ReasonStandsElsewhere, o, string(i.Device), string(o.Site), o.From.Format(time.RFC3339))
		}
	}
	return b.checkBeside(ctx, i, kinds)
}

func (b *Batch) recordInstallation(ctx context.Context, action Action, before any, i Installation) error {
	b.touched = append(b.touched, i.Device)
	return b.record(ctx, Change{Entity: EntityInstallation, ID: installationID(i), Action: action, Site: i.Site, Device: i.Device}, before, i)
}

// end ends an installation.
func (b *Batch) end(ctx context.Context, i Installation, at time.Time) error {
	if err := checkPeriod("at", i.From, at); err != nil {
		return err
	}
	old := i
	i.To, i.Version = at, i.Version+1
	if _, err := b.tx.PutInstallation(ctx, i); err != nil {
		return err
	}
	return b.recordInstallation(ctx, Removed, old, i)
}

// CorrectInstallation mends an installation's From, To, Redundant and Cadence;
// Version is the one that was seen. Device and site stay: end it and make
// another. Setting To takes the device from its site, as [Batch.Remove] does;
// setting it to zero puts it back. Errors: as Install, and Conflict of
// ReasonStale.
func (b *Batch) CorrectInstallation(ctx context.Context, i Installation) (Installation, error) {
	err := b.do(ctx, func() error {
		old, err := b.tx.Installation(ctx, i.ID)
		if err != nil {
			return err
		}
		version, stale := next(i.Version, old.Version, old)
		if stale != nil {
			return stale
		}
		d, err := b.tx.Device(ctx, old.Device)
		if err != nil {
			return err
		}
		if i.From, err = b.moment("from", i.From); err != nil {
			return err
		}
		i.Device, i.Site, i.To, i.Version, i.Provisional = old.Device, old.Site, stamp(i.To), version, old.Provisional
		if err := b.checkInstallation(ctx, i, d.Kinds); err != nil {
			return err
		}
		if i, err = b.tx.PutInstallation(ctx, i); err != nil {
			return err
		}
		if err := b.recordInstallation(ctx, Updated, old, i); err != nil {
			return err
		}
		if err := b.tx.ForgetHeard(ctx, d.ID); err != nil { // it will be heard again if that did not help
			return err
		}
		switch {
		case old.To.IsZero() && !i.To.IsZero():
			_, err = b.setDeviceState(ctx, d.ID, Planned, Removed, i.Site)
		case !old.To.IsZero() && i.To.IsZero():
			_, err = b.setDeviceState(ctx, d.ID, Active, Installed, i.Site)
		}
		return err
	})
	return i, err
}

// Replacement is a swap: what to do with which devices.
type Replacement struct {
	// Old stands at the site; New takes its place there.
	Old, New telemetry.Device
	// Create, if given, is New, to be registered in the same act; its ID is New's.
	Create *Device
	// At is when; zero is now.
	At time.Time
	// Retire takes the old device out of use; otherwise it is in maintenance.
	Retire bool
}

// Swapped is what came of a swap.
type Swapped struct {
	Site     Site         `json:"site"`
	Ended    Installation `json:"ended"`
	Began    Installation `json:"began"`
	Replaced Device       `json:"replaced"`
	Device   Device       `json:"device"`
}

// Swap replaces a device at its site at a moment; the site's history goes on with
// the new one, which has the old one's place (redundant, cadence) too. Errors:
// NotFound, Invalid, Conflict of ReasonNotInstalled (the old one),
// ReasonNoCommonKind, and those of Install for the new one.
func (b *Batch) Swap(ctx context.Context, r Replacement) (out Swapped, err error) {
	err = b.do(ctx, func() (err error) {
		out, err = b.swap(ctx, r)
		return err
	})
	return out, err
}

func (b *Batch) swap(ctx context.Context, r Replacement) (out Swapped, err error) {
	old, err := b.tx.Device(ctx, r.Old)
	if err != nil {
		return out, err
	}
	if r.Create != nil {
		if r.New == "" {
			r.New = r.Create.ID
		}
		if _, err := b.CreateDevice(ctx, *r.Create); err != nil {
			return out, err
		}
	}
	d, err := b.tx.Device(ctx, r.New)
	if err != nil {
		return out, err
	}
	if shareKind(old.Kinds, d.Kinds) == "" {
		return out, conflict("new", ReasonNoCommonKind, d, string(d.ID), string(old.ID))
	}
	own, err := b.tx.Installations(ctx, InstallationFilter{Device: r.Old})
	if err != nil {
		return out, err
	}
	place, ok := openOf(own)
	if !ok {
		return out, conflict("old", ReasonNotInstalled, old, string(r.Old))
	}
	at, err := b.moment("at", r.At)
	if err != nil {
		return out, err
	}
	state, action := Maintenance, Maintained
	if r.Retire {
		state, action = Retired, RetiredNow
	}
	if out.Replaced, err = b.takeDown(ctx, r.Old, at, state, action); err != nil {
		return out, err
	}
	out.Began, err = b.install(ctx, Installation{Device: r.New, Site: place.Site, From: at, Redundant: place.Redundant, Cadence: place.Cadence})
	if err != nil {
		return out, err
	}
	if out.Ended, err = b.tx.Installation(ctx, place.ID); err != nil {
		return out, err
	}
	if out.Device, err = b.tx.Device(ctx, r.New); err != nil {
		return out, err
	}
	out.Site, err = b.tx.Site(ctx, place.Site)
	return out, err
}
