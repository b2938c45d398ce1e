package devices

import (
	"context"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// CreateDevice adds a device, Planned until it is installed, and returns it as it
// is kept. Errors: Invalid, Conflict of ReasonDuplicateID or
// ReasonDuplicateSerial with the device that has it.
func (b *Batch) CreateDevice(ctx context.Context, d Device) (Device, error) {
	err := b.do(ctx, func() error {
		d.State = Planned
		if err := b.checkDevice(ctx, &d); err != nil {
			return err
		}
		if old, err := b.tx.Device(ctx, d.ID); err == nil {
			return conflict("id", ReasonDuplicateID, old, string(d.ID))
		} else if CodeOf(err) != NotFound {
			return err
		}
		d.Version, d.Created, d.Updated, d.Home = 1, b.now, b.now, b.by.Scope.Only
		return b.putDevice(ctx, Created, nil, d, "")
	})
	return d, err
}

// UpdateDevice replaces a device by what is given, which carries the version that
// was seen. Its state changes by the operations for it only. Errors: Invalid,
// NotFound, Conflict (ReasonStale with the device as it is, ReasonDuplicateSerial,
// ReasonKindTaken where it stands).
func (b *Batch) UpdateDevice(ctx context.Context, d Device) (Device, error) {
	err := b.do(ctx, func() error {
		old, err := b.tx.Device(ctx, d.ID)
		if err != nil {
			return err
		}
		if d.State == "" {
			d.State = old.State
		}
		version, stale := next(d.Version, old.Version, old)
		if stale != nil {
			return stale
		}
		if d.State != old.State {
			return invalid("state", ReasonUseOperation)
		}
		if err := b.checkDevice(ctx, &d); err != nil {
			return err
		}
		own, err := b.tx.Installations(ctx, InstallationFilter{Device: d.ID})
		if err != nil {
			return err
		}
		if i, ok := openOf(own); ok {
			if err := b.checkBeside(ctx, i, d.Kinds); err != nil {
				return err
			}
			if !slices.Equal(d.Kinds, old.Kinds) && !d.Provisional { // it will be heard again if that did not help
				if err := b.tx.ForgetHeard(ctx, d.ID); err != nil {
					return err
				}
			}
		}
		d.Version, d.Created, d.Updated, d.Home = version, old.Created, b.now, old.Home
		return b.putDevice(ctx, Updated, old, d, "")
	})
	return d, err
}

// checkDevice normalises a device and says all that is wrong with it.
func (b *Batch) checkDevice(ctx context.Context, d *Device) error {
	var errs Errors
	if err := d.Validate(b.r.Catalogue); err != nil {
		errs = Details(err)
	}
	d.normalize()
	if d.Profile != "" {
		_, ok, err := b.profile(ctx, d.Profile)
		if err != nil {
			return err
		}
		if !ok {
			errs.add(invalid("profile", ReasonUnknownProfile, clip(d.Profile, 64)))
		}
	}
	if len(errs) > 0 || d.Serial == "" {
		return errs.err()
	}
	same, err := b.tx.DevicesBySerial(ctx, d.Serial)
	if err != nil {
		return err
	}
	for _, o := range same {
		if o.ID != d.ID && o.Model == d.Model {
			return conflict("serial", ReasonDuplicateSerial, o, d.Serial, string(o.ID))
		}
	}
	return nil
}

func (b *Batch) putDevice(ctx context.Context, action Action, before any, d Device, site telemetry.Site) error {
	if err := b.tx.PutDevice(ctx, d); err != nil {
		return err
	}
	b.touched = append(b.touched, d.ID)
	return b.record(ctx, Change{Entity: EntityDevice, ID: string(d.ID), Action: action, Device: d.ID, Site: site}, before, d)
}

// setDeviceState changes a device's state, if it is another.
func (b *Batch) setDeviceState(ctx context.Context, id telemetry.Device, state State, action Action, site telemetry.Site) (Device, error) {
	d, err := b.tx.Device(ctx, id)
	if err != nil || d.State == state {
		return d, err
	}
	old := d
	d.State, d.Version, d.Updated = state, d.Version+1, b.now
	return d, b.putDevice(ctx, action, old, d, site)
}

// Maintain says that a device is worked on: its readings are stored, its silence
// is expected. Errors: NotFound, Conflict of ReasonRetired.
func (b *Batch) Maintain(ctx context.Context, id telemetry.Device) (d Device, err error) {
	err = b.do(ctx, func() error {
		site, err := b.alive(ctx, id)
		if err != nil {
			return err
		}
		d, err = b.setDeviceState(ctx, id, Maintenance, Maintained, site)
		return err
	})
	return d, err
}

// Resume ends maintenance or retirement: the device is Active where it stands, or
// Planned if it stands nowhere. Errors: NotFound.
func (b *Batch) Resume(ctx context.Context, id telemetry.Device) (d Device, err error) {
	err = b.do(ctx, func() error {
		own, err := b.tx.Installations(ctx, InstallationFilter{Device: id})
		if err != nil {
			return err
		}
		state := Planned
		i, ok := openOf(own)
		if ok {
			state = Active
		}
		d, err = b.setDeviceState(ctx, id, state, Resumed, i.Site)
		return err
	})
	return d, err
}

// RetireDevice ends the device's installation at a time (zero is now) and takes
// it out of use. Late readings from before still find their site. Errors:
// NotFound, Invalid (a time ahead, or before the installation began).
func (b *Batch) RetireDevice(ctx context.Context, id telemetry.Device, at time.Time) (d Device, err error) {
	err = b.do(ctx, func() (err error) {
		d, err = b.takeDown(ctx, id, at, Retired, RetiredNow)
		return err
	})
	return d, err
}

// Remove takes a device from its site at a time (zero is now); it is Planned
// then, free to stand elsewhere. Errors: NotFound, Invalid, Conflict of
// ReasonNotInstalled.
func (b *Batch) Remove(ctx context.Context, id telemetry.Device, at time.Time) (d Device, err error) {
	err = b.do(ctx, func() error {
		own, err := b.tx.Installations(ctx, InstallationFilter{Device: id})
		if err != nil {
			return err
		}
		if _, ok := openOf(own); !ok {
			return conflict("device", ReasonNotInstalled, nil, string(id))
		}
		d, err = b.takeDown(ctx, id, at, Planned, Removed)
		return err
	})
	return d, err
}

// takeDown ends a device's installation, if there is one, and sets its state.
func (b *Batch) takeDown(ctx context.Context, id telemetry.Device, at time.Time, state State, action Action) (Device, error) {
	d, err := b.tx.Device(ctx, id)
	if err != nil {
		return d, err
	}
	at, err = b.moment("at", at)
	if err != nil {
		return d, err
	}
	own, err := b.tx.Installations(ctx, InstallationFilter{Device: id})
	if err != nil {
		return d, err
	}
	i, ok := openOf(own)
	if ok {
		if err := b.end(ctx, i, at); err != nil {
			return d, err
		}
	}
	return b.setDeviceState(ctx, id, state, action, i.Site)
}

// alive is where a device stands ("" is nowhere); it must not be retired.
func (b *Batch) alive(ctx context.Context, id telemetry.Device) (telemetry.Site, error) {
	d, err := b.tx.Device(ctx, id)
	if err != nil {
		return "", err
	}
	if d.State == Retired {
		return "", conflict("device", ReasonRetired, d, string(id))
	}
	own, err := b.tx.Installations(ctx, InstallationFilter{Device: id})
	i, _ := openOf(own)
	return i.Site, err
}

// checkBeside says whether another device at the site has one of the kinds in the
// installation's time, without either being declared redundant.
func (b *Batch) checkBeside(ctx context.Context, i Installation, kinds []telemetry.Kind) error {
	if i.Redundant {
		return nil
	}
	others, err := b.tx.Installations(ctx, InstallationFilter{Site: i.Site})
	if err != nil {
		return err
	}
	// The newest first: it is the one that people know of.
	for _, o := range slices.Backward(others) {
		if o.Device == i.Device || o.Redundant || !o.overlaps(i) {
			continue
		}
		d, err := b.tx.Device(ctx, o.Device)
		if err != nil {
			return err
		}
		if k := shareKind(kinds, d.Kinds); k != "" {
			return conflict("site", ReasonKindTaken, o, string(i.Site), string(o.Device), string(k))
		}
	}
	return nil
}
