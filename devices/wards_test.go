package devices_test

import (
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func vietnamDay(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.FixedZone("", 7*60*60))
}

// members are the wards of a locality at a moment.
func (c *city) members(id telemetry.Locality, at time.Time) (codes []string) {
	c.t.Helper()
	all, err := c.Localities(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, l := range all {
		for _, m := range l.Wards {
			if l.ID == id && !at.Before(m.From) && (m.To.IsZero() || at.Before(m.To)) {
				codes = append(codes, m.Ward)
			}
		}
	}
	slices.Sort(codes)
	return codes
}

// Two wards of Cam Ranh become one on 1 January 2027: they end, the new one takes
// their place in the locality, and their sites are told.
func TestWardsMerge(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	day := vietnamDay(2027, 1, 1)
	rows := []devices.WardRow{
		{Code: "22420", ValidTo: day, Successors: []string{"22999"}},
		{Code: "22432", ValidTo: day, Successors: []string{"22999"}},
		{Code: "22999", NameVI: "Phường  Vịnh Cam Ranh", NameEN: "Cam Ranh Bay Ward", ValidFrom: day, Box: devices.Box{West: 109.13, South: 11.88, East: 109.2, North: 11.96}},
	}
	try, err := c.ImportWards(ctx, by("lan"), rows, true)
	if err != nil || len(try) != 3 || try[0].Outcome != devices.WardEnded || try[2].Outcome != devices.WardAdded {
		t.Fatalf("a dry run says %+v, %v", try, err)
	}
	if wards, _ := c.Wards(ctx); len(wards) != 65 {
		t.Errorf("a dry run leaves %d wards", len(wards))
	}
	done, err := c.ImportWards(ctx, by("lan"), rows, false)
	if err != nil {
		t.Fatal(err)
	}
	var ids []telemetry.Site
	for _, w := range done {
		for _, s := range w.ToMove {
			ids = append(ids, s.ID)
		}
	}
	if want := []telemetry.Site{"trung-tam-cam-ranh", "cam-linh", "cang-ba-ngoi"}; !slices.Equal(ids, want) {
		t.Errorf("to move are %v, want %v", ids, want)
	}
	if w := done[2].Ward; w.Form != devices.Phuong || w.NameVI != "Phường Vịnh Cam Ranh" {
		t.Errorf("the new ward is %+v", w)
	}
	if have := c.members("cam-ranh", day.Add(-time.Second)); !slices.Contains(have, "22420") || slices.Contains(have, "22999") {
		t.Errorf("the day before Cam Ranh has %v", have)
	}
	if have := c.members("cam-ranh", day); slices.Contains(have, "22420") || slices.Contains(have, "22432") || !slices.Contains(have, "22999") {
		t.Errorf("from the day on Cam Ranh has %v", have)
	}
	if again, err := c.ImportWards(ctx, by("lan"), rows, false); err != nil || again[0].Outcome != devices.WardUnchanged || again[2].Outcome != devices.WardUnchanged {
		t.Errorf("the same file again: %+v, %v", again, err)
	}

	// A site in an ended ward keeps its code and can be changed; a new one cannot take it.
	c.now = day.Add(time.Hour)
	s, err := c.Site(ctx, "cam-linh")
	if err != nil {
		t.Fatal(err)
	}
	s.Notes = "cạnh chợ"
	if s, err = c.UpdateSite(ctx, by("lan"), s); err != nil || s.Ward != "22432" {
		t.Errorf("changing a remark: %+v, %v", s, err)
	}
	s.Ward = "22999"
	if s, err = c.UpdateSite(ctx, by("lan"), s); err != nil || s.Ward != "22999" {
		t.Errorf("moving it: %+v, %v", s, err)
	}
	s.Ward = "22420"
	_, err = c.UpdateSite(ctx, by("lan"), s)
	c.want(err, devices.Invalid, "ward", devices.ReasonWardEnded)
}

func TestBadWardRows(t *testing.T) {
	c := newCity(t)
	day := vietnamDay(2027, 1, 1)
	for _, tc := range []struct {
		name   string
		row    devices.WardRow
		field  string
		reason devices.Reason
	}{
		{"a code of four digits", devices.WardRow{Code: "2242", NameVI: "Xã A", ValidFrom: day}, "wards[0].code", devices.ReasonUnknownWard},
		{"a new one without a day", devices.WardRow{Code: "22998", NameVI: "Xã A"}, "wards[0].validFrom", devices.ReasonRequired},
		{"a new one without a name", devices.WardRow{Code: "22998", ValidFrom: day}, "wards[0].nameVi", devices.ReasonRequired},
		{"a name without a form", devices.WardRow{Code: "22998", NameVI: "Cam Lộ", ValidFrom: day}, "wards[0].form", devices.ReasonBadValue},
		{"an end before the beginning", devices.WardRow{Code: "22420", ValidTo: vietnamDay(2025, 1, 1)}, "wards[0].validTo", devices.ReasonBadPeriod},
		{"an unknown successor", devices.WardRow{Code: "22420", ValidTo: day, Successors: []string{"22997"}}, "wards[0].successors", devices.ReasonUnknownWard},
		{"an unknown locality", devices.WardRow{Code: "22759", Locality: "phan-rang"}, "wards[0].locality", devices.ReasonUnknownLocality},
		{"a move without a day", devices.WardRow{Code: "22420", Locality: "cam-lam"}, "wards[0].localityFrom", devices.ReasonRequired},
	} {
		_, err := c.ImportWards(t.Context(), by("lan"), []devices.WardRow{tc.row}, false)
		t.Log(tc.name, err)
		c.want(err, devices.Invalid, tc.field, tc.reason)
	}
	if _, err := c.ImportWards(t.Context(), by("lan"), []devices.WardRow{{Code: "22672", Locality: "nha-trang"}, {Code: "22420", Locality: "cam-lam", LocalityFrom: day}}, false); err != nil {
		t.Fatal(err)
	}
	if have := c.members("nha-trang", c.now); !slices.Contains(have, "22672") {
		t.Errorf("Nha Trang has %v", have)
	}
	if a, b := c.members("cam-ranh", day), c.members("cam-lam", day); slices.Contains(a, "22420") || !slices.Contains(b, "22420") {
		t.Errorf("Cam Ranh has %v, Cam Lâm %v", a, b)
	}
}
