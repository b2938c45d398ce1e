package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// field is what a column of a sheet holds.
type field string

// The fields, by the names that exports give their columns.
const (
	fieldDevice    field = "device_id"
	fieldKinds     field = "kinds"
	fieldModel     field = "model"
	fieldProfile   field = "profile"
	fieldSerial    field = "serial"
	fieldGateway   field = "gateway"
	fieldSimulated field = "simulated"
	fieldNotes     field = "device_notes"
	fieldSite      field = "site_id"
	fieldName      field = "site_name"
	fieldNameEN    field = "site_name_en"
	fieldLocality  field = "locality"
	fieldWard      field = "ward"
	fieldLat       field = "lat"
	fieldLon       field = "lon"
	fieldPosition  field = "position"
	fieldAccuracy  field = "accuracy"
	fieldOutside   field = "outside_reason"
	fieldHeight    field = "mount_height"
	fieldTags      field = "tags"
	fieldNoise     field = "noise_area"
	fieldSiteNotes field = "site_notes"
	fieldFrom      field = "from"
	fieldRedundant field = "redundant"
	fieldCadence   field = "cadence_seconds"
	fieldBD1       field = "bd1"
	fieldBD2       field = "bd2"
	fieldBD3       field = "bd3"
	fieldRecord    field = "record"
	fieldYear      field = "record_year"
	fieldNormal    field = "normal_level"
	fieldFlood     field = "flood_level"
	fieldDatum     field = "datum"
	fieldBasis     field = "levels_basis"
	fieldSource    field = "levels_source"
	fieldState     field = "state" // exported only
)

// headers are the names by which a column is known, in the form of
// [devices.SearchKey]: lower case, without diacritics.
func headers() map[string]field {
	names := map[field][]string{
		fieldDevice:    {"device id", "device", "id thiet bi", "ma thiet bi", "thiet bi", "deveui", "dev eui"},
		fieldKinds:     {"kinds", "kind", "loai do", "loai", "cac loai do", "loai cam bien"},
		fieldModel:     {"model", "dong may", "kieu may", "ma may"},
		fieldProfile:   {"profile", "mau thiet bi", "ho so"},
		fieldSerial:    {"serial", "serial number", "so seri", "so se ri", "so serial", "s n"},
		fieldGateway:   {"gateway", "cong", "tram thu", "tram gateway"},
		fieldSimulated: {"simulated", "gia lap", "mo phong"},
		fieldNotes:     {"device notes", "notes", "note", "ghi chu", "ghi chu thiet bi"},
		fieldSite:      {"site id", "site", "ma diem", "ma diem do", "id diem", "ma vi tri"},
		fieldName:      {"site name", "name", "ten", "ten diem", "ten diem do", "diem do", "vi tri", "ten vi tri"},
		fieldNameEN:    {"site name en", "name en", "ten tieng anh", "english name"},
		fieldLocality:  {"locality", "dia phuong", "khu vuc"},
		fieldWard:      {"ward", "ward code", "ma phuong", "phuong", "phuong xa", "ma phuong xa", "xa", "ma xa", "xa phuong"},
		fieldLat:       {"lat", "latitude", "vi do"},
		fieldLon:       {"lon", "lng", "long", "longitude", "kinh do"},
		fieldPosition:  {"position", "coordinates", "toa do", "lat lon", "vi do kinh do"},
		fieldAccuracy:  {"accuracy", "accuracy m", "do chinh xac", "sai so", "do chinh xac m", "sai so m"},
		fieldOutside:   {"outside reason", "ly do ngoai tinh", "ly do"},
		fieldHeight:    {"mount height", "height", "do cao", "chieu cao", "do cao lap", "do cao lap dat", "do cao m", "chieu cao m", "mount height m"},
		fieldTags:      {"tags", "tag", "nhan", "the"},
		fieldNoise:     {"noise area", "khu vuc tieng on", "loai khu vuc"},
		fieldSiteNotes: {"site notes", "ghi chu diem", "ghi chu diem do"},
		fieldFrom:      {"from", "since", "installed", "tu", "tu ngay", "ngay lap", "ngay lap dat", "lap tu ngay"},
		fieldRedundant: {"redundant", "du phong"},
		fieldCadence:   {"cadence seconds", "cadence", "chu ky", "chu ky giay", "chu ky s"},
		fieldBD1:       {"bd1", "bd 1", "bd i", "bao dong 1", "bao dong i", "bao dong cap 1", "muc bao dong 1", "flood alarm 1", "flood alarm i", "alarm 1"},
		fieldBD2:       {"bd2", "bd 2", "bd ii", "bao dong 2", "bao dong ii", "bao dong cap 2", "muc bao dong 2", "flood alarm 2", "flood alarm ii", "alarm 2"},
		fieldBD3:       {"bd3", "bd 3", "bd iii", "bao dong 3", "bao dong iii", "bao dong cap 3", "muc bao dong 3", "flood alarm 3", "flood alarm iii", "alarm 3"},
		fieldRecord:    {"record", "record level", "lu lich su", "dinh lu lich su", "muc nuoc lich su"},
		fieldYear:      {"record year", "nam lu lich su", "nam lich su", "year of record"},
		fieldNormal:    {"normal level", "muc nuoc dang binh thuong", "mndbt"},
		fieldFlood:     {"flood level", "muc nuoc lu", "muc nuoc lu thiet ke"},
		fieldDatum:     {"datum", "cao do goc", "he cao do", "moc cao do"},
		fieldBasis:     {"levels basis", "can cu muc bao dong", "can cu nguong"},
		fieldSource:    {"levels source", "nguon muc bao dong", "nguon nguong"},
		fieldState:     {"state", "trang thai", "tinh trang"},
	}
	out := map[string]field{}
	for f, keys := range names {
		for _, k := range keys {
			out[k] = f
		}
	}
	return out
}

