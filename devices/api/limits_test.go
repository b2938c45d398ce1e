package api_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
)

func TestLimitsOfASite(t *testing.T) {
	c := newTown(t)
	made := into[api.Limit](c.do("POST", "/sites/vung-nuoi-cam-thinh/limits", json.RawMessage(`{"code":"low_oxygen","kind":"water_quality","metric":"dissolved_oxygen","statistic":"mean","window_seconds":3600,
		"value":4.5,"below":true,"name_vi":"Oxy thấp","severity":"danger","from":"2026-01-01T00:00:00+07:00","why":"người nuôi"}`)).want(201))
	if made.Unit != "mg/L" || made.Basis != "operational" || made.Rule != "site-low_oxygen-vung-nuoi-cam-thinh" || !made.InForce || made.Version != 1 || made.NameEN != "Oxy thấp" {
		t.Errorf("made: %+v", made)
	}
	path := "/limits/" + strconv.FormatInt(made.ID, 10)
	c.do("PUT", path, json.RawMessage(`{"kind":"water_quality","metric":"dissolved_oxygen","statistic":"mean","value":5,"below":true,"name_vi":"Oxy thấp"}`)).want(428)
	c.do("PUT", path, json.RawMessage(`{"kind":"water_quality","metric":"dissolved_oxygen","statistic":"mean","value":5,"below":true,"name_vi":"Oxy thấp"}`), "If-Match", `"7"`).want(412)
	p := into[api.Problem](c.do("PUT", path, json.RawMessage(`{"kind":"water_quality","metric":"dissolved_oxygen","statistic":"sum","value":5,"name_vi":"x","basis":"law"}`), "If-Match", `"1"`).want(422))
	if p.Errors[0].Field != "reference" || p.Errors[1].Field != "statistic" || !strings.Contains(p.Errors[1].EN, "last, mean, rise") {
		t.Errorf("faults: %+v", p.Errors)
	}
	changed := into[api.Limit](c.do("PUT", path, json.RawMessage(`{"kind":"water_quality","metric":"dissolved_oxygen","statistic":"mean","value":5,"below":true,"name_vi":"Oxy thấp"}`), "If-Match", `"1"`).want(200))
	if changed.Value != 5 || changed.Version != 2 || changed.Code != "low_oxygen" || changed.From != nil {
		t.Errorf("changed: %+v", changed)
	}
	c.do("DELETE", path, nil).want(428)
	c.do("DELETE", path+"?why=ao+c%E1%BA%A1n", nil, "If-Match", `"2"`).want(204)
	c.do("DELETE", path, nil, "If-Match", `"3"`).want(404)
	if l := into[api.Limits](c.do("GET", "/sites/vung-nuoi-cam-thinh/limits", nil).want(200)); len(l.Limits) != 0 {
		t.Errorf("removed, and there: %+v", l)
	}
	gone := into[api.LimitPage](c.do("GET", "/limits?removed=true&site=vung-nuoi-cam-thinh", nil).want(200))
	if gone.Total != 1 || gone.Limits[0].Removed == nil || gone.Limits[0].InForce {
		t.Errorf("gone: %+v", gone)
	}
	h := into[api.ChangePage](c.do("GET", "/sites/vung-nuoi-cam-thinh/changes", nil).want(200))
	if h.Changes[0].Entity != devices.EntityLimit || h.Changes[0].Action != devices.Deleted || h.Changes[0].Why != "ao cạn" || h.Changes[0].Who != "lan" ||
		!strings.Contains(string(h.Changes[0].Before), `"severity":"warning"`) {
		t.Errorf("journal: %+v, %s", h.Changes[0], h.Changes[0].Before)
	}
	c.do("GET", "/sites/nowhere/limits", nil).want(404)
	c.do("GET", "/limits?at=yesterday", nil).want(422)
	// Pages.
	n, cursor := 0, ""
	for {
		page := into[api.LimitPage](c.do("GET", "/limits?limit=5&cursor="+cursor, nil).want(200))
		n += len(page.Limits)
		if cursor = page.Next; cursor == "" {
			if n != page.Total || n < 10 {
				t.Errorf("%d on all pages, of %d", n, page.Total)
			}
			break
		}
	}
}

