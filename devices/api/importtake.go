package api

import (
	"context"
	"math"
	"reflect"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// take brings an entry into the registry: what is new is created, what is known is
// changed where the row says something else. One with faults is only looked at, so
// that all that is wrong with it is told at once.
func (i *importer) take(ctx context.Context, b *devices.Batch, r row, e entry) (RowStatus, error) {
	if len(e.faults) > 0 {
		return RowFailed, i.look(e)
	}
	m := merging{importer: i, Batch: b, entry: e, status: RowUnchanged}
	err := b.Whole(ctx, func() error {
		if err := m.row(ctx, i.requestOf(r)); err != nil {
			return err
		}
		return m.mergeLevels(ctx)
	})
	return m.status, err
}

// merging is one row on its way into the registry.
type merging struct {
	*importer
	*devices.Batch
	entry
	status RowStatus
}

// changed notes that the row changes something; what is created stays so.
func (m *merging) changed(to RowStatus) {
	if m.status != RowImported {
		m.status = to
	}
}

func (m *merging) row(ctx context.Context, request string) error {
	site, siteKnown, err := found(m.Reader().Site(ctx, m.site.ID))
	if err != nil {
		return err
	}
	device, deviceKnown, err := found(m.Reader().Device(ctx, m.device.ID))
	if err != nil {
		return err
	}
	switch {
	case m.device.ID == "":
		return m.mergeSite(ctx, site, siteKnown)
	case deviceKnown && !device.Provisional && m.site.ID == "":
		return m.mergeDevice(ctx, device)
	case deviceKnown && !device.Provisional:
		return m.mergeBoth(ctx, request, device, site, siteKnown)
	case m.site.ID == "":
		m.changed(RowImported)
		_, err := m.CreateDevice(ctx, m.device)
		return err
	}
	return m.register(ctx, request, site, siteKnown)
}

// found tells what is not there from what cannot be read.
func found[T any](v T, err error) (T, bool, error) {
	if devices.CodeOf(err) == devices.NotFound {
		return v, false, nil
	}
	return v, err == nil, err
}

// register is for a device that is new; of a site that exists, what the row says of
// it counts, as it would if the device were known.
func (m *merging) register(ctx context.Context, request string, is devices.Site, siteKnown bool) error {
	m.changed(RowImported)
	site := m.site
	if siteKnown {
		if err := m.mergeSite(ctx, is, true); err != nil {
			return err
		}
	} else {
		site = m.reader.placed(site)
	}
	_, err := m.RegisterDevice(ctx, devices.Registration{Request: request, Device: m.device, Site: site, NewSite: !siteKnown,
		From: m.from, Redundant: m.backup, Cadence: m.cadence})
	return err
}

// mergeBoth is for a device that is registered: it stands at the row's site, or
// nowhere and is put there; one that stands elsewhere is refused.
func (m *merging) mergeBoth(ctx context.Context, request string, device devices.Device, site devices.Site, siteKnown bool) error {
	own, err := m.Reader().Installations(ctx, devices.InstallationFilter{Device: device.ID})
	if err != nil {
		return err
	}
	var open *devices.Installation
	var left time.Time // when it last left a site
	for n := range own {
		if own[n].To.IsZero() {
			open = &own[n]
		} else if own[n].To.After(left) {
			left = own[n].To
		}
	}
	if open != nil && open.Site != m.site.ID {
		return m.register(ctx, request, site, siteKnown) // which says where it stands
	}
	if err := m.mergeDevice(ctx, device); err != nil {
		return err
	}
	if err := m.mergeSite(ctx, site, siteKnown); err != nil {
		return err
	}
	if open != nil {
		return m.mergeInstallation(ctx, *open)
	}
	// Put back where the file says. What it says of since when is of the time
	// before it was taken away.
	from := m.from
	if from.Before(left) {
		from = time.Time{}
	}
	m.changed(RowUpdated)
	_, err = m.Install(ctx, devices.Installation{Device: device.ID, Site: m.site.ID, From: from, Redundant: m.backup, Cadence: m.cadence})
	return err
}

// has reports whether the file has a column of the field.
func (m *merging) has(f field) bool {
	_, ok := m.reader.layout.at[f]
	return ok
}

// overlay puts what the file says of an optional field in the place of what is. An
// empty cell says nothing, except in an export, where it was emptied by somebody:
// only exports have the column state.
func overlay[T any](m *merging, f field, is *T, says T) {
	if m.has(f) && (m.has(fieldState) || !reflect.ValueOf(&says).Elem().IsZero()) {
		*is = says
	}
}

func (m *merging) mergeDevice(ctx context.Context, is devices.Device) error {
	d := is
	if len(m.device.Kinds) > 0 {
		d.Kinds = m.device.Kinds
	}
	overlay(m, fieldModel, &d.Model, m.device.Model)
	overlay(m, fieldProfile, &d.Profile, m.device.Profile)
	overlay(m, fieldSerial, &d.Serial, m.device.Serial)
	overlay(m, fieldGateway, &d.Gateway, m.device.Gateway)
	overlay(m, fieldNotes, &d.Notes, m.device.Notes)
	overlay(m, fieldSimulated, &d.Simulated, m.device.Simulated)
	if reflect.DeepEqual(is.Normalized(), d.Normalized()) {
		return nil
	}
	m.changed(RowUpdated)
	_, err := m.UpdateDevice(ctx, d)
	return err
}

// mergeSite creates or changes the row's site. What a site must have is not taken
// away by an empty cell.
func (m *merging) mergeSite(ctx context.Context, is devices.Site, known bool) error {
	if !known {
		m.changed(RowImported)
		_, err := m.CreateSite(ctx, m.reader.placed(m.site))
		return err
	}
	s := is
	keep(&s.Name, m.site.Name)
	keep(&s.Ward, m.site.Ward)
	if m.has(fieldLocality) {
		keep(&s.Locality, m.site.Locality) // the one for rows that say none is not meant
	}
	if at := m.site.Position; at.Known() && !samePlace(at, is.Position) {
		s.Position.Lat, s.Position.Lon = at.Lat, at.Lon
	}
	overlay(m, fieldAccuracy, &s.Position.Accuracy, m.site.Position.Accuracy)
	overlay(m, fieldOutside, &s.Position.OutsideReason, m.site.Position.OutsideReason)
	overlay(m, fieldNameEN, &s.NameEN, m.site.NameEN)
	overlay(m, fieldHeight, &s.MountHeight, m.site.MountHeight)
	overlay(m, fieldTags, &s.Tags, m.site.Tags)
	overlay(m, fieldNoise, &s.NoiseArea, m.site.NoiseArea)
	overlay(m, fieldSiteNotes, &s.Notes, m.site.Notes)
	if reflect.DeepEqual(is.Normalized(), s.Normalized()) {
		return nil
	}
	m.changed(RowUpdated)
	_, err := m.UpdateSite(ctx, s)
	return err
}

// mergeLevels sets the levels of a gauge that the row says.
func (m *merging) mergeLevels(ctx context.Context) error {
	if !m.levels.Said() {
		return nil
	}
	is, err := m.Reader().Limits(ctx, devices.LimitFilter{Site: m.levels.Site})
	if err != nil {
		return err
	}
	set, err := m.SetLevels(ctx, m.levels)
	if !reflect.DeepEqual(is, set) {
		m.changed(RowUpdated)
	}
	return err
}

// samePlace is whether two positions are one: a spreadsheet keeps 15 digits of a
// number, and a 10,000th of a millimetre is no move.
func samePlace(a, b devices.Position) bool {
	const slight = 1e-9 // degrees
	return math.Abs(a.Lat-b.Lat) < slight && math.Abs(a.Lon-b.Lon) < slight
}

// keep replaces what is by what the file says, if it says anything.
func keep[T ~string](is *T, says T) {
	if says != "" {
		*is = says
	}
}

func (m *merging) mergeInstallation(ctx context.Context, is devices.Installation) error {
	i := is
	if !m.from.IsZero() && !m.from.Equal(is.From.Truncate(time.Second)) { // an export has seconds
		i.From = m.from
	}
	overlay(m, fieldRedundant, &i.Redundant, m.backup)
	overlay(m, fieldCadence, &i.Cadence, m.cadence)
	if i == is {
		return nil
	}
	m.changed(RowUpdated)
	_, err := m.CorrectInstallation(ctx, i)
	return err
}

// placed gives a new site the ward that its position suggests, as the field app
// does, and the locality of its ward, where the file says none.
func (p *rowReader) placed(s devices.Site) devices.Site {
	if s.Ward == "" && s.Position.Known() {
		s.Ward = devices.NearestWard(p.placing, s.Position).Code
	}
	if s.Locality == "" && s.Ward != "" {
		for _, l := range p.order {
			if p.members[l][s.Ward] {
				s.Locality = l
				break
			}
		}
	}
	return s
}

// look says what is wrong with an entry by itself.
func (i *importer) look(e entry) error {
	var wrong devices.Errors
	if e.device.ID != "" {
		for _, d := range devices.Details(e.device.Validate(i.api.Registry.Catalogue)) {
			c := *d
			c.Field = "device." + c.Field
			wrong = append(wrong, &c)
		}
	}
	if e.site.Name != "" { // it may be one that exists, and then it needs nothing else
		wrong = append(wrong, devices.Details(i.reader.placed(e.site).Validate(i.reader.province))...)
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong
}

// clipped keeps what a file calls an id short.
func clipped[T ~string](id T) T { return T(clip(string(id), telemetry.MaxIDLength)) }