// exported are the columns of an export, in order.
func exported() []field {
	return []field{fieldDevice, fieldKinds, fieldModel, fieldProfile, fieldSerial, fieldGateway, fieldSimulated, fieldNotes,
		fieldSite, fieldName, fieldNameEN, fieldLocality, fieldWard, fieldLat, fieldLon, fieldAccuracy, fieldOutside, fieldHeight,
		fieldTags, fieldNoise, fieldSiteNotes, fieldFrom, fieldRedundant, fieldCadence,
		fieldBD1, fieldBD2, fieldBD3, fieldRecord, fieldYear, fieldNormal, fieldFlood, fieldDatum, fieldBasis, fieldSource, fieldState}
}

// levelFields are the columns of a gauge's levels, by the levels' codes.
func levelFields() map[string]field {
	return map[string]field{limits.CodeBD1: fieldBD1, limits.CodeBD2: fieldBD2, limits.CodeBD3: fieldBD3, limits.CodeRecord: fieldRecord,
		limits.CodeNormal: fieldNormal, limits.CodeFlood: fieldFlood}
}

// layout is where the fields are in a sheet.
type layout struct {
	columns []Column
	at      map[field]int
}

// layoutOf understands a header. Two columns of one meaning are an error that names
// both: which of them holds cannot be known.
func layoutOf(header []string) (layout, error) {
	l := layout{at: map[field]int{}}
	known := headers()
	if slices.ContainsFunc(header, func(h string) bool { return !isPlainName(h) && known[devices.SearchKey(h)] == fieldName }) {
		// Beside "Tên điểm" the column "Tên" is the device's, of which only the id counts.
		maps.DeleteFunc(known, func(key string, _ field) bool { return isPlainName(key) })
	}
	for i, h := range header {
		h = clip(strings.TrimSpace(h), 100)
		c := Column{Header: h}
		key := devices.SearchKey(h)
		f, ok := known[key]
		if !ok { // "Vĩ độ (độ)", "Height [m]"
			f, ok = known[devices.SearchKey(strings.SplitN(strings.SplitN(h, "(", 2)[0], "[", 2)[0])]
		}
		if first, twice := l.at[f]; ok && twice {
			return l, invalidField("file", "ambiguous_columns",
				fmt.Sprintf("Cột %q và cột %q đều là %s; hãy đổi tên hoặc bỏ một cột.", l.columns[first].Header, h, f),
				fmt.Sprintf("Columns %q and %q are both %s; rename or remove one.", l.columns[first].Header, h, f))
		} else if ok {
			c.Field = string(f)
			l.at[f] = i
		}
		l.columns = append(l.columns, c)
	}
	return l, nil
}

// isPlainName is whether a header says name, and not whose.
func isPlainName(header string) bool {
	key := devices.SearchKey(header)
	return key == "ten" || key == "name"
}

// header is how the file names the column of a field; the field's own name where
// it has none.
func (l layout) header(f field) string {
	if i, ok := l.at[f]; ok {
		return l.columns[i].Header
	}
	return string(f)
}

// get is a row's text of a field.
func (l layout) get(r row, f field) string {
	i, ok := l.at[f]
	if !ok || i >= len(r.cells) {
		return ""
	}
	return strings.TrimSpace(plain(strings.TrimSpace(r.cells[i])))
}

// columnOfError is the field of a sheet that an error of devices is about.
func columnOfError(name string, l layout) field {
	inDevice := strings.HasPrefix(name, "device.")
	switch name = strings.TrimPrefix(strings.TrimPrefix(name, "device."), "site."); name {
	case "id", "device":
		if inDevice || name == "device" {
			return fieldDevice
		}
		return fieldSite
	case "position", "position.lat", "position.lon":
		if _, ok := l.at[fieldPosition]; ok {
			return fieldPosition
		}
		return fieldLat
	case "position.accuracy":
		return fieldAccuracy
	case "position.outsideReason":
		return fieldOutside
	case "name":
		return fieldName
	case "nameEn":
		return fieldNameEN
	case "mountHeight":
		return fieldHeight
	case "noiseArea":
		return fieldNoise
	case "recordYear":
		return fieldYear
	case "normal":
		return fieldNormal
	case "flood":
		return fieldFlood
	case "basis":
		return fieldBasis
	case "reference":
		return fieldSource
	case "cadence":
		return fieldCadence
	case "site":
		return fieldSite
	case "notes":
		if inDevice {
			return fieldNotes
		}
		return fieldSiteNotes
	}
	return field(name)
}
