package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

type exportQuery struct {
	Format string `query:"format" enum:"csv,xlsx,geojson" default:"csv"`
	What   string `query:"what" enum:"devices,sites" default:"devices" doc:"devices: each device with the site where it stands. sites: each site, for csv and xlsx. GeoJSON has sites"`
	DeviceFilter
}

func (a *API) export(ctx context.Context, q *exportQuery) (*file, error) {
	f, err := q.filter()
	if err != nil {
		return nil, err
	}
	end, err := a.writing.begin(ctx) // 100,000 devices take some hundred megabytes
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	defer end()
	name := "haidang-" + q.What + "-" + a.Now().UTC().Format("2006-01-02")
	sites := devices.SiteFilter{Locality: f.Locality, Ward: f.Ward, State: f.State, Query: f.Query, Box: f.Box}
	var body []byte
	var mime string
	switch q.Format {
	case "geojson":
		mime = "application/geo+json"
		body, err = a.exportGeoJSON(ctx, sites, q)
	default:
		var rows [][]cell
		if q.What == "sites" {
			rows, err = a.siteRows(ctx, sites, q)
		} else {
			rows, err = a.deviceRows(ctx, f)
		}
		if err != nil {
			break
		}
		if q.Format == "xlsx" {
			mime = xlsxType
			body, err = writeXLSX(rows)
		} else {
			mime = "text/csv; charset=utf-8"
			body, err = writeCSV(rows)
		}
	}
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return fileOf(mime, `attachment; filename="`+name+"."+q.Format+`"`, "no-store", body), nil
}

func (a *API) exportGeoJSON(ctx context.Context, f devices.SiteFilter, q *exportQuery) ([]byte, error) {
	c := FeatureCollection{Type: "FeatureCollection", Features: []Feature{}}
	err := a.eachSite(ctx, f, func(s devices.Site) bool {
		if s.Position.Known() {
			c.Features = append(c.Features, a.feature(s))
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// writeCSV begins with a byte order mark, without which spreadsheets take UTF-8
// for something else.
func writeCSV(rows [][]cell) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	line := make([]string, 0, len(exported()))
	for _, r := range rows {
		line = line[:0]
		for _, c := range r {
			line = append(line, c.String())
		}
		if err := w.Write(line); err != nil {
			return nil, fmt.Errorf("write csv: %w", err)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// headerRow names the columns.
func headerRow() []cell {
	var out []cell
	for _, f := range exported() {
		out = append(out, textCell(f))
	}
	return out
}

func (a *API) deviceRows(ctx context.Context, f devices.DeviceFilter) ([][]cell, error) {
	levels, err := a.levels(ctx)
	if err != nil {
		return nil, err
	}
	rows := [][]cell{headerRow()}
	f.Limit = devices.MaxPage
	for {
		page, _, err := a.Registry.Devices(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			rows = append(rows, rowOf(&p.Device, p.Site, p.Installation, levels))
		}
		if len(page) < devices.MaxPage {
			return rows, nil
		}
		f.After = string(page[len(page)-1].Device.ID)
	}
}

func (a *API) siteRows(ctx context.Context, f devices.SiteFilter, q *exportQuery) ([][]cell, error) {
	levels, err := a.levels(ctx)
	if err != nil {
		return nil, err
	}
	rows := [][]cell{headerRow()}
	err = a.eachSite(ctx, f, func(s devices.Site) bool {
		rows = append(rows, rowOf(nil, &s, nil, levels))
		return true
	})
	return rows, err
}

// levels are the gauges' levels that are in force, by site. Those for one device of
// a site have no columns.
func (a *API) levels(ctx context.Context) (map[telemetry.Site][]devices.Limit, error) {
	all, err := a.Registry.Limits(ctx, devices.LimitFilter{Kind: telemetry.WaterLevel, At: a.Now()})
	out := map[telemetry.Site][]devices.Limit{}
	for _, l := range all {
		if _, ok := limits.LevelOf(l.Code); ok && l.Device == "" {
			out[l.Site] = append(out[l.Site], l)
		}
	}
	return out, err
}

// levelCells are a gauge's levels. Basis and source are told where they are the same
// of all: an import says them of all levels that it names.
func levelCells(v map[field]cell, all []devices.Limit) {
	for n, l := range all {
		v[levelFields()[l.Code]] = numberCell(l.Value)
		if l.Year != 0 {
			v[fieldYear] = number(float64(l.Year))
		}
		if l.Datum != "" {
			v[fieldDatum] = textCell(l.Datum)
		}
		if n == 0 {
			v[fieldBasis], v[fieldSource] = textCell(l.Basis.String()), textCell(l.Reference)
		}
		if l.Basis != all[0].Basis || l.Reference != all[0].Reference || l.ReferenceEN != all[0].ReferenceEN {
			v[fieldBasis], v[fieldSource] = cell{}, cell{}
		}
	}
}

// rowOf is a row of an export; what is nil leaves its columns empty.
func rowOf(d *devices.Device, s *devices.Site, i *devices.Installation, levels map[telemetry.Site][]devices.Limit) []cell {
	v := map[field]cell{}
	if d != nil {
		v[fieldDevice], v[fieldModel], v[fieldProfile], v[fieldSerial] = textCell(d.ID), textCell(d.Model), textCell(d.Profile), textCell(d.Serial)
		v[fieldGateway], v[fieldNotes], v[fieldState] = textCell(d.Gateway), textCell(d.Notes), textCell(d.State)
		v[fieldSimulated] = yes(d.Simulated)
		var kinds []string
		for _, k := range d.Kinds {
			kinds = append(kinds, string(k))
		}
		v[fieldKinds] = textCell(strings.Join(kinds, ", "))
	}
	if s != nil {
		siteCells(v, s)
		levelCells(v, levels[s.ID])
		if d == nil {
			v[fieldState] = textCell(s.State)
		}
	}
	if i != nil {
		v[fieldFrom], v[fieldRedundant] = textCell(i.From.UTC().Format(time.RFC3339)), yes(i.Redundant)
		v[fieldCadence] = number(i.Cadence.Seconds())
	}
	out := make([]cell, 0, len(exported()))
	for _, f := range exported() {
		out = append(out, v[f])
	}
	return out
}

func siteCells(v map[field]cell, s *devices.Site) {
	v[fieldSite], v[fieldName], v[fieldNameEN], v[fieldLocality] = textCell(s.ID), textCell(s.Name), textCell(s.NameEN), textCell(s.Locality)
	v[fieldWard], v[fieldTags], v[fieldNoise], v[fieldSiteNotes] = textCell(s.Ward), textCell(strings.Join(s.Tags, ", ")), textCell(s.NoiseArea), textCell(s.Notes)
	v[fieldOutside], v[fieldAccuracy], v[fieldHeight] = textCell(s.Position.OutsideReason), number(s.Position.Accuracy), number(s.MountHeight)
	if s.Position.Known() {
		v[fieldLat], v[fieldLon] = numberCell(s.Position.Lat), numberCell(s.Position.Lon)
	}
}

// number is empty for 0, which means not known.
func number(v float64) cell {
	if v == 0 {
		return cell{}
	}
	return numberCell(v)
}

// yes is empty for no.
func yes(b bool) cell {
	if b {
		return cell{text: "yes"}
	}
	return cell{}
}
