package devices

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// one runs a single operation as a batch.
func one[T any](ctx context.Context, r *Registry, by By, f func(*Batch) (T, error)) (out T, err error) {
	err = r.Batch(ctx, by, func(b *Batch) (err error) {
		out, err = f(b)
		return err
	})
	return out, err
}

// read runs a query.
func read[T any](ctx context.Context, r *Registry, what string, f func(Reader) (T, error)) (out T, err error) {
	err = r.Store.Read(ctx, func(rd Reader) (err error) {
		out, err = f(rd)
		return err
	})
	return out, wrapped(what, err)
}

// CreateSite is [Batch.CreateSite] by itself.
func (r *Registry) CreateSite(ctx context.Context, by By, s Site) (Site, error) {
	return one(ctx, r, by, func(b *Batch) (Site, error) { return b.CreateSite(ctx, s) })
}

// UpdateSite is [Batch.UpdateSite] by itself.
func (r *Registry) UpdateSite(ctx context.Context, by By, s Site) (Site, error) {
	return one(ctx, r, by, func(b *Batch) (Site, error) { return b.UpdateSite(ctx, s) })
}

// RetireSite is [Batch.RetireSite] by itself.
func (r *Registry) RetireSite(ctx context.Context, by By, id telemetry.Site, at time.Time) (Site, error) {
	return one(ctx, r, by, func(b *Batch) (Site, error) { return b.RetireSite(ctx, id, at) })
}

// ReopenSite is [Batch.ReopenSite] by itself.
func (r *Registry) ReopenSite(ctx context.Context, by By, id telemetry.Site) (Site, error) {
	return one(ctx, r, by, func(b *Batch) (Site, error) { return b.ReopenSite(ctx, id) })
}

// CreateDevice is [Batch.CreateDevice] by itself.
func (r *Registry) CreateDevice(ctx context.Context, by By, d Device) (Device, error) {
	return one(ctx, r, by, func(b *Batch) (Device, error) { return b.CreateDevice(ctx, d) })
}

// UpdateDevice is [Batch.UpdateDevice] by itself.
func (r *Registry) UpdateDevice(ctx context.Context, by By, d Device) (Device, error) {
	return one(ctx, r, by, func(b *Batch) (Device, error) { return b.UpdateDevice(ctx, d) })
}

// Maintain is [Batch.Maintain] by itself.
func (r *Registry) Maintain(ctx context.Context, by By, id telemetry.Device) (Device, error) {
	return one(ctx, r, by, func(b *Batch) (Device, error) { return b.Maintain(ctx, id) })
}

// Resume is [Batch.Resume] by itself.
func (r *Registry) Resume(ctx context.Context, by By, id telemetry.Device) (Device, error) {
	return one(ctx, r, by, func(b *Batch) (Device, error) { return b.Resume(ctx, id) })
}

// RetireDevice is [Batch.RetireDevice] by itself.
func (r *Registry) RetireDevice(ctx context.Context, by By, id telemetry.Device, at time.Time) (Device, error) {
	return one(ctx, r, by, func(b *Batch) (Device, error) { return b.RetireDevice(ctx, id, at) })
}

// Remove is [Batch.Remove] by itself.
func (r *Registry) Remove(ctx context.Context, by By, id telemetry.Device, at time.Time) (Device, error) {
	return one(ctx, r, by, func(b *Batch) (Device, error) { return b.Remove(ctx, id, at) })
}

// Install is [Batch.Install] by itself.
func (r *Registry) Install(ctx context.Context, by By, i Installation) (Installation, error) {
	return one(ctx, r, by, func(b *Batch) (Installation, error) { return b.Install(ctx, i) })
}

// CorrectInstallation is [Batch.CorrectInstallation] by itself.
func (r *Registry) CorrectInstallation(ctx context.Context, by By, i Installation) (Installation, error) {
	return one(ctx, r, by, func(b *Batch) (Installation, error) { return b.CorrectInstallation(ctx, i) })
}

// Swap is [Batch.Swap] by itself.
func (r *Registry) Swap(ctx context.Context, by By, s Replacement) (Swapped, error) {
	return one(ctx, r, by, func(b *Batch) (Swapped, error) { return b.Swap(ctx, s) })
}

