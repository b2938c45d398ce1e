// Package seed knows the 65 wards of the province as they are since 2025-07-01, the
// four localities of the first users, some 45 named places in them, and the flood
// alarm levels of the gauges among these. It gives a new registry a city to start
// from, and an older one the wards and the limits that it lacks.
package seed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Who is the name of the seed in the journal of changes.
const Who = "seed"

// Applied says what was added.
type Applied struct {
	Wards, Localities, Sites, Limits int
}

// Apply adds what the registry does not have, in one transaction. What is there
// already, edited or not, stays as it is: applying again changes nothing.
func Apply(ctx context.Context, r *devices.Registry) (added Applied, err error) {
	err = r.Batch(ctx, devices.By{Who: Who, Scope: devices.Everywhere(), Why: "wards and places as of 2025-07-01"}, func(b *devices.Batch) error {
		added = Applied{}
		if added.Wards, err = addWards(ctx, b); err != nil {
			return err
		}
		for _, l := range Localities() {
			_, err := b.PutLocality(ctx, l)
			if err := count(err, &added.Localities); err != nil {
				return fmt.Errorf("seed locality %s: %w", l.ID, err)
			}
		}
		for _, s := range Sites() {
			// Asked first: a place whose ward has ended since would be refused.
			if _, err := b.Reader().Site(ctx, s.ID); err == nil {
				continue
			}
			_, err := b.CreateSite(ctx, s)
			if err := count(err, &added.Sites); err != nil {
				return fmt.Errorf("seed site %s: %w", s.ID, err)
			}
		}
		added.Limits, err = addLimits(ctx, b)
		return err
	})
	return added, err
}

// addWards adds the wards that the registry lacks. One that an earlier version knew
// by its name only, and that nobody has changed since, gets its area and box.
func addWards(ctx context.Context, b *devices.Batch) (added int, err error) {
	all, err := b.Reader().Wards(ctx)
	if err != nil {
		return 0, fmt.Errorf("list wards: %w", err)
	}
	known := map[string]devices.Ward{}
	for _, w := range all {
		known[w.Code] = w
	}
	for _, w := range Wards() {
		if old, ok := known[w.Code]; ok {
			if old.Version != 1 || old.Box != (devices.Box{}) {
				continue
			}
			w.Version = old.Version
		}
		if _, err := b.PutWard(ctx, w); err != nil {
			return 0, fmt.Errorf("seed ward %s: %w", w.Code, err)
		}
		if w.Version == 0 {
			added++
		}
	}
	return added, nil
}

// addLimits gives each gauge its levels, once: a site of which the journal knows a
// limit, even one that was removed since, is in its operator's hands.
func addLimits(ctx context.Context, b *devices.Batch) (added int, err error) {
	touched := map[telemetry.Site]bool{}
	for _, o := range limits.Seed() {
		known, seen := touched[o.Site]
		if !seen {
			before, err := b.Reader().Changes(ctx, devices.ChangeFilter{Entity: devices.EntityLimit, Site: o.Site, Limit: 1})
			if err != nil {
				return added, err
			}
			known = len(before) > 0
			touched[o.Site] = known
		}
		if known {
			continue
		}
		if _, err := b.CreateLimit(ctx, devices.Limit{Own: o}); err != nil {
			return added, fmt.Errorf("seed limit %s of %s: %w", o.Code, o.Site, err)
		}
		added++
	}
	return added, nil
}

// count counts what was added; what was there is no error.
func count(err error, n *int) error {
	switch {
	case err == nil:
		*n++
		return nil
	case devices.HasReason(err, devices.ReasonDuplicateID):
		return nil
	default:
		return err
	}
}

// Since is when the units of administration came into force: Resolution
// 202/2025/QH15, midnight in Vietnam.
func Since() time.Time { return time.Date(2025, 7, 1, 0, 0, 0, 0, time.FixedZone("", 7*60*60)).UTC() }

// locality is a row of the tables.
type locality struct {
	id             telemetry.Locality
	nameVI, nameEN string
	box            devices.Box
	wards          []ward
}

type ward struct {
	code   string
	form   devices.WardForm
	name   string
	area   float64 // km²
	box    devices.Box
	former string // names, separated by commas
}

// Wards are all wards of the province: first those of the localities.
func Wards() (out []devices.Ward) {
	for _, l := range localities() {
		for _, w := range l.wards {
			out = append(out, w.ward())
		}
	}
	for _, w := range others() {
		out = append(out, w.ward())
	}
	return out
}

// Localities are the four localities.
func Localities() (out []devices.Locality) {
	for _, l := range localities() {
		made := devices.Locality{ID: l.id, NameVI: l.nameVI, NameEN: l.nameEN, Box: l.box, ValidFrom: Since()}
		for _, w := range l.wards {
			made.Wards = append(made.Wards, devices.Membership{Ward: w.code, From: Since()})
		}
		out = append(out, made)
	}
	return out
}

// Sites are the named places, all Planned: known, and nothing measured yet. Their
// coordinates were taken from memory and are good to ±300 m, which is their
// Accuracy; those called approximate ±1 km or worse.
func Sites() (out []devices.Site) {
	for _, p := range places() {
		s := devices.Site{ID: telemetry.Site(p.id), Name: p.name, NameEN: p.nameEN, Locality: p.locality, Ward: p.ward, Notes: p.notes,
			Position: devices.Position{Lat: p.lat, Lon: p.lon, Accuracy: 300}, State: devices.Planned}
		if p.accuracy > 0 {
			s.Position.Accuracy = p.accuracy
		}
		for _, tag := range strings.Fields(p.tags) {
			if area, ok := devices.NoiseAreaOf(tag); ok {
				s.NoiseArea = area
			} else {
				s.Tags = append(s.Tags, tag)
			}
		}
		out = append(out, s)
	}
	return out
}
