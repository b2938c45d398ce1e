package devices

import (
	"context"
	"slices"
	"strconv"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// guarded is a transaction of somebody who may act in some localities only. All that
// any operation changes goes through it, so this is the one place where localities
// are enforced in the registry: each entity that was put is judged, when the
// operation is over, by where it belonged before and where it belongs then.
//
// It has every method of [Tx] written out: one that is added does not compile
// without saying what it touches.
type guarded struct {
	Reader
	tx      Tx
	scope   Scope
	names   Names
	touched []touch
}

// touch is an entity that an operation changed.
type touch struct {
	entity Entity
	id     string
	// existed says that it was there before, and belonged to before.
	existed bool
	before  Place
	// moved says that only its place was changed: a device by its installations.
	moved bool
	// at is the site that says where it belongs; "" for a device.
	at telemetry.Site
}

// note remembers an entity as it was before the operation.
func (g *guarded) note(ctx context.Context, t touch) error {
	n := slices.IndexFunc(g.touched, func(o touch) bool { return o.entity == t.entity && o.id == t.id && o.at == t.at })
	if n >= 0 {
		g.touched[n].moved = g.touched[n].moved && t.moved
		return nil
	}
	place, err := g.place(ctx, t)
	if err != nil && CodeOf(err) != NotFound {
		return err
	}
	t.existed, t.before = err == nil, place
	g.touched = append(g.touched, t)
	return nil
}

// place is where an entity belongs now; NotFound if it is not there.
func (g *guarded) place(ctx context.Context, t touch) (Place, error) {
	switch {
	case t.entity == EntityDevice:
		return devicePlace(ctx, g.tx, telemetry.Device(t.id))
	case t.at != "":
		s, err := g.tx.Site(ctx, t.at)
		return PlaceOf(s.Locality), err
	}
	return nil, nil
}

// devicePlace is [Standing.Place] within a transaction.
func devicePlace(ctx context.Context, r Reader, id telemetry.Device) (Place, error) {
	d, err := r.Device(ctx, id)
	if err != nil {
		return nil, err
	}
	own, err := r.Installations(ctx, InstallationFilter{Device: id})
	if err != nil {
		return nil, err
	}
	s := Standing{Home: d.Home}
	if n, ok := lastOf(own, func(i Installation) Installation { return i }); ok {
		at, err := r.Site(ctx, own[n].Site)
		if err != nil {
			return nil, err
		}
		s.Installations = []Placing{{own[n], at.Locality}}
	}
	return s.Place(), nil
}

// judge refuses what an operation did outside the scope, and begins the next.
func (g *guarded) judge(ctx context.Context) error {
	touched := g.touched
	g.touched = nil
	for _, t := range touched {
		after, err := g.place(ctx, t)
		if err != nil {
			return err
		}
		moves := t.existed && !slices.Equal(t.before, after)
		// Who installs a device of the city's stock takes it for that locality.
		taken := moves && t.entity == EntityDevice && len(t.before) == 0
		switch {
		case t.moved && !moves:
		case t.existed && !taken && !g.scope.Holds(t.before):
			return Outside(t.entity, t.id, t.before, g.scope, g.names)
		case !g.scope.Holds(after):
			return Outside(t.entity, t.id, after, g.scope, g.names)
		}
	}
	return nil
}

// everywhere refuses what is the whole city's.
func (g *guarded) everywhere(e Entity, id string) error {
	return Outside(e, id, nil, g.scope, g.names)
}

// PutLocality implements [Tx].
func (g *guarded) PutLocality(_ context.Context, l Locality) error {
	return g.everywhere(EntityLocality, string(l.ID))
}

// PutWard implements [Tx].
func (g *guarded) PutWard(_ context.Context, w Ward) error { return g.everywhere(EntityWard, w.Code) }

// PutProfile implements [Tx].
func (g *guarded) PutProfile(_ context.Context, p Profile) error {
	return g.everywhere(EntityProfile, p.ID)
}

// MergeHeard implements [Tx].
func (g *guarded) MergeHeard(context.Context, []Heard, int) error {
	return g.everywhere(EntityDevice, "heard")
}

// PutSite implements [Tx].
func (g *guarded) PutSite(ctx context.Context, s Site) error {
	if err := g.note(ctx, touch{entity: EntitySite, id: string(s.ID), at: s.ID}); err != nil {
		return err
	}
	return g.tx.PutSite(ctx, s)
}

// PutDevice implements [Tx].
func (g *guarded) PutDevice(ctx context.Context, d Device) error {
	if err := g.note(ctx, touch{entity: EntityDevice, id: string(d.ID)}); err != nil {
		return err
	}
	return g.tx.PutDevice(ctx, d)
}

// PutInstallation implements [Tx].
func (g *guarded) PutInstallation(ctx context.Context, i Installation) (Installation, error) {
	if err := g.note(ctx, touch{entity: EntityDevice, id: string(i.Device), moved: true}); err != nil {
		return i, err
	}
	if err := g.note(ctx, touch{entity: EntitySite, id: string(i.Site), at: i.Site}); err != nil {
		return i, err
	}
	return g.tx.PutInstallation(ctx, i)
}

// PutLimit implements [Tx].
func (g *guarded) PutLimit(ctx context.Context, l Limit) (Limit, error) {
	if old, err := g.tx.Limit(ctx, l.ID); err == nil {
		if err := g.note(ctx, touch{entity: EntitySite, id: string(old.Site), at: old.Site}); err != nil {
			return l, err
		}
	}
	if err := g.note(ctx, touch{entity: EntitySite, id: string(l.Site), at: l.Site}); err != nil {
		return l, err
	}
	return g.tx.PutLimit(ctx, l)
}

// AddPhoto implements [Tx].
func (g *guarded) AddPhoto(ctx context.Context, p Photo, data []byte) (Photo, error) {
	if err := g.notePhoto(ctx, p); err != nil {
		return p, err
	}
	return g.tx.AddPhoto(ctx, p, data)
}

// RemovePhoto implements [Tx].
func (g *guarded) RemovePhoto(ctx context.Context, p Photo) error {
	if err := g.notePhoto(ctx, p); err != nil {
		return err
	}
	return g.tx.RemovePhoto(ctx, p)
}

func (g *guarded) notePhoto(ctx context.Context, p Photo) error {
	i, err := g.tx.Installation(ctx, p.Installation)
	if err != nil {
		return err
	}
	return g.note(ctx, touch{entity: EntityInstallation, id: strconv.FormatInt(i.ID, 10), at: i.Site})
}

// ForgetHeard implements [Tx]: it follows from a change that is judged.
func (g *guarded) ForgetHeard(ctx context.Context, d telemetry.Device) error {
	return g.tx.ForgetHeard(ctx, d)
}

// AddChange implements [Tx]: what was changed is judged, not that it is written down.
func (g *guarded) AddChange(ctx context.Context, c Change) (Change, error) {
	return g.tx.AddChange(ctx, c)
}

// AddRequest implements [Tx], likewise.
func (g *guarded) AddRequest(ctx context.Context, r Request) error { return g.tx.AddRequest(ctx, r) }

// Expect implements [Tx]: it changes nothing.
func (g *guarded) Expect(ctx context.Context, e Expected) error { return g.tx.Expect(ctx, e) }

// Nested implements [Tx]: what is undone was not touched.
func (g *guarded) Nested(ctx context.Context, f func() error) error {
	touched := slices.Clone(g.touched)
	err := g.tx.Nested(ctx, f)
	if err != nil {
		g.touched = touched
	}
	return err
}
