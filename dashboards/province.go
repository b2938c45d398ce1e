package dashboards

import (
	"cmp"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Province is what the boards are made for. Without sites they show their ids.
type Province struct {
	Sites      []Site
	Localities []devices.Locality
	Wards      []devices.Ward
	// Own are the limits of single sites, as the registry keeps them, with the names
	// of the sites; nil is [limits.Seed], where no city is asked.
	Own []limits.Own
	// GoneLimits are those that were taken away: their alert rules are, too.
	GoneLimits []limits.Own
	// Alarms are what the alert rules are called, by their ids.
	Alarms map[string]Text
	// Now decides which limits are in force.
	Now time.Time
}

// Site is a site with the kinds that are measured there.
type Site struct {
	devices.Site
	Kinds []telemetry.Kind
	// Cadences are those of its devices that somebody has set or their readings tell.
	Cadences []Cadence
}

// Cadence is how often a device reports readings of a kind.
type Cadence struct {
	Device telemetry.Device
	Kind   telemetry.Kind
	Every  time.Duration
}

// cadence is how often the slowest of the site's devices reports readings of a kind; 0
// where nobody knows.
func (s Site) cadence(k telemetry.Kind) (slow time.Duration) {
	for _, c := range s.Cadences {
		if c.Kind == k {
			slow = max(slow, c.Every)
		}
	}
	return slow
}

// name is what people call the site.
func (s Site) name() Text {
	t := Text{s.Name, s.NameEN}
	if t.VI == "" {
		t.VI = string(s.ID)
	}
	if t.EN == "" {
		t.EN = t.VI
	}
	return t
}

// own are the limits of single sites that are in force.
func (p Province) own() (out []limits.Own) {
	all := p.Own
	if all == nil {
		all = limits.Seed()
	}
	for _, o := range all {
		if o.InForce(p.Now) {
			out = append(out, o)
		}
	}
	return out
}

// limits are those in force, for all sites or those of a use, that are about a
// metric, in the table's order.
func (p Province) limits(k telemetry.Kind, m telemetry.Metric) (out []limits.Limit) {
	for _, l := range limits.InForce(limits.General(), p.Now) {
		if l.Kind == k && l.Metric == m {
			out = append(out, l)
		}
	}
	return out
}

// tagged are the sites of a use, as their tags or their noise area say.
func (p Province) tagged(use string) (out []telemetry.Site) {
	for _, s := range p.Sites {
		if slices.Contains(s.Uses(), use) {
			out = append(out, s.ID)
		}
	}
	return out
}

// of are the sites at which a kind is measured, by name.
func (p Province) of(k telemetry.Kind) (out []Site) {
	for _, s := range p.Sites {
		if k == "" || slices.Contains(s.Kinds, k) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Site) int {
		return cmp.Or(cmp.Compare(a.Locality, b.Locality), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// locality is the variable that narrows to localities.
func (p Province) locality() Variable {
	v := Variable{Name: "locality", Label: Text{"Địa phương", "Locality"}, Filter: "locality", All: true}
	for _, l := range p.Localities {
		v.Choices = append(v.Choices, Choice{Text{l.NameVI, cmp.Or(l.NameEN, l.NameVI)}, string(l.ID)})
	}
	return v
}

// localityName is what people call a locality.
func (p Province) localityName(id telemetry.Locality) Text {
	for _, l := range p.Localities {
		if l.ID == id {
			return Text{l.NameVI, cmp.Or(l.NameEN, l.NameVI)}
		}
	}
	return same(string(id))
}
