package devices_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// limit is a good one of a farm.
func limit() devices.Limit {
	return devices.Limit{Own: limits.Own{Site: "vung-nuoi-cam-thinh", Code: "low_oxygen", Kind: telemetry.WaterQuality, Metric: telemetry.DissolvedOxygen,
		Statistic: limits.Mean, Window: time.Hour, Value: 4.5, Below: true, NameVI: "Oxy thấp"}}
}

func TestLimitIsChecked(t *testing.T) {
	c := newCity(t)
	for _, tt := range []struct {
		what   string
		change func(*devices.Limit)
		field  string
		reason devices.Reason
	}{
		{"no code", func(l *devices.Limit) { l.Code = "" }, "code", devices.ReasonBadCode},
		{"a code of two words", func(l *devices.Limit) { l.Code = "low oxygen" }, "code", devices.ReasonBadCode},
		{"a code that an id could end", func(l *devices.Limit) { l.Code = "a-b" }, "code", devices.ReasonBadCode},
		{"no name", func(l *devices.Limit) { l.NameVI = "" }, "nameVi", devices.ReasonRequired},
		{"no kind", func(l *devices.Limit) { l.Kind = "" }, "kind", devices.ReasonRequired},
		{"unknown kind", func(l *devices.Limit) { l.Kind = "wate" }, "kind", devices.ReasonUnknownKind},
		{"computed kind", func(l *devices.Limit) { l.Kind = telemetry.AirQualityIndex }, "kind", devices.ReasonUnknownKind},
		{"unknown metric", func(l *devices.Limit) { l.Metric = "oxygen" }, "metric", devices.ReasonUnknownMetric},
		{"the sum of a state", func(l *devices.Limit) { l.Statistic = limits.Sum }, "statistic", devices.ReasonBadStatistic},
		{"the mean of an amount", func(l *devices.Limit) { l.Kind, l.Metric = telemetry.Weather, telemetry.Rain }, "statistic", devices.ReasonBadStatistic},
		{"a counter", func(l *devices.Limit) { l.Kind, l.Metric = telemetry.Energy, telemetry.EnergyTotal }, "metric", devices.ReasonNoStatistic},
		{"a window of seconds", func(l *devices.Limit) { l.Window = 30 * time.Second }, "window", devices.ReasonBadWindow},
		{"a window of a month", func(l *devices.Limit) { l.Window = 30 * 24 * time.Hour }, "window", devices.ReasonBadWindow},
		{"outside the catalogue", func(l *devices.Limit) { l.Value = 900 }, "value", devices.ReasonOutOfMetric},
		{"no number", func(l *devices.Limit) { l.Value = math.NaN() }, "value", devices.ReasonOutOfMetric},
		{"law without a source", func(l *devices.Limit) { l.Basis = limits.Law }, "reference", devices.ReasonSourceNeeded},
		{"a year to come", func(l *devices.Limit) { l.Year = 2099 }, "year", devices.ReasonBadNumber},
		{"ends before it begins", func(l *devices.Limit) { l.Since, l.Until = noon(), noon().Add(-time.Hour) }, "until", devices.ReasonBadPeriod},
	} {
		l := limit()
		tt.change(&l)
		_, err := c.CreateLimit(t.Context(), by("lan"), l)
		t.Log(tt.what)
		c.want(err, devices.Invalid, tt.field, tt.reason)
	}
	for what, change := range map[string]func(*devices.Limit){
		"site": func(l *devices.Limit) { l.Site = "nowhere" }, "device": func(l *devices.Limit) { l.Device = "nobody" },
	} {
		l := limit()
		change(&l)
		if _, err := c.CreateLimit(t.Context(), by("lan"), l); devices.CodeOf(err) != devices.NotFound {
			t.Errorf("unknown %s: %v", what, err)
		}
	}
	if all, _ := c.Limits(t.Context(), devices.LimitFilter{Site: limit().Site}); len(all) != 0 {
		t.Errorf("refused, and there: %v", all)
	}
}

