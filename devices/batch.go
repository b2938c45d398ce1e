package devices

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Batch is a transaction of the registry: operations that are committed together.
// It is valid until the function that received it returns, for one goroutine. An
// operation that returns an error has done nothing, unless the error is Internal;
// then the batch cannot go on.
type Batch struct {
	tx  Tx
	by  By
	r   *Registry
	now time.Time
	// guard judges what is done; nil for who may act everywhere. depth is how many
	// operations are within each other.
	guard *guarded
	depth int

	changes       []Change
	touched       []telemetry.Device // their standing changed
	newLocalities bool

	// What is small and asked for again and again is read once.
	localities map[telemetry.Locality]Locality
	wards      map[string]Ward
	profiles   map[string]Profile
}

// Reader reads within the batch: it sees what the batch has done.
func (b *Batch) Reader() Reader { return b.tx }

// Expect reads in bulk what the operations to come will ask for.
func (b *Batch) Expect(ctx context.Context, e Expected) error {
	return wrapped("read ahead", b.tx.Expect(ctx, e))
}

// Whole runs f as one operation: if it returns an error, nothing that it did is kept
// while the batch goes on.
func (b *Batch) Whole(ctx context.Context, f func() error) error { return b.do(ctx, f) }

// do runs an operation as a whole.
func (b *Batch) do(ctx context.Context, f func() error) error {
	changes, touched := len(b.changes), len(b.touched)
	b.depth++
	defer func() { b.depth-- }()
	err := b.tx.Nested(ctx, func() error {
		if err := f(); err != nil || b.guard == nil || b.depth > 1 {
			return err
		}
		return b.guard.judge(ctx)
	})
	if err != nil {
		b.changes, b.touched = b.changes[:changes], b.touched[:touched]
		b.localities, b.wards, b.profiles = nil, nil, nil // may hold what is undone
	}
	return wrapped("change registry", err)
}

// record puts a change into the journal.
func (b *Batch) record(ctx context.Context, c Change, before, after any) error {
	c.At, c.By, c.Before, c.After = b.now, b.by, document(before), document(after)
	c.Scope = Scope{} // it is not written down
	c, err := b.tx.AddChange(ctx, c)
	if err != nil {
		return err
	}
	c.Before, c.After = nil, nil // whoever is told needs no documents; an import has many
	b.changes = append(b.changes, c)
	return nil
}

// aftermath reads what the snapshot must know, while the transaction still sees
// what it did.
func (b *Batch) aftermath(ctx context.Context) (a aftermath, err error) {
	if b.newLocalities {
		if a.localities, err = b.tx.Localities(ctx); err != nil {
			return a, err
		}
	}
	a.standings, err = standings(ctx, b.tx, b.r.Catalogue, b.touched)
	return a, err
}

// next checks the version that an update was made of and gives the one it makes.
func next(seen, is int64, current any) (int64, *Error) {
	switch seen {
	case 0:
		return 0, invalid("version", ReasonVersionRequired)
	case AnyVersion, is:
		return is + 1, nil
	default:
		return 0, conflict("version", ReasonStale, current, is, seen)
	}
}

func (b *Batch) locality(ctx context.Context, id telemetry.Locality) (Locality, bool, error) {
	if b.localities == nil {
		all, err := b.tx.Localities(ctx)
		if err != nil {
			return Locality{}, false, err
		}
		b.localities = map[telemetry.Locality]Locality{}
		for _, l := range all {
			b.localities[l.ID] = l
		}
	}
	l, ok := b.localities[id]
	return l, ok, nil
}

// localityNames are a locality's names, for messages; its id where they cannot be read.
func (b *Batch) localityNames(ctx context.Context) Names {
	return func(id telemetry.Locality) (vi, en string) {
		l, ok, err := b.locality(ctx, id)
		if err != nil || !ok {
			return string(id), string(id)
		}
		return l.names()
	}
}

func (b *Batch) ward(ctx context.Context, code string) (Ward, bool, error) {
	if b.wards == nil {
		all, err := b.tx.Wards(ctx)
		if err != nil {
			return Ward{}, false, err
		}
		b.wards = map[string]Ward{}
		for _, w := range all {
			b.wards[w.Code] = w
		}
	}
	w, ok := b.wards[code]
	return w, ok, nil
}

func (b *Batch) profile(ctx context.Context, id string) (Profile, bool, error) {
	if b.profiles == nil {
		all, err := b.tx.Profiles(ctx)
		if err != nil {
			return Profile{}, false, err
		}
		b.profiles = map[string]Profile{}
		for _, p := range all {
			b.profiles[p.ID] = p
		}
	}
	p, ok := b.profiles[id]
	return p, ok, nil
}