// RegisterDevice is [Batch.RegisterDevice] by itself; the journal has its request.
func (r *Registry) RegisterDevice(ctx context.Context, by By, reg Registration) (Registered, error) {
	by.Request = reg.Request
	return one(ctx, r, by, func(b *Batch) (Registered, error) { return b.RegisterDevice(ctx, reg) })
}

// PutLocality is [Batch.PutLocality] by itself.
func (r *Registry) PutLocality(ctx context.Context, by By, l Locality) (Locality, error) {
	return one(ctx, r, by, func(b *Batch) (Locality, error) { return b.PutLocality(ctx, l) })
}

// PutWard is [Batch.PutWard] by itself.
func (r *Registry) PutWard(ctx context.Context, by By, w Ward) (Ward, error) {
	return one(ctx, r, by, func(b *Batch) (Ward, error) { return b.PutWard(ctx, w) })
}

// PutProfile is [Batch.PutProfile] by itself.
func (r *Registry) PutProfile(ctx context.Context, by By, p Profile) (Profile, error) {
	return one(ctx, r, by, func(b *Batch) (Profile, error) { return b.PutProfile(ctx, p) })
}

// Localities lists all localities.
func (r *Registry) Localities(ctx context.Context) ([]Locality, error) {
	return read(ctx, r, "list localities", func(rd Reader) ([]Locality, error) { return rd.Localities(ctx) })
}

// Wards lists all wards, those no longer in force too.
func (r *Registry) Wards(ctx context.Context) ([]Ward, error) {
	return read(ctx, r, "list wards", func(rd Reader) ([]Ward, error) { return rd.Wards(ctx) })
}

// Profiles lists all profiles.
func (r *Registry) Profiles(ctx context.Context) ([]Profile, error) {
	return read(ctx, r, "list profiles", func(rd Reader) ([]Profile, error) { return rd.Profiles(ctx) })
}

// Site finds a site; NotFound if there is none of that id.
func (r *Registry) Site(ctx context.Context, id telemetry.Site) (Site, error) {
	return read(ctx, r, "read site", func(rd Reader) (Site, error) { return rd.Site(ctx, id) })
}

// Sites gives a page of sites and how many there are on all pages.
func (r *Registry) Sites(ctx context.Context, f SiteFilter) (page []Site, total int, err error) {
	page, err = read(ctx, r, "list sites", func(rd Reader) (page []Site, err error) {
		page, total, err = rd.Sites(ctx, f)
		return page, err
	})
	return page, total, err
}

// Device finds a device and where it stands; NotFound if there is none of that id.
func (r *Registry) Device(ctx context.Context, id telemetry.Device) (Placed, error) {
	return read(ctx, r, "read device", func(rd Reader) (p Placed, err error) {
		if p.Device, err = rd.Device(ctx, id); err != nil {
			return p, err
		}
		own, err := rd.Installations(ctx, InstallationFilter{Device: id, Open: true})
		if err != nil || len(own) == 0 {
			return p, err
		}
		p.Installation = &own[0]
		s, err := rd.Site(ctx, own[0].Site)
		p.Site = &s
		return p, err
	})
}

// PlaceOf is where a device belongs, as [Standing.Place] says; NotFound if there is none.
func (r *Registry) PlaceOf(ctx context.Context, id telemetry.Device) (Place, error) {
	return read(ctx, r, "read device", func(rd Reader) (Place, error) { return devicePlace(ctx, rd, id) })
}

// PlaceOfInstallation is where an installation and its photos belong: where its site is.
func (r *Registry) PlaceOfInstallation(ctx context.Context, id int64) (Place, error) {
	return read(ctx, r, "read installation", func(rd Reader) (Place, error) {
		i, err := rd.Installation(ctx, id)
		if err != nil {
			return nil, err
		}
		s, err := rd.Site(ctx, i.Site)
		return PlaceOf(s.Locality), err
	})
}

