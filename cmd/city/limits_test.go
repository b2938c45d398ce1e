package city

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dashrules "github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// What is said of a site's limits and of its noise area is in the rules of the next
// round; what another process says, once the registry has caught up.
func TestRulesFollowTheRegistry(t *testing.T) {
	ctx := t.Context()
	place := filepath.Join(t.TempDir(), "registry.db")
	open := func() *devices.Registry {
		s, err := sqlstore.Open(ctx, place)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		r := devices.NewRegistry(s)
		if err := r.Open(ctx); err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open()
	if _, err := seed.Apply(ctx, r); err != nil {
		t.Fatal(err)
	}
	other, now := open(), time.Now()
	rules := newCurrentRules(r, func() []dashrules.Cadence { return nil }, slog.New(slog.DiscardHandler))
	wants := func(what string, wanted bool, parts ...string) {
		t.Helper()
		text, err := rules.at(now)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for rule := range strings.SplitSeq(string(text), "- alert: ") {
			has := true
			for _, p := range parts {
				has = has && strings.Contains(rule, p)
			}
			found = found || has
		}
		if found != wanted {
			t.Errorf("%s: a rule of %q is there: %v", what, parts, found)
		}
	}
	by := devices.By{Who: "lan", Scope: devices.Everywhere()}
	wants("seeded", true, "flood-bd3-dong-trang\n", "≥ 11 m")
	wants("not yet", false, "flood-bd1-vinh-phuong")
	levels, err := r.SetLevels(ctx, by, devices.Levels{Site: "vinh-phuong", Values: map[string]float64{"bd1": 2.5, "bd3": 4.5}})
	if err != nil {
		t.Fatal(err)
	}
	wants("set", true, "flood-bd1-vinh-phuong\n", "≥ 2,5 m")
	if err := r.RemoveLimit(ctx, by, levels[0].ID, levels[0].Version); err != nil {
		t.Fatal(err)
	}
	wants("removed", false, "flood-bd1-vinh-phuong")
	if _, err := r.CreateDevice(ctx, by, devices.Device{ID: "wl-9", Kinds: []telemetry.Kind{telemetry.WaterLevel}}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.CreateLimit(ctx, by, devices.Limit{Own: limits.Own{Site: "vinh-phuong", Device: "wl-9", Code: "bd2", Value: 3.25, Until: now.Add(24 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	if err := r.CatchUp(ctx); err != nil {
		t.Fatal(err)
	}
	wants("of one device, by another process", true, "flood-bd2-vinh-phuong@wl-9\n", `device="wl-9"`, `site="vinh-phuong"`, "3.25")
	now = now.Add(25 * time.Hour)
	wants("over", false, "flood-bd2-vinh-phuong@wl-9")

	wants("of no area", false, "noise-special-day\n")
	s, err := r.Site(ctx, "thap-ba")
	if err != nil {
		t.Fatal(err)
	}
	s.NoiseArea = devices.NoiseSpecial // as sites edit --noise-area and the console say it
	if _, err := r.UpdateSite(ctx, by, s); err != nil {
		t.Fatal(err)
	}
	wants("of the special area", true, "noise-special-day\n", `site="thap-ba"`)
	wants("of the seed's ordinary areas", true, "noise-ordinary-night\n", "cho-dam")
}