// PutLocality creates a locality (Version 0) or updates the one whose version was
// seen, and returns it as it is kept.
func (b *Batch) PutLocality(ctx context.Context, l Locality) (Locality, error) {
	err := b.do(ctx, func() error {
		l.NameVI, l.NameEN = lineOf(l.NameVI), lineOf(l.NameEN)
		l.ValidFrom, l.ValidTo = stamp(l.ValidFrom), stamp(l.ValidTo)
		if err := l.Validate(); err != nil {
			return err
		}
		for _, m := range l.Wards {
			if _, ok, err := b.ward(ctx, m.Ward); err != nil || !ok {
				return orMissing(err, invalid("wards", ReasonUnknownWard, m.Ward))
			}
		}
		old, ok, err := b.locality(ctx, l.ID)
		if err != nil {
			return err
		}
		action, before, err := revise(ok, &l.Version, old.Version, old, string(l.ID))
		if err != nil {
			return err
		}
		if err := b.tx.PutLocality(ctx, l); err != nil {
			return err
		}
		b.newLocalities, b.localities = true, nil
		return b.record(ctx, Change{Entity: EntityLocality, ID: string(l.ID), Action: action}, before, l)
	})
	return l, err
}

// PutWard creates or updates a ward, as PutLocality does.
func (b *Batch) PutWard(ctx context.Context, w Ward) (Ward, error) {
	err := b.do(ctx, func() error {
		w.NameVI, w.NameEN = lineOf(w.NameVI), lineOf(w.NameEN)
		w.ValidFrom, w.ValidTo = stamp(w.ValidFrom), stamp(w.ValidTo)
		if err := w.Validate(); err != nil {
			return err
		}
		old, ok, err := b.ward(ctx, w.Code)
		if err != nil {
			return err
		}
		action, before, err := revise(ok, &w.Version, old.Version, old, w.Code)
		if err != nil {
			return err
		}
		if err := b.tx.PutWard(ctx, w); err != nil {
			return err
		}
		b.wards = nil
		return b.record(ctx, Change{Entity: EntityWard, ID: w.Code, Action: action}, before, w)
	})
	return w, err
}

// PutProfile creates or updates a profile, as PutLocality does.
func (b *Batch) PutProfile(ctx context.Context, p Profile) (Profile, error) {
	err := b.do(ctx, func() error {
		p.NameVI, p.NameEN, p.Model = lineOf(p.NameVI), lineOf(p.NameEN), lineOf(p.Model)
		if err := p.Validate(b.r.Catalogue); err != nil {
			return err
		}
		old, ok, err := b.profile(ctx, p.ID)
		if err != nil {
			return err
		}
		action, before, err := revise(ok, &p.Version, old.Version, old, p.ID)
		if err != nil {
			return err
		}
		if err := b.tx.PutProfile(ctx, p); err != nil {
			return err
		}
		b.profiles = nil
		return b.record(ctx, Change{Entity: EntityProfile, ID: p.ID, Action: action}, before, p)
	})
	return p, err
}

// revise decides between creating and updating, and sets the new version.
func revise(exists bool, version *int64, is int64, old any, id string) (Action, any, error) {
	if !exists {
		if *version > 0 {
			return "", nil, fault(NotFound, "id", ReasonNotFound, "mục", id, "entry", id)
		}
		*version = 1
		return Created, nil, nil
	}
	if *version == 0 {
		return "", nil, conflict("id", ReasonDuplicateID, old, id)
	}
	v, err := next(*version, is, old)
	if err != nil {
		return "", nil, err
	}
	*version = v
	return Updated, old, nil
}

// orMissing prefers the error of looking over that of not finding.
func orMissing(err error, missing *Error) error {
	if err != nil {
		return err
	}
	return missing
}

// lineOf is cleanLine where the length is checked elsewhere or does not matter.
func lineOf(s string) string {
	s, _ = cleanLine("", s, maxName)
	return clip(s, maxName)
}

// installationID is an installation's id as the journal spells it.
func installationID(i Installation) string { return strconv.FormatInt(i.ID, 10) }

// openOf is the installation among them that has not ended.
func openOf(installations []Installation) (Installation, bool) {
	n := slices.IndexFunc(installations, func(i Installation) bool { return i.To.IsZero() })
	if n < 0 {
		return Installation{}, false
	}
	return installations[n], true
}
