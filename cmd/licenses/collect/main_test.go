package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/cmd/licenses"
)

// TestLicensesAreAllowed reads the licences of all modules that are in the
// program.
func TestLicensesAreAllowed(t *testing.T) {
	top := "../../.."
	all, err := modules(top)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := console(top + "/devices/web")
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, packages...)
	if err := check(all); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"std": "BSD-3-Clause", "github.com/prometheus/prometheus": "Apache-2.0", "github.com/eclipse/paho.mqtt.golang": "EPL-2.0", "modernc.org/sqlite": "BSD-3-Clause"} {
		if !slices.ContainsFunc(all, func(c licenses.Component) bool {
			return c.Name == name && slices.Contains(c.Licenses, want) && len(c.Texts) > 0
		}) {
			t.Errorf("%s with %s is not among the %d components", name, want, len(all))
		}
	}
}

// TestCheckFindsWhatMayNotBe holds that the check can fail.
func TestCheckFindsWhatMayNotBe(t *testing.T) {
	text := []licenses.Text{{File: "LICENSE", Text: "x"}}
	err := check([]licenses.Component{
		{Name: "good", Licenses: []string{"MIT"}, Texts: text},
		{Name: "foreign", Licenses: []string{"MIT", "AGPL-3.0"}, Texts: text},
		{Name: "textless", Licenses: []string{"MIT"}},
		{Name: "nameless", Texts: text},
	})
	for _, want := range []string{"foreign", "AGPL-3.0", "textless", "nameless"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("have %v, want %s in it", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "good") {
		t.Errorf("have %v", err)
	}
}
