package limits

import (
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Gauge is a place whose levels are known from outside: what a new registry is
// given, and what a form can be filled with. Nothing of it holds by itself: what
// holds is in the registry.
type Gauge struct {
	// Site is the id of the place in a new registry; where Planted is not set, it is
	// only a name to ask for.
	Site           telemetry.Site
	NameVI, NameEN string
	// Planted is set for those whose site a new registry has.
	Planted bool
	// Levels are in metres above the gauge's own datum.
	Levels     []GaugeLevel
	RecordYear int
	Datum      string
	// Reference and ReferenceEN say where the levels are from.
	Reference, ReferenceEN string
}

// GaugeLevel is the value of a customary level.
type GaugeLevel struct {
	Code  string
	Value float64
	Basis Basis
}

// Where levels are from, in Vietnamese and in English.
const (
	fromVNDMS       = "Quyết định 05/2020/QĐ-TTg theo VNDMS; phụ lục chưa đối chiếu"
	fromVNDMSEN     = "Decision 05/2020/QĐ-TTg as VNDMS has it; its annex not checked"
	fromBulletins   = "Bản tin lũ tháng 11/2025 theo báo chí; Quyết định 05/2020/QĐ-TTg chưa đối chiếu"
	fromBulletinsEN = "flood bulletins of November 2025 in the press; Decision 05/2020/QĐ-TTg not checked"
	fromReservoir   = "Thông số hồ chứa, theo báo chí; quy trình vận hành chưa đối chiếu"
	fromReservoirEN = "data of the reservoir as the press has them; its operating rules not checked"
	stationDatum    = "của trạm / the station's own"
	reservoirDatum  = "của hồ / the reservoir's own"
)

// Gauges are the gauges of the area of which levels are known. The first three are
// as the national flood service (VNDMS) publishes them; the other rivers' are
// derived from bulletins of November 2025, and what stands between two of those is
// operational.
func Gauges() []Gauge {
	river := func(planted bool, site telemetry.Site, vi, en string, year int, levels ...GaugeLevel) Gauge {
		return Gauge{Site: site, NameVI: vi, NameEN: en, Planted: planted, RecordYear: year, Levels: levels, Datum: stationDatum,
			Reference: fromBulletins, ReferenceEN: fromBulletinsEN}
	}
	official := func(g Gauge) Gauge {
		g.Reference, g.ReferenceEN = fromVNDMS, fromVNDMSEN
		return g
	}
	return []Gauge{
		official(river(true, "dong-trang", "Đồng Trăng (sông Cái Nha Trang)", "Dong Trang (Cai Nha Trang River)", 2009,
			GaugeLevel{CodeBD1, 8.0, Law}, GaugeLevel{CodeBD2, 9.5, Law}, GaugeLevel{CodeBD3, 11.0, Law}, GaugeLevel{CodeRecord, 13.42, Law})),
		official(river(true, "trung-tam-ninh-hoa", "Ninh Hòa (sông Dinh)", "Ninh Hoa (Dinh River)", 1986,
			GaugeLevel{CodeBD1, 4.2, Law}, GaugeLevel{CodeBD2, 5.0, Law}, GaugeLevel{CodeBD3, 5.7, Law}, GaugeLevel{CodeRecord, 6.58, Law})),
		official(river(false, "tan-my", "Tân Mỹ (sông Cái Phan Rang)", "Tan My (Cai Phan Rang River)", 2003,
			GaugeLevel{CodeBD1, 35.5, Law}, GaugeLevel{CodeBD2, 36.5, Law}, GaugeLevel{CodeBD3, 37.5, Law}, GaugeLevel{CodeRecord, 41.21, Law})),
		river(true, "dien-phu", "Diên Phú (sông Cái Nha Trang)", "Dien Phu (Cai Nha Trang River)", 0,
			GaugeLevel{CodeBD1, 4.5, Secondary}, GaugeLevel{CodeBD2, 5.0, Operational}, GaugeLevel{CodeBD3, 5.5, Secondary}),
		river(true, "duc-my", "Dục Mỹ (sông Dinh)", "Duc My (Dinh River)", 0,
			GaugeLevel{CodeBD1, 15.5, Secondary}, GaugeLevel{CodeBD2, 16.5, Secondary}, GaugeLevel{CodeBD3, 17.5, Operational}),
		river(false, "phan-rang", "Phan Rang (sông Cái Phan Rang)", "Phan Rang (Cai Phan Rang River)", 0,
			GaugeLevel{CodeBD1, 2.5, Secondary}, GaugeLevel{CodeBD3, 4.5, Secondary}),
		{Site: "ho-suoi-dau", NameVI: "Hồ Suối Dầu", NameEN: "Suoi Dau Reservoir", Planted: true, Datum: reservoirDatum,
			Levels:    []GaugeLevel{{CodeNormal, 42.5, Secondary}, {CodeFlood, 43.47, Secondary}},
			Reference: fromReservoir, ReferenceEN: fromReservoirEN},
	}
}

// Own are the gauge's levels as limits of a site.
func (g Gauge) Own(site telemetry.Site) []Own {
	var out []Own
	for _, v := range g.Levels {
		l, _ := LevelOf(v.Code)
		year := 0
		if v.Code == CodeRecord {
			year = g.RecordYear
		}
		o := OfLevel(site, l, year)
		o.Value, o.Basis, o.Datum, o.Reference, o.ReferenceEN = v.Value, v.Basis, g.Datum, g.Reference, g.ReferenceEN
		o.PlaceVI, o.PlaceEN = g.NameVI, g.NameEN
		out = append(out, o)
	}
	return out
}

// Seed are the limits of the sites of a new registry; where no city is asked, they
// stand for its.
func Seed() []Own {
	var out []Own
	for _, g := range Gauges() {
		if g.Planted {
			out = append(out, g.Own(g.Site)...)
		}
	}
	return out
}