// Devices gives a page of devices, with where they stand, and how many there are
// on all pages.
func (r *Registry) Devices(ctx context.Context, f DeviceFilter) (page []Placed, total int, err error) {
	page, err = read(ctx, r, "list devices", func(rd Reader) (page []Placed, err error) {
		page, total, err = rd.Devices(ctx, f)
		return page, err
	})
	return page, total, err
}

// Installations lists installations in order of their beginnings.
func (r *Registry) Installations(ctx context.Context, f InstallationFilter) ([]Installation, error) {
	return read(ctx, r, "list installations", func(rd Reader) ([]Installation, error) { return rd.Installations(ctx, f) })
}

// History lists the changes of the journal, the newest first.
func (r *Registry) History(ctx context.Context, f ChangeFilter) ([]Change, error) {
	return read(ctx, r, "list changes", func(rd Reader) ([]Change, error) { return rd.Changes(ctx, f) })
}

// Heard lists devices that spoke and were not admitted, or only provisionally,
// the last heard first, and how many there are on all pages. It is behind by
// [Admission.FlushEvery].
func (r *Registry) Heard(ctx context.Context, f HeardFilter) (page []Heard, total int, err error) {
	page, err = read(ctx, r, "list heard devices", func(rd Reader) (page []Heard, err error) {
		page, total, err = rd.Heard(ctx, f)
		return page, err
	})
	return page, total, err
}

// Nearby is a site and how far it is, in metres.
type Nearby struct {
	Site     Site    `json:"site"`
	Distance float64 `json:"distance"`
}

// NearbySites lists the sites in use within metres (at most 50 km) of a position,
// the nearest first, at most limit.
func (r *Registry) NearbySites(ctx context.Context, p Position, metres float64, limit int) ([]Nearby, error) {
	if e := checkRange("metres", metres, 0, 50000); e != nil {
		return nil, e
	}
	box := around(p, metres)
	return read(ctx, r, "list sites near by", func(rd Reader) (out []Nearby, err error) {
		f := SiteFilter{Box: &box, Page: Page{Limit: MaxPage}}
		for {
			page, _, err := rd.Sites(ctx, f)
			if err != nil {
				return nil, err
			}
			for _, s := range page {
				if d := Distance(p, s.Position); d <= metres && s.State != Retired {
					out = append(out, Nearby{Site: s, Distance: d})
				}
			}
			if len(page) < MaxPage {
				break
			}
			f.After = string(page[len(page)-1].ID)
		}
		slices.SortFunc(out, func(a, b Nearby) int {
			return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Site.ID, b.Site.ID))
		})
		return out[:min(len(out), Page{Limit: limit}.limit())], nil
	})
}

// SuggestWards lists the wards in force whose box has the position, the one whose
// centre is nearest first: a suggestion for a person to choose from, since boxes
// overlap and the sea is in none. Of points all over the province's 65 wards two
// boxes in the mean hold a point; the first is right for four of five (the smallest
// box would be for three of four), the right one is always among the first three.
func (r *Registry) SuggestWards(ctx context.Context, p Position) ([]Ward, error) {
	all, err := r.Wards(ctx)
	if err != nil {
		return nil, err
	}
	now := r.Now()
	var out []Ward
	for _, w := range all {
		if w.InForce(now) && w.Box.Holds(p) {
			out = append(out, w)
		}
	}
	slices.SortStableFunc(out, func(a, b Ward) int { return cmp.Compare(Distance(a.Box.centre(), p), Distance(b.Box.centre(), p)) })
	return out, nil
}

// NearestWard is the ward that a position most likely lies in: of those whose box
// holds it the one with the nearest centre; if none does, the nearest at all. It is
// what the field app fills in. The wards must be in force.
func NearestWard(wards []Ward, p Position) (best Ward) {
	centre := func(b Box) Position { return Position{Lat: (b.South + b.North) / 2, Lon: (b.West + b.East) / 2} }
	inside := false
	for _, w := range wards {
		if w.Box == (Box{}) {
			continue
		}
		holds := w.Box.Holds(p)
		if best.Code == "" || holds && !inside || holds == inside && Distance(p, centre(w.Box)) < Distance(p, centre(best.Box)) {
			best, inside = w, holds
		}
	}
	return best
}
