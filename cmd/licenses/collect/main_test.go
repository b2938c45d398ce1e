package main

import (
	"errors"
	"os"
	"path/filepath"
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

// TestConsoleWithoutLicences reads packages that carry no licence: one whose
// licence is told by its lock file, one by its repository, one by nobody.
func TestConsoleWithoutLicences(t *testing.T) {
	web := t.TempDir()
	write := func(file, text string) {
		file = filepath.Join(web, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	const told = "@mapbox/jsonlint-lines-primitives"
	write("dist/index.html", "")
	for _, name := range []string{told, "named", "nameless"} {
		write("node_modules/"+name+"/package.json", "{}")
	}
	write("package-lock.json", `{"packages":{"":{},"node_modules/`+told+`":{"version":"2.0.2"},"node_modules/named":{"version":"1.0.0","license":"ISC"}}}`)
	all, err := console(web)
	if err != nil || len(all) != 2 || !slices.Equal(all[0].Licenses, []string{"MIT"}) || !strings.Contains(all[0].Texts[0].Text, "Zachary Carter") || !slices.Equal(all[1].Licenses, []string{"ISC"}) {
		t.Errorf("have %v, %v", all, err)
	}
	write("package-lock.json", `{"packages":{"node_modules/nameless":{"version":"1.0.0"}}}`)
	if _, err := console(web); err == nil || !strings.Contains(err.Error(), "nameless 1.0.0: no licence was found") {
		t.Errorf("have %v, want nameless named", err)
	}
}
