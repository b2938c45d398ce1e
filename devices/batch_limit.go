package devices

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// CreateLimit adds a limit of a site and returns it as it is kept. Errors: Invalid
// (all that is wrong with it, and levels out of their order), NotFound (site or
// device), Conflict of ReasonLimitInForce with the limit that has the code then.
func (b *Batch) CreateLimit(ctx context.Context, l Limit) (Limit, error) {
	err := b.do(ctx, func() (err error) {
		l.ID, l.Version = 0, 1
		if l, err = b.putLimit(ctx, Created, nil, l); err != nil {
			return err
		}
		return b.checkLimitsOf(ctx, l.Site, ownField, l.ID)
	})
	return l, err
}

// UpdateLimit replaces a limit, which carries the version that was seen; its site,
// device and code never change. Errors: as CreateLimit, and Conflict of
// ReasonStale.
func (b *Batch) UpdateLimit(ctx context.Context, l Limit) (Limit, error) {
	err := b.do(ctx, func() (err error) {
		old, err := b.tx.Limit(ctx, l.ID)
		if err != nil {
			return err
		}
		version, stale := next(l.Version, old.Version, old)
		if stale != nil {
			return stale
		}
		l.Site, l.Device, l.Code, l.Version = old.Site, old.Device, old.Code, version
		if l, err = b.putLimit(ctx, Updated, old, l); err != nil {
			return err
		}
		return b.checkLimitsOf(ctx, l.Site, ownField, l.ID)
	})
	return l, err
}

// SetLimit says what a site's limit of a code is, whatever there was: it corrects the
// one that is in force when Since is (zero is now), or, where Since is after that
// one's beginning, ends it there and succeeds it. Nothing is recorded where nothing
// changes. Errors: as CreateLimit.
func (b *Batch) SetLimit(ctx context.Context, l Limit) (Limit, error) {
	err := b.do(ctx, func() error {
		if err := l.Validate(b.r.Catalogue, b.now); err != nil {
			return err
		}
		l.normalize()
		l.ID, l.Version = 0, 1
		all, err := b.tx.Limits(ctx, LimitFilter{Site: l.Site, Device: l.Device})
		if err != nil {
			return err
		}
		at := l.Since
		if at.IsZero() {
			at = b.now
		}
		n := slices.IndexFunc(all, func(o Limit) bool { return o.Code == l.Code && o.Device == l.Device && o.InForce(at) })
		var before any
		action, changed := Created, []int64(nil)
		if n >= 0 && l.Since.IsZero() {
			l.Since = all[n].Since // a correction does not say since when
		}
		switch {
		case n >= 0 && all[n].Own == l.Own:
			l = all[n]
			return nil
		case n >= 0 && l.Since.After(all[n].Since):
			if changed, err = b.succeedLimit(ctx, all[n], l, l.Since); err != nil {
				return err
			}
			if l, err = b.tx.Limit(ctx, changed[1]); err != nil {
				return err
			}
			return b.checkLimitsOf(ctx, l.Site, ownField, changed...)
		case n >= 0:
			l.ID, l.Version, action, before = all[n].ID, all[n].Version+1, Updated, all[n]
		}
		if l, err = b.putLimit(ctx, action, before, l); err != nil {
			return err
		}
		return b.checkLimitsOf(ctx, l.Site, ownField, l.ID)
	})
	return l, err
}

// RemoveLimit takes a limit away, of the version that was seen. Where it was in
// force it has never been: to end one, give it an end. Errors: NotFound, Conflict of
// ReasonStale.
func (b *Batch) RemoveLimit(ctx context.Context, id, version int64) error {
	return b.do(ctx, func() error {
		old, err := b.tx.Limit(ctx, id)
		if err != nil {
			return err
		}
		version, stale := next(version, old.Version, old)
		if stale != nil {
			return stale
		}
		gone := old
		gone.Version, gone.Removed, gone.Updated = version, b.now, b.now
		if _, err := b.tx.PutLimit(ctx, gone); err != nil {
			return err
		}
		return b.recordLimit(ctx, Deleted, old, gone)
	})
}