func TestLevelsOfAGauge(t *testing.T) {
	c := newTown(t)
	told := func(l api.Limits) string {
		var out []string
		for _, x := range l.Limits {
			out = append(out, x.Code+" "+strconv.FormatFloat(x.Value, 'f', -1, 64)+" "+x.Basis)
		}
		return strings.Join(out, ", ")
	}
	all := into[api.Limits](c.do("PUT", "/sites/vinh-phuong/levels", json.RawMessage(`{"like":"tan-my","bd1":35.4,"why":"cầu Tân Mỹ"}`)).want(200))
	if got := told(all); got != "bd1 35.4 law, bd2 36.5 law, bd3 37.5 law, record 41.21 law" || all.Limits[3].Year != 2003 || all.Limits[0].Reference == "" {
		t.Errorf("like Tân Mỹ: %s, %+v", got, all)
	}
	p := into[api.Problem](c.do("PUT", "/sites/vinh-phuong/levels", json.RawMessage(`{"bd2":38}`)).want(422))
	if len(p.Errors) != 1 || p.Errors[0].Field != "bd2" || p.Errors[0].Code != "level_order" {
		t.Errorf("faults: %+v", p.Errors)
	}
	p = into[api.Problem](c.do("PUT", "/sites/vinh-phuong/levels", json.RawMessage(`{"like":"tan-ma"}`)).want(422))
	if p.Errors[0].Field != "like" || !strings.Contains(p.Errors[0].EN, "phan-rang") {
		t.Errorf("faults: %+v", p.Errors)
	}
	c.do("PUT", "/sites/vinh-phuong/levels", json.RawMessage(`{"bd3":37.8,"from":"2027-01-01T00:00:00+07:00"}`)).want(200)
	at := func(day string) string {
		return told(api.Limits{Limits: into[api.LimitPage](c.do("GET", "/limits?site=vinh-phuong&at="+day, nil).want(200)).Limits})
	}
	if before, after := at("2026-12-31"), at("2027-01-01"); !strings.Contains(before, "bd3 37.5") || strings.Contains(before, "37.8") || !strings.Contains(after, "bd3 37.8") || strings.Contains(after, "37.5") {
		t.Errorf("before %s, after %s", before, after)
	}
	gauges := into[api.KnownGauges](c.do("GET", "/gauges", nil).want(200))
	if len(gauges.Gauges) != 7 || gauges.Gauges[2].ID != "tan-my" || gauges.Gauges[2].Limits[3].Value != 41.21 {
		t.Errorf("known: %+v", gauges)
	}
}

const gaugesFile = "Mã điểm;Tên điểm;Địa phương;Phường/Xã;Vĩ độ;Kinh độ;Báo động 1 (m);BĐ2;Báo động III;Lũ lịch sử;Năm lũ lịch sử;Cao độ gốc;Nguồn mức báo động;Căn cứ mức báo động\r\n" +
	"dong-trang;;;;;;8,1;;;;;;;\r\n" +
	"cau-moi;Cầu Mới;nha-trang;22366;12,2558;109,1930;1,5;2;2,5;3,21;2003;Hòn Dấu;Bản tin 11/2025;thứ cấp\r\n"

func TestImportOfLevels(t *testing.T) {
	c := newTown(t)
	r := into[api.ImportResult](c.do("POST", "/import?results=all", []byte(gaugesFile)).want(200))
	if !r.Committed || r.Failed != 0 {
		t.Fatalf("result: %+v", r)
	}
	for _, column := range r.Columns {
		if column.Field == "" {
			t.Errorf("column %q is not known", column.Header)
		}
	}
	l := into[api.Limits](c.do("GET", "/sites/cau-moi/limits", nil).want(200)).Limits
	if len(l) != 4 || l[0].Value != 1.5 || l[3].Value != 3.21 || l[3].Year != 2003 || l[1].Datum != "Hòn Dấu" || l[2].Basis != "secondary" || l[2].Reference != "Bản tin 11/2025" {
		t.Errorf("the new gauge has %+v", l)
	}
	l = into[api.Limits](c.do("GET", "/sites/dong-trang/limits", nil).want(200)).Limits
	if len(l) != 4 || l[0].Value != 8.1 || l[0].Basis != "law" || l[1].Value != 9.5 {
		t.Errorf("Đồng Trăng has %+v", l)
	}
	// What is exported is imported without a change to any limit.
	last := into[api.ChangePage](c.do("GET", "/changes?entity=limit&limit=1", nil).want(200)).Changes[0].Seq
	sheet := c.do("GET", "/export?what=sites", nil).want(200).body
	if !strings.Contains(string(sheet), "1.5,2,2.5,3.21,2003,,,Hòn Dấu,secondary,Bản tin 11/2025") {
		t.Errorf("exported as %s", sheet)
	}
	again := into[api.ImportResult](c.do("POST", "/import?partial=true", sheet).want(200))
	for _, row := range again.Results {
		if row.Errors[0].Code != "duplicate_id" {
			t.Errorf("row %+v", row)
		}
	}
	if now := into[api.ChangePage](c.do("GET", "/changes?entity=limit&limit=1", nil).want(200)).Changes[0].Seq; now != last {
		t.Errorf("an export that nobody edited changes limits")
	}
	// A bad one names its column, and leaves nothing behind.
	bad := into[api.ImportResult](c.do("POST", "/import?partial=true", []byte("site_id;name;locality;ward;lat;lon;bd1;bd2\ncau-b;Cầu B;nha-trang;22366;12,25;109,19;3;2\n")).want(200))
	if bad.Failed != 1 || bad.Results[0].Errors[0].Column != "bd1" && bad.Results[0].Errors[0].Column != "bd2" || bad.Results[0].Errors[0].Code != "level_order" {
		t.Errorf("bad: %+v", bad)
	}
	c.do("GET", "/sites/cau-b", nil).want(404)
	// Tags of a file become the noise area.
	c.do("POST", "/import", []byte("site_id;name;locality;ward;lat;lon;tags\ncho-b;Chợ B;nha-trang;22366;12,25;109,19;ordinary, market\n")).want(200)
	if s := into[api.Site](c.do("GET", "/sites/cho-b", nil).want(200)); s.NoiseArea != devices.NoiseOrdinary || strings.Join(s.Tags, ",") != "market" {
		t.Errorf("imported as %+v", s)
	}
	c.do("POST", "/sites", json.RawMessage(`{"name":"Chợ C","locality":"nha-trang","ward":"22366","position":{"lat":12.25,"lon":109.19},"tags":["special"],"noise_area":"ordinary"}`)).want(422)
}
