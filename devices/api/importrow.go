package api

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// entry is a row as it was understood.
type entry struct {
	device  devices.Device
	site    devices.Site
	from    time.Time
	backup  bool // declared redundant
	cadence time.Duration
	levels  devices.Levels
	faults  []RowFault
}

// rowReader understands rows of one sheet.
type rowReader struct {
	layout     layout
	kinds      map[string]telemetry.Kind     // by search key of id and names
	localities map[string]telemetry.Locality // likewise
	wards      map[string][]devices.Ward     // likewise, and by code
	members    map[telemetry.Locality]map[string]bool
	order      []telemetry.Locality // all of members
	placing    []devices.Ward       // those in force
	fallback   telemetry.Locality
	province   devices.Box
	fixSwapped bool
	date1904   bool // see sheet
}

// read understands a row. What it cannot read is in the faults; the rules are for
// the registry.
func (p *rowReader) read(r row) entry {
	var e entry
	get := func(f field) string { return p.layout.get(r, f) }
	e.device = devices.Device{ID: telemetry.Device(get(fieldDevice)), Model: get(fieldModel), Profile: get(fieldProfile), Serial: get(fieldSerial),
		Gateway: get(fieldGateway), Notes: get(fieldNotes), Simulated: p.flag(&e, fieldSimulated, get(fieldSimulated))}
	e.device.Kinds = p.readKinds(&e, get(fieldKinds))
	e.site = devices.Site{ID: telemetry.Site(get(fieldSite)), Name: get(fieldName), NameEN: get(fieldNameEN), Notes: get(fieldSiteNotes),
		NoiseArea: devices.NoiseArea(strings.ToLower(get(fieldNoise))), Tags: list(get(fieldTags))}
	e.site.Locality = p.readLocality(get(fieldLocality))
	e.site.Ward = p.readWard(&e, get(fieldWard), e.site.Locality)
	e.site.MountHeight = p.number(&e, fieldHeight, get(fieldHeight))
	p.readPosition(&e, get)
	if e.site.ID == "" && e.site.Name != "" {
		named(&e.site)
	}
	e.from = p.readTime(&e, get(fieldFrom))
	e.backup = p.flag(&e, fieldRedundant, get(fieldRedundant))
	p.readLevels(&e, get)
	e.cadence = duration(p.number(&e, fieldCadence, get(fieldCadence)))
	if e.device.ID != "" && e.site.ID == "" && e.site.Position.Known() {
		p.fault(&e, fieldName, "required", "Có tọa độ nhưng không có điểm đo; hãy ghi tên điểm hoặc mã điểm.",
			"The row has a position but no site; give the site's name or id.", "")
	}
	if e.device.ID == "" && e.site.ID == "" {
		p.fault(&e, fieldDevice, "required", "Dòng này không có mã thiết bị lẫn điểm đo.", "The row names neither a device nor a site.", "")
	}
	return e
}

func (p *rowReader) fault(e *entry, f field, code, vi, en, suggestion string) {
	e.faults = append(e.faults, RowFault{Column: p.layout.header(f), Code: code, VI: vi, EN: en, Suggestion: suggestion})
}

// number reads a number with a decimal point or comma; 0 for nothing.
func (p *rowReader) number(e *entry, f field, s string) float64 {
	if s == "" {
		return 0
	}
	v, ok := parseNumber(s)
	if !ok {
		p.fault(e, f, "bad_number", "Không đọc được số "+strconv.Quote(clip(s, 40))+".", "The number "+strconv.Quote(clip(s, 40))+" cannot be read.", "")
	}
	return v
}

