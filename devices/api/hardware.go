package api

import (
	"context"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// DeviceFilter are the filters of devices; locality, ward and box are those of
// the site where they stand.
type DeviceFilter struct {
	Locality    telemetry.Locality `query:"locality" maxLength:"64"`
	Ward        string             `query:"ward" maxLength:"16"`
	Site        telemetry.Site     `query:"site" maxLength:"64"`
	Kind        telemetry.Kind     `query:"kind" maxLength:"64"`
	State       devices.State      `query:"state" enum:"planned,active,maintenance,retired"`
	Profile     string             `query:"profile" maxLength:"64"`
	Serial      string             `query:"serial" maxLength:"200" doc:"Exactly"`
	Gateway     string             `query:"gateway" maxLength:"200"`
	Provisional string             `query:"provisional" enum:"true,false"`
	Simulated   string             `query:"simulated" enum:"true,false"`
	Q           string             `query:"q" maxLength:"200" doc:"Words in id, model, serial, notes or the site's name, with or without diacritics"`
	BBox        string             `query:"bbox" maxLength:"100" doc:"west,south,east,north in degrees"`
}

type deviceQuery struct {
	DeviceFilter
	PageQuery
}

func (q DeviceFilter) filter() (devices.DeviceFilter, error) {
	f := devices.DeviceFilter{Locality: q.Locality, Ward: q.Ward, Site: q.Site, Kind: q.Kind, State: q.State, Profile: q.Profile,
		Serial: q.Serial, Gateway: q.Gateway, Query: q.Q, Provisional: choice(q.Provisional), Simulated: choice(q.Simulated)}
	var err error
	f.Box, err = parseBox(q.BBox)
	return f, err
}

// choice is true, false, or not chosen.
func choice(s string) *bool {
	if s == "" {
		return nil
	}
	yes := s == "true"
	return &yes
}

func (a *API) devices(ctx context.Context, q *deviceQuery) (*out[DevicePage], error) {
	f, err := q.filter()
	if err != nil {
		return nil, err
	}
	f.After, f.Limit = q.Cursor, q.Limit
	found, total, err := a.Registry.Devices(ctx, f)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body := DevicePage{Devices: make([]Device, 0, len(found)), Total: total}
	for _, p := range found {
		d := placedOf(p)
		a.board.describe(&d)
		body.Devices = append(body.Devices, d)
	}
	if len(found) == q.Limit {
		body.Next = string(found[len(found)-1].Device.ID)
	}
	return &out[DevicePage]{body}, nil
}

// DeviceWrite is what people say of a device, and why.
type DeviceWrite struct {
	DeviceInput
	Why string `json:"why,omitempty" doc:"In the person's own words; in the journal"`
}

type deviceBody struct{ Body DeviceWrite }

func (a *API) createDevice(ctx context.Context, in *deviceBody) (*tagged[Device], error) {
	d, err := a.Registry.CreateDevice(ctx, a.by(ctx, in.Body.Why), deviceFrom(in.Body.DeviceInput))
	return a.deviceAnswer(ctx, d.ID, err)
}

// deviceAnswer answers with a device as it is now, and where it stands.
func (a *API) deviceAnswer(ctx context.Context, id telemetry.Device, err error) (*tagged[Device], error) {
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	p, err := a.Registry.Device(ctx, id)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	d := placedOf(p)
	a.board.describe(&d)
	return &tagged[Device]{p.Device.ETag(), d}, nil
}

// DevicePath names a device.
type DevicePath struct {
	ID telemetry.Device `path:"id" maxLength:"64"`
}

func (a *API) device(ctx context.Context, in *DevicePath) (*tagged[Device], error) {
	return a.deviceAnswer(ctx, in.ID, nil)
}

type deviceUpdate struct {
	DevicePath
	IfMatch string `header:"If-Match" doc:"The ETag of the device that was seen; 428 without it, 412 if it was changed meanwhile"`
	Body    DeviceWrite
}

func (a *API) updateDevice(ctx context.Context, in *deviceUpdate) (*tagged[Device], error) {
	d := deviceFrom(in.Body.DeviceInput)
	if d.ID != "" && d.ID != in.ID {
		return nil, fixedID()
	}
	d.ID, d.Version = in.ID, devices.ParseETag(in.IfMatch)
	_, err := a.Registry.UpdateDevice(ctx, a.by(ctx, in.Body.Why), d)
	return a.deviceAnswer(ctx, in.ID, err)
}

// DeviceSeen names a device, and the version of it that was seen.
type DeviceSeen struct {
	DevicePath
	IfMatch string `header:"If-Match" doc:"The ETag of the device that was seen, if it matters: 412 if it was changed meanwhile"`
}

// onDevice runs f as one act if the device is as it was seen.
func (a *API) onDevice(ctx context.Context, in DeviceSeen, why string, f func(*devices.Batch) error) error {
	return a.Registry.Batch(ctx, a.by(ctx, why), func(b *devices.Batch) error {
		if in.IfMatch != "" {
			d, err := b.Reader().Device(ctx, in.ID)
			if err != nil {
				return err
			}
			if seen := devices.ParseETag(in.IfMatch); seen != devices.AnyVersion && seen != d.Version {
				return stale(seen, d)
			}
		}
		return f(b)
	})
}

// stale is the error for a device that was changed meanwhile.
func stale(seen int64, d devices.Device) error {
	err := *devices.Details(devices.Stale(seen))[0]
	err.Current = d
	return &err
}

type maintenance struct {
	DeviceSeen
	Body MaintenanceInput
}

func (a *API) maintain(ctx context.Context, in *maintenance) (*tagged[Device], error) {
	err := a.onDevice(ctx, in.DeviceSeen, in.Body.Why, func(b *devices.Batch) error {
		act := b.Resume
		if in.Body.Action == "begin" {
			act = b.Maintain
		}
		_, err := act(ctx, in.ID)
		return err
	})
	return a.deviceAnswer(ctx, in.ID, err)
}

type deviceAct struct {
	DeviceSeen
	Body Act
}

func (a *API) remove(ctx context.Context, in *deviceAct) (*tagged[Device], error) {
	err := a.onDevice(ctx, in.DeviceSeen, in.Body.Why, func(b *devices.Batch) error {
		_, err := b.Remove(ctx, in.ID, orZero(in.Body.At))
		return err
	})
	return a.deviceAnswer(ctx, in.ID, err)
}

func (a *API) retireDevice(ctx context.Context, in *deviceAct) (*tagged[Device], error) {
	err := a.onDevice(ctx, in.DeviceSeen, in.Body.Why, func(b *devices.Batch) error {
		_, err := b.RetireDevice(ctx, in.ID, orZero(in.Body.At))
		return err
	})
	return a.deviceAnswer(ctx, in.ID, err)
}

type swap struct {
	DeviceSeen
	Body SwapInput
}

func (a *API) swap(ctx context.Context, in *swap) (*out[Swapped], error) {
	b := in.Body
	r := devices.Replacement{Old: in.ID, New: b.New, At: orZero(b.At), Retire: b.Retire}
	if b.Create != nil {
		d := deviceFrom(*b.Create)
		r.Create = &d
	}
	var s devices.Swapped
	err := a.onDevice(ctx, in.DeviceSeen, b.Why, func(b *devices.Batch) (err error) {
		s, err = b.Swap(ctx, r)
		return err
	})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	site := siteOf(s.Site)
	a.board.furnish(&site)
	return &out[Swapped]{Swapped{Site: site, Ended: installationOf(s.Ended), Began: installationOf(s.Began),
		Replaced: deviceOf(s.Replaced), Device: deviceOf(s.Device)}}, nil
}

func (a *API) deviceInstallations(ctx context.Context, in *DevicePath) (*out[Installations], error) {
	if _, err := a.Registry.Device(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	return a.installations(ctx, devices.InstallationFilter{Device: in.ID})
}

type deviceHistory struct {
	DevicePath
	PageQuery
}

func (a *API) deviceChanges(ctx context.Context, in *deviceHistory) (*out[ChangePage], error) {
	if _, err := a.Registry.Device(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	return a.history(ctx, devices.ChangeFilter{Device: in.ID}, in.PageQuery)
}

type installing struct {
	DeviceSeen
	Body InstallInput
}

func (a *API) install(ctx context.Context, in *installing) (*tagged[Installation], error) {
	b := in.Body
	i := devices.Installation{Device: in.ID, Site: b.Site, From: orZero(b.From), To: orZero(b.To), Redundant: b.Redundant,
		Cadence: duration(b.CadenceSeconds)}
	move := b.Move
	err := a.onDevice(ctx, in.DeviceSeen, b.Why, func(b *devices.Batch) (err error) {
		if move {
			if _, err := b.Remove(ctx, in.ID, i.From); err != nil {
				return err
			}
		}
		i, err = b.Install(ctx, i)
		return err
	})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &tagged[Installation]{i.ETag(), installationOf(i)}, nil
}

// InstallationPath names an installation.
type InstallationPath struct {
	ID int64 `path:"id" minimum:"1"`
}

type correction struct {
	InstallationPath
	IfMatch string `header:"If-Match" doc:"The ETag of the installation that was seen; 428 without it, 412 if it was changed meanwhile"`
	Body    CorrectionInput
}

func (a *API) correct(ctx context.Context, in *correction) (*tagged[Installation], error) {
	b := in.Body
	i, err := a.Registry.CorrectInstallation(ctx, a.by(ctx, b.Why), devices.Installation{ID: in.ID, From: b.From, To: orZero(b.To),
		Redundant: b.Redundant, Cadence: duration(b.CadenceSeconds), Version: devices.ParseETag(in.IfMatch)})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &tagged[Installation]{i.ETag(), installationOf(i)}, nil
}
