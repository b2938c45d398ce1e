package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// codes are a site's limits in short: bd1=8.
func codes(all []devices.Limit) string {
	var out []string
	for _, l := range all {
		out = append(out, fmt.Sprintf("%s=%v", l.Code, l.Value))
	}
	return strings.Join(out, " ")
}

func testLimits(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	must[devices.Device](t)(r.CreateDevice(ctx, me(), devices.Device{ID: "aq-1", Kinds: []telemetry.Kind{telemetry.AirQuality}}))
	made := must[devices.Limit](t)(r.CreateLimit(ctx, me(), devices.Limit{Own: limits.Own{Site: "thap-ba", Device: "aq-1", Code: "pm25_own", Kind: telemetry.AirQuality,
		Metric: telemetry.PM25, Statistic: limits.Mean, Window: 3 * time.Hour, Value: 30.5, Strict: true, Severity: limits.Danger, NameVI: "Bụi  mịn ", NameEN: "Fine dust",
		Year: 2025, Datum: "x'\"", Basis: limits.Secondary, Reference: "Báo", ReferenceEN: "Press", Since: noon().Add(-time.Hour), Until: noon().Add(time.Hour)}}))
	if made.NameVI != "Bụi mịn" || made.Version != 1 {
		t.Errorf("kept as %+v", made)
	}
	if diff := cmp.Diff(made, must[devices.Limit](t)(r.Limit(ctx, made.ID))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]devices.Limit{made}, must[[]devices.Limit](t)(r.Limits(ctx, devices.LimitFilter{Site: "thap-ba"}))); diff != "" {
		t.Error(diff)
	}
	// Two writers of one version: the second is refused.
	made.Value, made.Below = 31, true
	second := must[devices.Limit](t)(r.UpdateLimit(ctx, me(), made))
	if _, err := r.UpdateLimit(ctx, me(), made); !devices.HasReason(err, devices.ReasonStale) {
		t.Errorf("a lost update: %v", err)
	}
	// A removed one is gone, its number is not given again, and the journal tells.
	if err := r.RemoveLimit(ctx, me(), second.ID, second.Version); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Limit(ctx, second.ID); devices.CodeOf(err) != devices.NotFound {
		t.Errorf("a removed limit: %v", err)
	}
	gone := must[[]devices.Limit](t)(r.Limits(ctx, devices.LimitFilter{Site: "thap-ba", Removed: true}))
	if len(gone) != 1 || gone[0].Removed.IsZero() || gone[0].Value != 31 {
		t.Errorf("removed: %+v", gone)
	}
	again := must[devices.Limit](t)(r.CreateLimit(ctx, me(), devices.Limit{Own: limits.Own{Site: "thap-ba", Code: "pm25_own", Kind: telemetry.AirQuality,
		Metric: telemetry.PM25, Statistic: limits.Mean, Value: 40, NameVI: "Bụi mịn"}}))
	if again.ID <= second.ID {
		t.Errorf("number %d is given again", again.ID)
	}
	var did []string
	for _, c := range must[[]devices.Change](t)(r.History(ctx, devices.ChangeFilter{Entity: devices.EntityLimit, Site: "thap-ba"})) {
		did = append(did, string(c.Action))
	}
	if got := strings.Join(did, " "); got != "created deleted updated created" {
		t.Errorf("the journal has %s", got)
	}
	// What a transaction did it sees, for one site and for all.
	err := r.Batch(ctx, me(), func(b *devices.Batch) error {
		if err := b.RemoveLimit(ctx, again.ID, again.Version); err != nil {
			return err
		}
		one := must[[]devices.Limit](t)(b.Reader().Limits(ctx, devices.LimitFilter{Site: "thap-ba"}))
		all := must[[]devices.Limit](t)(b.Reader().Limits(ctx, devices.LimitFilter{Kind: telemetry.AirQuality}))
		if len(one)+len(all) != 0 {
			t.Errorf("removed in the batch, and there: %v %v", one, all)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Limits that the shipped gauges begin with are given once, whatever becomes of them.
func testSeedLimits(t *testing.T, place places) {
	s := open(t, place(t))
	r := registry(t, s)
	ctx := t.Context()
	all := must[[]devices.Limit](t)(r.Limits(ctx, devices.LimitFilter{Site: "dong-trang"}))
	if got := codes(all); got != "bd1=8 bd2=9.5 bd3=11 record=13.42" || all[3].Year != 2009 || all[0].Basis != limits.Law || all[0].Reference == "" || all[0].Datum == "" {
		t.Errorf("Đồng Trăng has %s, %+v", got, all)
	}
	if got := codes(must[[]devices.Limit](t)(r.Limits(ctx, devices.LimitFilter{Site: "ho-suoi-dau"}))); got != "normal=42.5 flood=43.47" {
		t.Errorf("the reservoir has %s", got)
	}
	if err := r.RemoveLimit(ctx, me(), all[1].ID, all[1].Version); err != nil {
		t.Fatal(err)
	}
	for _, l := range must[[]devices.Limit](t)(r.Limits(ctx, devices.LimitFilter{Site: "duc-my"})) {
		if err := r.RemoveLimit(ctx, me(), l.ID, devices.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	if added, err := seed.Apply(ctx, r); err != nil || added != (seed.Applied{}) {
		t.Errorf("seeding again adds %+v, %v", added, err)
	}
	if got := codes(must[[]devices.Limit](t)(r.Limits(ctx, devices.LimitFilter{Site: "duc-my"}))); got != "" {
		t.Errorf("what an operator removed is back: %s", got)
	}
}

// A registry of before has its sites given their limits, and its tags made noise
// areas.
func testOldRegistry(t *testing.T, place places) {
	ctx := t.Context()
	where := place(t)
	site := func(id, tags, area string) string {
		return fmt.Sprintf(`INSERT INTO site VALUES ('%s', '', '', '', 'l', NULL, 0, 0, 0, '', 0, '%s', '%s', '', FALSE, 'active', 1, NULL)`, id, tags, area)
	}
	err := sqlstore.MakeAt(ctx, where, 5, `INSERT INTO locality VALUES ('l', '', '', '[]', 0, 0, 0, 0, NULL, NULL, 1)`,
		site("dong-trang", " river watershed ", ""), site("cho", " market ordinary ", ""), site("truong", " special ", ""), site("ca-hai", " ordinary special x ", ""),
		site("khac", " ordinary ", "special"), site("chi-vung", " ", "ordinary"), site("khong", " extraordinary ", ""))
	if err != nil {
		t.Fatal(err)
	}
	r := registry(t, open(t, where))
	var have []string
	for _, id := range []telemetry.Site{"cho", "truong", "ca-hai", "khac", "chi-vung", "khong"} {
		s := must[devices.Site](t)(r.Site(ctx, id))
		have = append(have, fmt.Sprintf("%s %s %s", id, s.NoiseArea, strings.Join(s.Tags, ",")))
	}
	want := []string{"cho ordinary market", "truong special ", "ca-hai special x", "khac special ", "chi-vung ordinary ", "khong  extraordinary"}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if got := codes(must[[]devices.Limit](t)(r.Limits(ctx, devices.LimitFilter{Site: "dong-trang"}))); got != "bd1=8 bd2=9.5 bd3=11 record=13.42" {
		t.Errorf("Đồng Trăng has %s", got)
	}
	// The tag that was is still found by, and by the area alone.
	page, n, err := r.Sites(ctx, devices.SiteFilter{Tag: "special", Locality: "l"})
	if err != nil || n != 3 || page[0].ID != "ca-hai" {
		t.Errorf("special are %d sites, %v, %v", n, page, err)
	}
}
