package api

import (
	"time"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// moment is a time that may be missing.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// orZero is the time, or zero where it is missing.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func seconds(d time.Duration) float64 { return d.Seconds() }

// duration is seconds as a duration; what is out of bounds stays so for devices to
// refuse.
func duration(seconds float64) time.Duration {
	const most = 1e9 // about 32 years
	return time.Duration(min(max(seconds, -most), most) * float64(time.Second))
}

func boxOf(b devices.Box) Box { return Box(b) }

func positionOf(p devices.Position) Position { return Position(p) }

func wardOf(w devices.Ward) Ward {
	return Ward{Code: w.Code, NameVI: w.NameVI, NameEN: w.NameEN, Form: w.Form, Former: w.Former, Box: boxOf(w.Box),
		ValidFrom: moment(w.ValidFrom), ValidTo: moment(w.ValidTo), Successors: w.Successors}
}

// siteFrom is the input as devices knows it. (A method of what is embedded keeps
// huma from linking schemas.)
func siteFrom(s SiteInput) devices.Site {
	return devices.Site{ID: s.ID, Name: s.Name, NameEN: s.NameEN, Locality: s.Locality, Ward: s.Ward, Position: devices.Position(s.Position),
		MountHeight: s.MountHeight, Tags: s.Tags, NoiseArea: s.NoiseArea, Notes: s.Notes}
}

func siteOf(s devices.Site) Site {
	return Site{SiteInput: SiteInput{ID: s.ID, Name: s.Name, NameEN: s.NameEN, Locality: s.Locality, Ward: s.Ward, Position: positionOf(s.Position),
		MountHeight: s.MountHeight, Tags: s.Tags, NoiseArea: s.NoiseArea, Notes: s.Notes},
		State: s.State, Provisional: s.Provisional, Version: s.Version, Updated: s.Updated}
}

// deviceFrom is the input as devices knows it.
func deviceFrom(d DeviceInput) devices.Device {
	return devices.Device{ID: d.ID, Kinds: d.Kinds, Model: d.Model, Profile: d.Profile, Serial: d.Serial, Gateway: d.Gateway, Notes: d.Notes,
		Simulated: d.Simulated}
}

func deviceInputOf(d devices.Device) DeviceInput {
	return DeviceInput{ID: d.ID, Kinds: d.Kinds, Model: d.Model, Profile: d.Profile, Serial: d.Serial, Gateway: d.Gateway, Notes: d.Notes,
		Simulated: d.Simulated}
}

func deviceOf(d devices.Device) Device {
	return Device{DeviceInput: deviceInputOf(d), State: d.State, Provisional: d.Provisional, Version: d.Version, Created: d.Created, Updated: d.Updated}
}

func placedOf(p devices.Placed) Device {
	d := deviceOf(p.Device)
	if p.Installation != nil {
		i := installationOf(*p.Installation)
		d.Installation = &i
	}
	if p.Site != nil {
		d.SiteName = p.Site.Name
		if p.Site.Position.Known() {
			at := positionOf(p.Site.Position)
			d.Position = &at
		}
	}
	return d
}

func installationOf(i devices.Installation) Installation {
	return Installation{ID: i.ID, Device: i.Device, Site: i.Site, From: i.From, To: moment(i.To), Redundant: i.Redundant,
		CadenceSeconds: seconds(i.Cadence), Provisional: i.Provisional, Version: i.Version}
}

func changeOf(c devices.Change) Change {
	return Change{Seq: c.Seq, At: c.At, Entity: c.Entity, ID: c.ID, Action: c.Action, Who: c.Who, Why: c.Why, Request: c.Request,
		Site: c.Site, Device: c.Device, Before: c.Before, After: c.After}
}

func silenceOf(d devices.DeviceSilence) DeviceSilence {
	return DeviceSilence{Device: d.Device, Site: d.Site, Locality: d.Locality, Gateway: d.Gateway, State: d.State, CadenceSeconds: seconds(d.Cadence),
		Cadences: cadencesOf(d.Cadences), LastReceived: moment(d.LastReceived), LastEvent: moment(d.LastEvent), LastContact: moment(d.LastContact),
		Online: d.Online, Faulty: d.Faulty, MissingSeconds: seconds(d.Missing), Incident: d.Incident}
}

func cadencesOf(all []devices.KindCadence) []KindCadence {
	out := make([]KindCadence, 0, len(all))
	for _, c := range all {
		out = append(out, KindCadence{Kind: c.Kind, Seconds: seconds(c.Every), Learned: c.Learned, Usual: c.Usual})
	}
	return out
}

// unitsOf are the questions about units.
func unitsOf(all []telemetry.UnitHint) (out []UnitHint) {
	for _, h := range all {
		out = append(out, UnitHint{Metric: h.Metric, Value: h.Value, TextVI: h.Vietnamese(), TextEN: h.English()})
	}
	return out
}

// payload splits bytes from anybody into what can be shown as text and what not.
func payload(b []byte) (text string, binary []byte) {
	const most = 1024
	cut := b[:min(len(b), most)]
	for end := len(cut); end > len(cut)-utf8.UTFMax && end > 0; end-- { // a character may be cut in two
		if utf8.Valid(cut[:end]) {
			return string(cut[:end]), nil
		}
	}
	return "", cut
}
