package api_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/haidang-iot/haidang/devices/api"
)

// furnished is a town with devices and sites that have all kinds of fields.
func furnished(t *testing.T) *town {
	c := newTown(t)
	r := registration("r1", "full", "full-site", "noise", "weather")
	r["device"] = merge(r["device"].(object), object{"model": "-2+3", "serial": "'x", "gateway": "gw 1", "notes": "=A1\ndòng hai; \"ba\"", "simulated": true})
	r["site"] = merge(r["site"].(object), object{"name": "@SUM(1)", "name_en": "Ferry", "mount_height": 3.25, "tags": []string{"watershed", "b-2"}, "noise_area": "special",
		"notes": "ghi chú, điểm", "position": object{"lat": 12.206812345678901, "lon": 109.19671, "accuracy": 4.5}})
	r["redundant"], r["cadence_seconds"] = true, 90.5
	c.do("POST", "/registrations", r).want(200)
	c.do("POST", "/registrations", registration("r2", "plain", "plain-site", "air_quality")).want(200)
	c.do("POST", "/devices", object{"id": "idle", "kinds": []string{"energy"}}).want(201)
	c.do("POST", "/devices", object{"id": "gone", "kinds": []string{"waste"}}).want(201)
	c.do("POST", "/devices/gone/retire", object{}, "If-Match", "*").want(200)
	far := registration("r3", "far", "far-site", "parking")
	far["site"] = merge(far["site"].(object), object{"position": object{"lat": 8.64, "lon": 111.92, "outside_reason": "đảo xa"}})
	c.do("POST", "/registrations", far).want(200)
	return c
}

// journal is how many changes there are.
func (c *town) journal() string {
	c.t.Helper()
	return string(c.do("GET", "/changes?limit=200", nil).want(200).body)
}

// What is exported and imported again changes nothing, in either format.
func TestImportRoundTrip(t *testing.T) {
	for _, query := range []string{"?format=csv", "?format=xlsx", "?format=csv&what=sites", "?format=xlsx&what=sites"} {
		c := furnished(t)
		file, before := c.do("GET", "/export"+query, nil).want(200).body, c.journal()
		r := into[api.ImportResult](c.do("POST", "/import?results=all", file).want(200))
		if r.Failed != 0 || r.Imported != 0 || r.Unchanged != r.Rows || r.Rows < 3 || r.Committed {
			t.Errorf("%s: %+v", query, r)
		}
		for _, row := range r.Results {
			if row.Status != api.RowUnchanged {
				t.Errorf("%s: %+v", query, row)
			}
		}
		if after := c.journal(); after != before {
			t.Errorf("%s: the journal has more than before", query)
		}
	}
}