// At no moment are two limits of one code in force, but for another device.
func TestLimitsOfOneCodeFollowEachOther(t *testing.T) {
	c := newCity(t)
	c.device("do-1", limit().Site, telemetry.WaterQuality)
	l := limit()
	l.Since, l.Until = noon(), noon().Add(24*time.Hour)
	first := mustMake(t)(c.CreateLimit(t.Context(), by("lan"), l))
	l.Since, l.Until = noon().Add(23*time.Hour), time.Time{}
	_, err := c.CreateLimit(t.Context(), by("lan"), l)
	c.want(err, devices.Conflict, "code", devices.ReasonLimitInForce)
	l.Since = noon().Add(24 * time.Hour)
	second := mustMake(t)(c.CreateLimit(t.Context(), by("lan"), l))
	other := limit()
	other.Device = "do-1"
	mustMake(t)(c.CreateLimit(t.Context(), by("lan"), other))
	first.Until = noon().Add(25 * time.Hour)
	_, err = c.UpdateLimit(t.Context(), by("lan"), first)
	c.want(err, devices.Conflict, "code", devices.ReasonLimitInForce)
	// Setting it by its code: a correction, a successor, and nothing at all.
	l = limit()
	l.Value, l.Since, l.Until = 5, time.Time{}, noon().Add(24*time.Hour)
	mended := mustMake(t)(c.SetLimit(t.Context(), by("lan"), l))
	if mended.ID != first.ID || !mended.Since.Equal(first.Since) {
		t.Errorf("corrected is %+v", mended)
	}
	before, _ := c.History(t.Context(), devices.ChangeFilter{Limit: 1})
	l = mended
	mustMake(t)(c.SetLimit(t.Context(), by("lan"), l))
	if after, _ := c.History(t.Context(), devices.ChangeFilter{Limit: 1}); after[0].Seq != before[0].Seq {
		t.Error("saying the same again is in the journal")
	}
	l.Since, l.Until = noon().Add(48*time.Hour), time.Time{}
	third := mustMake(t)(c.SetLimit(t.Context(), by("lan"), l))
	if ended, err := c.Limit(t.Context(), second.ID); err != nil || !ended.Until.Equal(third.Since) || third.ID == second.ID {
		t.Errorf("%+v is succeeded by %+v: %v", ended, third, err)
	}
}