// parseNumber reads 12.5, 12,5, 1.234,5 and 1,234.5: the last sign is the decimal
// one. Spaces and units behind are not numbers.
func parseNumber(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	point, comma := strings.LastIndexByte(s, '.'), strings.LastIndexByte(s, ',')
	switch {
	case point >= 0 && comma > point:
		s = strings.ReplaceAll(strings.ReplaceAll(s, ".", ""), ",", ".")
	case comma >= 0 && point > comma:
		s = strings.ReplaceAll(s, ",", "")
	default:
		s = strings.Replace(s, ",", ".", 1)
	}
	// What strconv takes besides: hexadecimal, underscores, Inf, NaN.
	if len(s) > 40 || strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// flag reads a yes or no.
func (p *rowReader) flag(e *entry, f field, s string) bool {
	switch devices.SearchKey(s) {
	case "", "0", "no", "false", "khong", "n":
		return false
	case "1", "yes", "true", "co", "x", "y":
		return true
	}
	p.fault(e, f, "bad_value", "Chỉ ghi có hoặc không.", "Say yes or no.", "")
	return false
}

// list is the parts of a cell.
func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(",;|+/", r) })
}

// readKinds reads kinds by their ids or their names in either language.
func (p *rowReader) readKinds(e *entry, s string) (out []telemetry.Kind) {
	for _, part := range list(s) {
		key := devices.SearchKey(part)
		if key == "" {
			continue
		}
		k, ok := p.kinds[key]
		if !ok {
			p.fault(e, fieldKinds, string(devices.ReasonUnknownKind), "Không có loại đo "+strconv.Quote(clip(part, 40))+".",
				"There is no kind "+strconv.Quote(clip(part, 40))+".", "")
			continue
		}
		out = append(out, k)
	}
	return out
}

// readLevels reads a gauge's levels; an empty cell says nothing of its level.
func (p *rowReader) readLevels(e *entry, get func(field) string) {
	g := &e.levels
	g.Site, g.Values = e.site.ID, map[string]float64{}
	for _, l := range limits.Levels() {
		if f := levelFields()[l.Code]; get(f) != "" {
			g.Values[l.Code] = p.number(e, f, get(f))
		}
	}
	g.RecordYear = int(p.number(e, fieldYear, get(fieldYear)))
	if s := get(fieldDatum); s != "" {
		g.Datum = &s
	}
	if s := get(fieldSource); s != "" {
		g.Reference = &s
	}
	if s := get(fieldBasis); s != "" && g.Basis.UnmarshalText([]byte(basisWord(s))) != nil {
		p.fault(e, fieldBasis, "bad_value", "Chỉ ghi law (quy định), secondary (nguồn thứ cấp) hoặc operational (vận hành).", "Say law, secondary or operational.", "")
	}
	if len(g.Values) > 0 && g.Site == "" {
		p.fault(e, fieldSite, "required", "Mức báo động cần mã điểm đo.", "Levels need the site that they are of.", "")
	}
}

// basisWord is a basis as this interface names it.
func basisWord(s string) string {
	switch devices.SearchKey(s) {
	case "quy dinh", "quyet dinh", "phap quy":
		return limits.Law.String()
	case "thu cap", "nguon thu cap":
		return limits.Secondary.String()
	case "van hanh", "nguong van hanh":
		return limits.Operational.String()
	}
	return s
}

func (p *rowReader) readLocality(s string) telemetry.Locality {
	if s == "" {
		return p.fallback
	}
	if l, ok := p.localities[devices.SearchKey(s)]; ok {
		return l
	}
	return telemetry.Locality(s) // for the registry to refuse
}

// readWard takes a code, or a name if it is one ward's, in the locality before
// others.
func (p *rowReader) readWard(e *entry, s string, locality telemetry.Locality) string {
	if s == "" {
		return ""
	}
	key, form := wardKey(s)
	found := slices.Clone(p.wards[key])
	for _, better := range []func(devices.Ward) bool{
		func(w devices.Ward) bool { return form == "" || w.Form == form },
		func(w devices.Ward) bool { return p.members[locality][w.Code] },
	} {
		if len(found) > 1 {
			found = slices.DeleteFunc(found, func(w devices.Ward) bool { return !better(w) })
		}
	}
	if len(found) == 1 {
		return found[0].Code
	}
	p.fault(e, fieldWard, string(devices.ReasonUnknownWard), "Không có phường, xã "+strconv.Quote(clip(s, 40))+"; hãy ghi mã 5 chữ số.",
		"There is no ward "+strconv.Quote(clip(s, 40))+"; give its code of 5 digits.", "")
	return ""
}