// edited is an export with some cells changed: by row (the device's id) and column.
func edited(t *testing.T, export []byte, cells map[[2]string]string) []byte {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(export, []byte("\ufeff")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for at, text := range cells {
		done := false
		for _, row := range rows[1:] {
			for i, head := range rows[0] {
				if row[0] == at[0] && head == at[1] {
					row[i], done = text, true
				}
			}
		}
		if !done {
			t.Fatalf("no cell %v", at)
		}
	}
	var b bytes.Buffer
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An edited export changes exactly what was edited.
func TestImportEdited(t *testing.T) {
	c := furnished(t)
	export := c.do("GET", "/export", nil).want(200).body
	file := edited(t, export, map[[2]string]string{{"full", "device_notes"}: "mới", {"full", "mount_height"}: "4", {"full", "noise_area"}: "", {"full", "cadence_seconds"}: "120",
		{"plain", "site_name"}: "Tên mới", {"plain", "from"}: "2026-11-01 00:00"})
	before := map[string]api.Device{}
	for _, d := range into[api.DevicePage](c.do("GET", "/devices", nil).want(200)).Devices {
		before[string(d.ID)] = d
	}
	r := into[api.ImportResult](c.do("POST", "/import", file).want(200))
	if !r.Committed || r.Imported != 2 || r.Updated != 2 || r.Unchanged != r.Rows-2 {
		t.Fatalf("%+v", r)
	}
	d, s := into[api.Device](c.do("GET", "/devices/full", nil).want(200)), into[api.Site](c.do("GET", "/sites/full-site", nil).want(200))
	if d.Notes != "mới" || d.Model != "-2+3" || d.Installation.CadenceSeconds != 120 || !d.Installation.Redundant || s.MountHeight != 4 || s.NoiseArea != "" || s.Name != "@SUM(1)" {
		t.Errorf("device %+v\nsite %+v", d, s)
	}
	if d.Version != before["full"].Version+1 {
		t.Errorf("version %d after %d", d.Version, before["full"].Version)
	}
	d = into[api.Device](c.do("GET", "/devices/plain", nil).want(200))
	if d.Version != before["plain"].Version || d.SiteName != "Tên mới" || d.Installation.From.UTC().Format("2006-01-02T15") != "2026-10-31T17" {
		t.Errorf("device %+v, installation %+v", d, d.Installation)
	}
	r = into[api.ImportResult](c.do("POST", "/import", file).want(200))
	if r.Unchanged != r.Rows {
		t.Errorf("again: %+v", r)
	}
}

// A device that was taken away is put back; one that stands elsewhere or is
// retired is told, with what to do.
func TestImportAfterRemoval(t *testing.T) {
	c := furnished(t)
	export := c.do("GET", "/export?locality=nha-trang", nil).want(200).body
	c.do("POST", "/devices/plain/remove", object{}, "If-Match", "*").want(200)
	r := into[api.ImportResult](c.do("POST", "/import?results=all", export).want(200))
	if !r.Committed || r.Updated != 1 || r.Failed != 0 {
		t.Fatalf("removed: %+v", r)
	}
	if d := into[api.Device](c.do("GET", "/devices/plain", nil).want(200)); d.Installation == nil || d.Installation.Site != "plain-site" || d.State != "active" {
		t.Errorf("put back: %+v", d)
	}
	c.do("POST", "/devices/plain/retire", object{}, "If-Match", "*").want(200)
	r = into[api.ImportResult](c.do("POST", "/import", export).want(200))
	if r.Committed || r.Failed != 1 || r.Results[0].Errors[0].Code != "retired" || !strings.Contains(r.Results[0].Errors[0].EN, "Take it into use again") {
		t.Errorf("retired: %+v", r)
	}
	r = into[api.ImportResult](c.do("POST", "/import", edited(t, export, map[[2]string]string{{"full", "site_id"}: "plain-site"})).want(200))
	if r.Failed == 0 || r.Results[0].Errors[0].Code != "already_registered" {
		t.Errorf("elsewhere: %+v", r)
	}
}

// Headers that say whose name they are go before those that do not; two of one
// meaning are an error that names both.
func TestImportHeaders(t *testing.T) {
	c := newTown(t)
	file := "Mã thiết bị;Tên;Loại đo;Tên điểm;Địa phương;Phường;Vĩ độ;Kinh độ\naq-1;Máy đo số 1;noise;Bến Đò;Nha Trang;22366;12,2068;109,2150\n"
	r := into[api.ImportResult](c.do("POST", "/import", []byte(file)).want(200))
	if s := into[api.Site](c.do("GET", "/sites/ben-do", nil).want(200)); !r.Committed || s.Name != "Bến Đò" || r.Columns[1].Field != "" {
		t.Errorf("site %+v, %+v", s, r)
	}
	alone := "Mã thiết bị;Tên;Loại đo;Phường;Vĩ độ;Kinh độ\naq-2;Chợ Đầm;noise;22366;12,2550;109,1920\n"
	if r := into[api.ImportResult](c.do("POST", "/import", []byte(alone)).want(200)); !r.Committed || r.Columns[1].Field != "site_name" {
		t.Errorf("name alone: %+v", r)
	}
	for _, head := range []string{"device_id,Tên điểm,site_name", "device_id,Ghi chú,device_notes", "device_id,Phường,ward"} {
		a := c.do("POST", "/import", []byte(head+"\nx,y,z\n"))
		a.fault(422, "ambiguous_columns", "file")
		for _, name := range strings.Split(head, ",")[1:] {
			if !strings.Contains(string(a.body), name) {
				t.Errorf("%s: %s", head, a.body)
			}
		}
	}
}

// A ward is found by its names as by its code, and without any by the position.
func TestImportWards(t *testing.T) {
	for _, ward := range []string{"22366", "Nha Trang", "Phường Nha Trang", "P. Nha Trang", "p.nha trang", "phuong nha trang", "Nha Trang ward", "NHA TRANG WARD", ""} {
		c := newTown(t)
		r := into[api.ImportResult](c.do("POST", "/import", []byte("device_id,kinds,site_name,locality,ward,lat,lon\nw-1,noise,Điểm,,"+ward+",12.2389,109.1967\n")).want(200))
		if !r.Committed {
			t.Errorf("%q: %+v", ward, r)
			continue
		}
		s := into[api.Site](c.do("GET", "/sites/diem", nil).want(200))
		if s.Locality != "nha-trang" || ward != "" && s.Ward != "22366" || s.Ward == "" {
			t.Errorf("%q: %+v", ward, s)
		}
	}
	c := newTown(t)
	r := into[api.ImportResult](c.do("POST", "/import", []byte("device_id,kinds,lat,lon\nw-1,noise,12.2389,109.1967\n")).want(200))
	if r.Failed != 1 || r.Results[0].Errors[0].Column != "site_name" || !strings.Contains(r.Results[0].Errors[0].EN, "position but no site") {
		t.Errorf("a position without a site: %+v", r)
	}
}

// A spreadsheet program's own file goes the same way.
func TestImportAgainXLSX(t *testing.T) {
	c := newTown(t)
	f := excelize.NewFile()
	for i, row := range [][]any{{"Mã thiết bị", "Loại đo", "Tên điểm", "Vĩ độ", "Kinh độ"}, {"x-1", "noise", "Hòn Chồng", 12.2729, 109.2058}} {
		if err := f.SetSheetRow("Sheet1", []string{"A1", "A2"}[i], &row); err != nil {
			t.Fatal(err)
		}
	}
	b, err := f.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []api.ImportResult{{Imported: 1}, {Unchanged: 1}} {
		if r := into[api.ImportResult](c.do("POST", "/import", b.Bytes()).want(200)); r.Imported != want.Imported || r.Unchanged != want.Unchanged || r.Failed != 0 {
			t.Errorf("time %d: %+v", n+1, r)
		}
	}
}