func mustMake(t *testing.T) func(devices.Limit, error) devices.Limit {
	return func(l devices.Limit, err error) devices.Limit {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
}

func TestLevels(t *testing.T) {
	c := newCity(t)
	set := func(site telemetry.Site, from time.Time, values map[string]float64, year int) ([]devices.Limit, error) {
		return c.SetLevels(t.Context(), by("lan"), devices.Levels{Site: site, Values: values, RecordYear: year, From: from})
	}
	told := func(all []devices.Limit) string {
		var out []string
		for _, l := range all {
			s := fmt.Sprintf("%s=%v", l.Code, l.Value)
			if l.Year != 0 {
				s += fmt.Sprintf("(%d)", l.Year)
			}
			if !l.Since.IsZero() || !l.Until.IsZero() {
				s += fmt.Sprintf("[%s..%s]", shortDay(l.Since), shortDay(l.Until))
			}
			out = append(out, s)
		}
		return strings.Join(out, " ")
	}
	// A second site at the same gauge has rows of its own; Phan Rang has two levels.
	all, err := set("vinh-phuong", time.Time{}, map[string]float64{"bd1": 35.5, "bd2": 36.5, "bd3": 37.5, "record": 41.21}, 2003)
	if got := told(all); err != nil || got != "bd1=35.5 bd2=36.5 bd3=37.5 record=41.21(2003)" || all[3].NameEN != "Above the record of 2003" || !all[3].Strict {
		t.Errorf("Tân Mỹ: %s %v", got, err)
	}
	if all, err = set("binh-tan", time.Time{}, map[string]float64{"bd1": 2.5, "bd3": 4.5}, 0); err != nil || told(all) != "bd1=2.5 bd3=4.5" {
		t.Errorf("Phan Rang: %s %v", told(all), err)
	}
	// Between them and equal to the record is all right, over is not: of all levels or
	// none.
	_, err = set("binh-tan", time.Time{}, map[string]float64{"bd1": 2.6, "bd2": 4.5}, 0)
	e := c.want(err, devices.Invalid, "bd2", devices.ReasonLevelOrder)
	if !strings.Contains(e.EN, "Flood alarm II (4.5) must be lower than Flood alarm III (4.5)") {
		t.Errorf("told as %s", e.EN)
	}
	_, err = set("binh-tan", time.Time{}, map[string]float64{"bd2": 700}, 0)
	c.want(err, devices.Invalid, "bd2", devices.ReasonOutOfMetric)
	if all, err = set("binh-tan", time.Time{}, map[string]float64{"record": 4.5}, 0); err != nil || told(all) != "bd1=2.5 bd3=4.5 record=4.5" {
		t.Errorf("a flood stopped at III: %s %v", told(all), err)
	}
	_, err = set("ho-suoi-dau", time.Time{}, map[string]float64{"normal": 44}, 0)
	c.want(err, devices.Invalid, "normal", devices.ReasonLevelOrder)
	// A new decision: what held until then stays, with an end, and both are in order.
	day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	all, err = set("dong-trang", day, map[string]float64{"bd2": 9.5, "bd3": 11.5}, 0)
	if got, want := told(all), "bd1=8 bd2=9.5 bd3=11[..2027-01-01] record=13.42(2009) bd3=11.5[2027-01-01..]"; err != nil || got != want {
		t.Errorf("have %s, %v; want %s", got, err, want)
	}
	own, err := c.OwnLimits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Time]float64{day.Add(-time.Second): 11, day: 11.5} {
		for _, l := range limits.InForce(limits.Table(own), at) {
			if l.ID == "flood-bd3-dong-trang" && (l.Value != want || l.NameVI != "Báo động III tại Đồng Trăng, sông Cái Nha Trang") {
				t.Errorf("at %v: %+v", at, l)
			}
		}
	}
}

func shortDay(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// A site's noise area is said in one place: a tag of such a word becomes it.
func TestNoiseAreaIsNoTag(t *testing.T) {
	c := newCity(t)
	site := func(id telemetry.Site) devices.Site {
		s, err := c.Site(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := site("cho-dam"); s.NoiseArea != devices.NoiseOrdinary || len(s.Tags) != 0 {
		t.Errorf("the seed gives %+v", s)
	}
	s := site("thap-ba")
	s.Tags = []string{"Special ", "temple"}
	s, err := c.UpdateSite(t.Context(), by("lan"), s)
	if err != nil || s.NoiseArea != devices.NoiseSpecial || strings.Join(s.Tags, ",") != "temple" || strings.Join(s.Uses(), ",") != "temple,special" {
		t.Errorf("kept as %+v, %v", s, err)
	}
	s.Tags = []string{"ordinary"}
	_, err = c.UpdateSite(t.Context(), by("lan"), s)
	c.want(err, devices.Invalid, "tags", devices.ReasonTwoAreas)
	// As the field app registers a device at a new place.
	r, err := c.RegisterDevice(t.Context(), by("lan"), devices.Registration{Request: "r1", NewSite: true, Device: devices.Device{ID: "n-1", Kinds: []telemetry.Kind{telemetry.Noise}},
		Site: devices.Site{ID: "truong", Name: "Trường", Locality: "nha-trang", Ward: "22366", Position: devices.Position{Lat: 12.24, Lon: 109.19}, Tags: []string{"special"}}})
	if err != nil || r.Site.NoiseArea != devices.NoiseSpecial || len(r.Site.Tags) != 0 {
		t.Errorf("registered as %+v, %v", r.Site, err)
	}
	found, n, err := c.Sites(t.Context(), devices.SiteFilter{Tag: "special"})
	if err != nil || n != 2 || found[1].ID != "truong" {
		t.Errorf("found %v, %v", found, err)
	}
}
