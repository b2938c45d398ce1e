package api

import (
	"context"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// out is an answer of JSON.
type out[T any] struct{ Body T }

// tagged is an answer with an ETag.
type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func (a *API) localities(ctx context.Context, _ *struct{}) (*out[Localities], error) {
	all, err := a.Registry.Localities(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	wards, err := a.Registry.Wards(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	now := a.Now()
	byCode := map[string]Ward{}
	for _, w := range wards {
		if w.InForce(now) {
			byCode[w.Code] = wardOf(w)
		}
	}
	body := Localities{Localities: make([]Locality, 0, len(all)), OtherWards: []Ward{}, Province: boxOf(a.Registry.Province)}
	taken := map[string]bool{}
	for _, l := range all {
		v := Locality{ID: l.ID, NameVI: l.NameVI, NameEN: l.NameEN, Box: boxOf(l.Box), ValidFrom: moment(l.ValidFrom), ValidTo: moment(l.ValidTo), Wards: []Ward{}}
		for _, m := range l.Wards {
			member := !now.Before(m.From) && (m.To.IsZero() || now.Before(m.To))
			if w, ok := byCode[m.Ward]; ok && member {
				v.Wards = append(v.Wards, w)
				taken[w.Code] = true
			}
		}
		body.Localities = append(body.Localities, v)
	}
	for _, w := range wards {
		if v, ok := byCode[w.Code]; ok && !taken[w.Code] {
			body.OtherWards = append(body.OtherWards, v)
		}
	}
	return &out[Localities]{body}, nil
}

// kindList is the catalogue.
type kindList struct {
	Kinds    []Kind `json:"kinds" doc:"What devices report, in order of presentation"`
	Computed []Kind `json:"computed" doc:"What Hải Đăng computes itself; no device may report it"`
}

func (a *API) kinds(context.Context, *struct{}) (*out[kindList], error) {
	catalogue := a.Registry.Catalogue
	body := kindList{Kinds: make([]Kind, 0, len(catalogue.Kinds())), Computed: make([]Kind, 0, len(catalogue.Computed()))}
	for _, k := range catalogue.Kinds() {
		body.Kinds = append(body.Kinds, kindOf(k, func(m telemetry.Metric) bool {
			return k.Kind != telemetry.Status && telemetry.OfDevice(m)
		}))
	}
	for _, k := range catalogue.Computed() {
		body.Computed = append(body.Computed, kindOf(k, func(telemetry.Metric) bool { return false }))
	}
	return &out[kindList]{body}, nil
}

// kindOf is a kind as we tell it; common says which metrics every device knows.
func kindOf(k telemetry.KindSpec, common func(telemetry.Metric) bool) Kind {
	v := Kind{Kind: k.Kind, NameVI: k.NameVI, NameEN: k.NameEN, CadenceSeconds: seconds(k.Cadence)}
	for _, m := range k.Metrics {
		v.Metrics = append(v.Metrics, Metric{Name: m.Name, NameVI: m.NameVI, NameEN: m.NameEN, Unit: m.Unit, Min: m.Min, Max: m.Max,
			Form: formOf(m.Form), Common: common(m.Name)})
	}
	return v
}

func formOf(f telemetry.Form) string {
	switch f {
	case telemetry.Amount:
		return "amount"
	case telemetry.Counter:
		return "counter"
	case telemetry.Flag:
		return "flag"
	default:
		return "gauge"
	}
}

// profileList are the device models.
type profileList struct {
	Profiles []Profile `json:"profiles"`
}

func (a *API) profiles(ctx context.Context, _ *struct{}) (*out[profileList], error) {
	all, err := a.Registry.Profiles(ctx)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body := profileList{Profiles: make([]Profile, 0, len(all))}
	for _, p := range all {
		body.Profiles = append(body.Profiles, Profile{ID: p.ID, NameVI: p.NameVI, NameEN: p.NameEN, Model: p.Model, Codec: p.Codec, Kinds: p.Kinds, Notes: p.Notes})
	}
	return &out[profileList]{body}, nil
}

type nearbyQuery struct {
	Lat    float64 `query:"lat" required:"true" minimum:"-180" maximum:"180"`
	Lon    float64 `query:"lon" required:"true" minimum:"-180" maximum:"180"`
	Radius float64 `query:"radius" minimum:"0" maximum:"50000" default:"500" doc:"Metres"`
	Limit  int     `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

func (a *API) nearby(ctx context.Context, q *nearbyQuery) (*out[NearbySites], error) {
	p := devices.Position{Lat: q.Lat, Lon: q.Lon}
	body := NearbySites{Sites: []NearbySite{}, Wards: []Ward{}, Inside: a.Registry.Province.Holds(p)}
	if swapped := (devices.Position{Lat: q.Lon, Lon: q.Lat}); !body.Inside && a.Registry.Province.Holds(swapped) {
		other := positionOf(swapped)
		body.Swapped = &other
	}
	found, err := a.Registry.NearbySites(ctx, p, q.Radius, q.Limit)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	for _, n := range found {
		s := siteOf(n.Site)
		a.board.furnish(&s)
		body.Sites = append(body.Sites, NearbySite{Site: s, Distance: n.Distance})
	}
	wards, err := a.Registry.SuggestWards(ctx, p)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	for _, w := range wards {
		body.Wards = append(body.Wards, wardOf(w))
	}
	return &out[NearbySites]{body}, nil
}