// wardKey is a ward's name without what it is called in law, and what that is if
// it says it: "Phường Nha Trang", "P. Nha Trang", "Nha Trang ward".
func wardKey(s string) (key string, form devices.WardForm) {
	key = devices.SearchKey(s)
	forms := []struct {
		word string
		form devices.WardForm
	}{{"phuong", devices.Phuong}, {"p", devices.Phuong}, {"ward", devices.Phuong}, {"xa", devices.Xa}, {"x", devices.Xa}, {"commune", devices.Xa},
		{"dac khu", devices.DacKhu}, {"dk", devices.DacKhu}, {"special zone", devices.DacKhu}}
	for _, f := range forms {
		if rest, ok := strings.CutPrefix(key, f.word+" "); ok {
			return rest, f.form
		}
		if rest, ok := strings.CutSuffix(key, " "+f.word); ok && len(f.word) > 2 {
			return rest, f.form
		}
	}
	return key, ""
}

// readPosition takes two columns or one.
func (p *rowReader) readPosition(e *entry, get func(field) string) {
	at := devices.Position{Accuracy: p.number(e, fieldAccuracy, get(fieldAccuracy)), OutsideReason: get(fieldOutside)}
	lat, lon := get(fieldLat), get(fieldLon)
	switch one := get(fieldPosition); {
	case lat != "" || lon != "":
		at.Lat, at.Lon = p.number(e, fieldLat, lat), p.number(e, fieldLon, lon)
		for f, s := range map[field]string{fieldLat: lat, fieldLon: lon} {
			if s == "" {
				p.fault(e, f, "required", "Thiếu vĩ độ hoặc kinh độ.", "Latitude or longitude is missing.", "")
			}
		}
	case one != "":
		read, err := devices.ParsePosition(one)
		if err != nil {
			d := devices.Details(err)[0]
			p.fault(e, fieldPosition, string(d.Reason), d.VI, d.EN, "")
		}
		at.Lat, at.Lon = read.Lat, read.Lon
	}
	swapped := devices.Position{Lat: at.Lon, Lon: at.Lat}
	if p.fixSwapped && at.Known() && !p.province.Holds(at) && p.province.Holds(swapped) {
		at.Lat, at.Lon = swapped.Lat, swapped.Lon
	}
	e.site.Position = at
}

// readTime reads a day or moment as people and spreadsheets write it, in Vietnam.
func (p *rowReader) readTime(e *entry, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	if t, ok := parseDay(s); ok {
		return t
	}
	// A spreadsheet's own number of days, of a wall's clock.
	if v, ok := parseNumber(s); ok && v > 20000 && v < 80000 {
		if t, err := excelize.ExcelDateToTime(v, p.date1904); err == nil {
			t = t.Round(time.Second)
			return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, vietnam())
		}
	}
	p.fault(e, fieldFrom, "bad_time", "Không đọc được thời điểm; ví dụ đúng: 2026-07-01 hoặc 1/7/2026.", "The time cannot be read; for example 2026-07-01.", "")
	return time.Time{}
}

// vietnam is Asia/Ho_Chi_Minh, without summer time since 1975.
func vietnam() *time.Location { return time.FixedZone("", 7*60*60) }

// parseDay reads a day or moment as people write it, in Vietnam.
func parseDay(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339, "2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05", "2/1/2006", "2/1/2006 15:04",
		"2/1/2006 15:04:05", "2-1-2006", "2.1.2006"} {
		if t, err := time.ParseInLocation(form, s, vietnam()); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