// putLimit checks a limit by itself and keeps it.
func (b *Batch) putLimit(ctx context.Context, action Action, before any, l Limit) (Limit, error) {
	if err := l.Validate(b.r.Catalogue, b.now); err != nil {
		return l, err
	}
	l.normalize()
	if _, err := b.tx.Site(ctx, l.Site); err != nil {
		return l, err
	}
	if l.Device != "" {
		if _, err := b.tx.Device(ctx, l.Device); err != nil {
			return l, err
		}
	}
	l.Updated, l.Removed = b.now, time.Time{}
	l, err := b.tx.PutLimit(ctx, l)
	if err != nil {
		return l, err
	}
	return l, b.recordLimit(ctx, action, before, l)
}

func (b *Batch) recordLimit(ctx context.Context, action Action, before any, l Limit) error {
	return b.record(ctx, Change{Entity: EntityLimit, ID: strconv.FormatInt(l.ID, 10), Action: action, Site: l.Site, Device: l.Device}, before, l)
}

// ownField is the field of an error about a limit by itself.
func ownField(_ Limit, field string) string { return field }

// checkLimitsOf holds the limits of a site, of which some were changed, against
// each other; field names what an error is about.
func (b *Batch) checkLimitsOf(ctx context.Context, site telemetry.Site, field func(Limit, string) string, changed ...int64) error {
	all, err := b.tx.Limits(ctx, LimitFilter{Site: site})
	if err != nil {
		return err
	}
	return checkLimits(all, func(l Limit) bool { return slices.Contains(changed, l.ID) }, field).err()
}

// Levels are the customary limits of a gauge, said at once. A level that is not
// named stays as it is.
type Levels struct {
	Site   telemetry.Site
	Device telemetry.Device
	// Values are by code: bd1, bd2, bd3, record, normal, flood.
	Values     map[string]float64
	RecordYear int
	// Datum, if given, is said of all levels, whether a value is or not.
	Datum *string
	// Basis and Reference, if given, are said of the levels that have a value.
	Basis                  limits.Basis
	Reference, ReferenceEN *string
	// From is when the values come into force: what held until then ends there.
	// Zero corrects them, as if they had always been so.
	From time.Time
}

// Said reports whether anything is said.
func (g Levels) Said() bool { return len(g.Values) > 0 || g.Datum != nil || g.RecordYear != 0 }

// SetLevels sets the customary limits of a gauge, as a whole or not at all, and
// returns all that the site has. What changes nothing leaves no trace. Errors: as
// CreateLimit's.
func (b *Batch) SetLevels(ctx context.Context, g Levels) (out []Limit, err error) {
	err = b.do(ctx, func() error {
		for code := range g.Values {
			if _, ok := limits.LevelOf(code); !ok {
				return invalid(code, ReasonBadValue, code, "bd1, bd2, bd3, record, normal, flood")
			}
		}
		if _, err := b.tx.Site(ctx, g.Site); err != nil {
			return err
		}
		all, err := b.tx.Limits(ctx, LimitFilter{Site: g.Site})
		if err != nil {
			return err
		}
		var changed []int64
		var wrong Errors
		for _, level := range limits.Levels() {
			id, err := b.setLevel(ctx, g, level, all)
			if CodeOf(err) == Internal {
				return err
			}
			for _, e := range Details(err) {
				e.Field = fieldOfLevel(level.Code, e.Field)
				wrong.add(e)
			}
			if id != nil {
				changed = append(changed, id...)
			}
		}
		if len(wrong) > 0 {
			return wrong
		}
		if len(changed) > 0 {
			byCode := func(l Limit, field string) string { return fieldOfLevel(l.Code, field) }
			if err := b.checkLimitsOf(ctx, g.Site, byCode, changed...); err != nil {
				return err
			}
		}
		out, err = b.tx.Limits(ctx, LimitFilter{Site: g.Site})
		return err
	})
	return out, err
}

// fieldOfLevel is the field of a gauge's form that an error of one limit is about.
func fieldOfLevel(code, field string) string {
	switch field {
	case "value":
		return code
	case "year":
		return "recordYear"
	}
	return field
}

