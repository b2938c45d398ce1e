package city

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// TestImportKeepsToItsLocalities imports rows of both localities: those of another fail
// one by one, and nothing of them is kept.
func TestImportKeepsToItsLocalities(t *testing.T) {
	t.Parallel()
	c := &town{people: people{newOperated(t, ""), t}}
	foreign, own := c.object("x", theirs), c.object("x", mine)
	stock := c.object("x", "")
	p, _ := c.account(access.Account{Name: "an", Role: access.Operator, Localities: []telemetry.Locality{mine}}, access.ScopeOperate)
	rows := []struct{ row, want string }{
		{fmt.Sprintf("new1,noise,,New one,%s,22366,12.24,109.19", theirs), "other_locality"},
		{fmt.Sprintf("new2,noise,,New two,%s,22366,12.24,109.19", mine), ""},
		{fmt.Sprintf(",,%s,Renamed,,,,", foreign.site), "other_locality"},
		{fmt.Sprintf(",,%s,Renamed,,,,", own.site), ""},
		{fmt.Sprintf("%s,weather,,,,,,", foreign.device), "other_locality"},
		{fmt.Sprintf("%s,noise,%s,,,,,", foreign.spare, own.site), "other_locality"}, // registered by those of the other
		{fmt.Sprintf("%s,noise,%s,Renamed,,,,", stock.device, own.site), ""},
		{fmt.Sprintf("%s,weather,,,,,,", stock.spare), "in_stock"},
	}
	text := "device_id,kinds,site_id,name,locality,ward,lat,lon,redundant\n"
	for _, r := range rows {
		text += r.row + ",yes\n"
	}
	got := c.ask(request{method: "POST", path: "/api/v1/import?partial=true&results=all", raw: []byte(text)}, proof{token: p.token}, "", false)
	var result struct {
		Results []struct {
			Row    int
			Errors []struct{ Code string }
		}
	}
	if err := json.Unmarshal([]byte(got.body), &result); err != nil || len(result.Results) != len(rows) {
		t.Fatalf("%d %v: %s", got.status, err, got.body)
	}
	for i, r := range result.Results {
		code := ""
		if len(r.Errors) > 0 {
			code = r.Errors[0].Code
		}
		if code != rows[i].want {
			t.Errorf("row %s: %q, want %q (%+v)", rows[i].row, code, rows[i].want, r)
		}
	}
	for id, name := range map[telemetry.Site]string{foreign.site: string(foreign.site), own.site: "Renamed"} {
		if s, err := c.registry.Site(t.Context(), id); err != nil || s.Name != name {
			t.Errorf("site %s is called %q, %v", id, s.Name, err)
		}
	}
}

// TestNobodyTakesAForeignSecret goes the way from removing a device of another locality
// over a new secret to putting it back, at each step as far as it is let.
func TestNobodyTakesAForeignSecret(t *testing.T) {
	t.Parallel()
	c := &town{people: people{newOperated(t, ""), t}}
	o, own := c.object("x", theirs), c.object("x", mine)
	p, _ := c.account(access.Account{Name: "an", Role: access.Field, Localities: []telemetry.Locality{mine}}, access.ScopeRegister)
	secret := func(step string) {
		t.Helper()
		if got := c.ask(posting(o.d("/credentials"), doc{}), proof{token: p.token}, "", false); got.reason != "other_locality" {
			t.Errorf("%s: a secret is issued: %d %s", step, got.status, got.body)
		}
		for _, at := range []telemetry.Site{o.site, own.site} {
			if got := c.ask(posting(o.d("/install"), doc{"site": at, "redundant": true}), proof{token: p.token}, "", false); got.status < 400 {
				t.Errorf("%s: it is installed at %s: %s", step, at, got.body)
			}
		}
	}
	secret("standing")
	if got := c.ask(posting(o.d("/remove"), doc{}), proof{token: p.token}, "", false); got.reason != "other_locality" {
		t.Errorf("it is removed: %d %s", got.status, got.body)
	}
	if _, err := c.registry.Remove(t.Context(), everywhere(), o.device, time.Time{}); err != nil {
		t.Fatal(err)
	}
	secret("removed by its own people")
	if _, err := c.registry.RetireDevice(t.Context(), everywhere(), o.device, time.Time{}); err != nil {
		t.Fatal(err)
	}
	secret("retired")
	o.device = o.spare
	secret("registered by its own people and never installed")
}
