package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestDefaultConfigIsTheFourLocalities(t *testing.T) {
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range c.Gateways {
		names = append(names, g.Name+" "+g.Subscriptions[0].Filter)
	}
	if got, want := strings.Join(names, ", "), "nha-trang kh/nha-trang/#, cam-ranh kh/cam-ranh/#, ninh-hoa kh/ninh-hoa/#, cam-lam kh/cam-lam/#"; got != want {
		t.Errorf("gateways are %s, want %s", got, want)
	}
}

func TestConfigErrorsSayWhereAndWhat(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key", "localities:\n  - id: nha-trang\n    nam_vi: Nha Trang\n", `[3:5] unknown field "nam_vi"`},
		{"not YAML", "localities: [", "[1:13]"},
		{"wrong type", "localities: 7\n", "[1:13]"},
		{"bad id", "localities:\n  - id: Nha Trang\n", `id "Nha Trang"`},
		{"id twice", "localities:\n  - id: a\n  - id: a\n", `"a" is there twice`},
		{"gateway twice", "gateways:\n  - {name: a, subscriptions: [{filter: a}]}\n  - {name: a, subscriptions: [{filter: a}]}\n", `name "a" is there twice`},
		{"a ward of two localities", "localities: [{id: a, wards: [22366]}, {id: b, wards: [22366]}]\n", `ward 22366 is in "a" already`},
		{"gateway name", "gateways:\n  - {name: a b, subscriptions: [{filter: a}]}\n", "letters, digits"},
		{"no subscriptions", "gateways:\n  - {name: a}\n", "no subscriptions"},
		{"bad filter", "gateways:\n  - {name: a, subscriptions: [{filter: a/#/b}]}\n", "'#' must be the whole last level"},
		{"bad plus", "gateways:\n  - {name: a, subscriptions: [{filter: a+}]}\n", "'+' must be a whole level"},
		{"bad except", "gateways:\n  - {name: a, subscriptions: [{filter: a/#, except: a/b}]}\n", "must end in /#"},
		{"unknown codec", "gateways:\n  - {name: a, subscriptions: [{filter: a, codec: xml}]}\n", "native"},
		{"password not set", "gateways:\n  - {name: a, password_env: HAIDANG_TEST_UNSET, subscriptions: [{filter: a}]}\n", "HAIDANG_TEST_UNSET, which is not set"},
	} {
		path := filepath.Join(t.TempDir(), "haidang.yaml")
		if err := os.WriteFile(path, []byte(c.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error is %v, want it to name the file and %q", c.name, err, c.want)
		}
	}
}

func TestCodecFollowsTheSubscription(t *testing.T) {
	c := Config{Gateways: []GatewayConfig{{Name: "a", Subscriptions: []SubscriptionConfig{
		{Filter: "x/#", Codec: "native"}, {Filter: "y/#", Codec: "native"},
	}}}}
	choose, err := c.Codecs(telemetry.NewCatalogue())
	if err != nil {
		t.Fatal(err)
	}
	x, y, gone := choose("a", "x/1"), choose("a", "y/1"), choose("gone", "x/1")
	if x == y || x != choose("a", "x/2") || gone == nil {
		t.Error("the codec does not follow the subscription")
	}
}