// setLevel sets one level and says which limits it changed.
func (b *Batch) setLevel(ctx context.Context, g Levels, level limits.Level, all []Limit) ([]int64, error) {
	value, said := g.Values[level.Code]
	at := g.From
	if at.IsZero() {
		at = b.now
	}
	n := slices.IndexFunc(all, func(l Limit) bool { return l.Code == level.Code && l.Device == g.Device && l.InForce(at) })
	if n < 0 && !said {
		return nil, nil
	}
	var old Limit
	if n >= 0 {
		old = all[n]
	} else {
		old = Limit{Own: limits.OfLevel(g.Site, level, 0)}
		old.Device, old.Since, old.Until = g.Device, g.From, nextSince(all, level.Code, g)
	}
	made := g.over(old, level, value, said)
	switch {
	case n >= 0 && made.Own == old.Own:
		return nil, nil
	case n < 0:
		made.Version = 1
		l, err := b.putLimit(ctx, Created, nil, made)
		return []int64{l.ID}, err
	case !g.From.IsZero() && g.From.After(old.Since):
		return b.succeedLimit(ctx, old, made, stamp(g.From))
	}
	made.Version = old.Version + 1
	l, err := b.putLimit(ctx, Updated, old, made)
	return []int64{l.ID}, err
}

// succeedLimit ends a limit where another of its code begins.
func (b *Batch) succeedLimit(ctx context.Context, old, made Limit, from time.Time) ([]int64, error) {
	ended := old
	ended.Until, ended.Version = from, old.Version+1
	if _, err := b.putLimit(ctx, Updated, old, ended); err != nil {
		return nil, err
	}
	made.ID, made.Version, made.Since = 0, 1, from
	l, err := b.putLimit(ctx, Created, nil, made)
	return []int64{old.ID, l.ID}, err
}

// nextSince is when the next limit of a code begins; zero if none does.
func nextSince(all []Limit, code string, g Levels) (next time.Time) {
	for _, l := range all {
		if l.Code == code && l.Device == g.Device && l.Since.After(g.From) && (next.IsZero() || l.Since.Before(next)) {
			next = l.Since
		}
	}
	return next
}

// over is a level with what is said of it.
func (g Levels) over(l Limit, level limits.Level, value float64, said bool) Limit {
	if g.Datum != nil {
		l.Datum, _ = cleanLine("", *g.Datum, maxName)
	}
	if level.Code == limits.CodeRecord && g.RecordYear != 0 && g.RecordYear != l.Year {
		named := limits.OfLevel(l.Site, level, g.RecordYear)
		l.Year, l.NameVI, l.NameEN = g.RecordYear, named.NameVI, named.NameEN
	}
	if !said {
		return l
	}
	l.Value = value
	l.Basis = cmp.Or(g.Basis, l.Basis)
	if g.Reference != nil {
		source, _ := cleanLine("", *g.Reference, maxName)
		if source != l.Reference {
			l.Reference, l.ReferenceEN = source, ""
		}
	}
	if g.ReferenceEN != nil {
		l.ReferenceEN, _ = cleanLine("", *g.ReferenceEN, maxName)
	}
	l.Basis = cmp.Or(l.Basis, limits.Operational)
	return l
}

// CreateLimit is [Batch.CreateLimit] by itself.
func (r *Registry) CreateLimit(ctx context.Context, by By, l Limit) (Limit, error) {
	return one(ctx, r, by, func(b *Batch) (Limit, error) { return b.CreateLimit(ctx, l) })
}

// UpdateLimit is [Batch.UpdateLimit] by itself.
func (r *Registry) UpdateLimit(ctx context.Context, by By, l Limit) (Limit, error) {
	return one(ctx, r, by, func(b *Batch) (Limit, error) { return b.UpdateLimit(ctx, l) })
}

// SetLimit is [Batch.SetLimit] by itself.
func (r *Registry) SetLimit(ctx context.Context, by By, l Limit) (Limit, error) {
	return one(ctx, r, by, func(b *Batch) (Limit, error) { return b.SetLimit(ctx, l) })
}

// RemoveLimit is [Batch.RemoveLimit] by itself.
func (r *Registry) RemoveLimit(ctx context.Context, by By, id, version int64) error {
	return r.Batch(ctx, by, func(b *Batch) error { return b.RemoveLimit(ctx, id, version) })
}

// SetLevels is [Batch.SetLevels] by itself.
func (r *Registry) SetLevels(ctx context.Context, by By, g Levels) ([]Limit, error) {
	return one(ctx, r, by, func(b *Batch) ([]Limit, error) { return b.SetLevels(ctx, g) })
}
