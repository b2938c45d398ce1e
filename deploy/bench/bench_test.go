package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReport writes tables and plots of made-up figures into a README and reads them back:
// medians, ratios of the same round, and what was not measured.
func TestReport(t *testing.T) {
	dir, l := t.TempDir(), load{200, 5000, 25}
	path := filepath.Join(dir, "README.md")
	if err := os.WriteFile(path, []byte("before\n"+beginMark+"\nold\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var r result
	for round, cpu := range []float64{60, 90, 70} {
		r.Figures = append(r.Figures,
			Figure{Contender: oursPower, Phase: "load", Load: l, Round: round, CPU: map[string]float64{"haidang": cpu}, TotalCPU: cpu},
			Figure{Contender: peer, Phase: "load", Load: l, Round: round, CPU: map[string]float64{"mosquitto": cpu, "telegraf": cpu}, TotalCPU: 2 * cpu, Lost: 7})
	}
	r.Figures = append(r.Figures, Figure{Contender: oursPower, Phase: "rate", Highest: 20000})
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for _, want := range []string{"before\n", "\nafter\n", "| 70 (60–90) | haidang 70 | 0.50 |", "| 140 (120–180) | mosquitto 70, telegraf 70 | 1.00 |", "21 / 0 |", "| 20000 | – | – | – |", "load-1.svg"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "old") {
		t.Error("what was between the marks is there still")
	}
	plot, err := os.ReadFile(filepath.Join(dir, "load-1.svg"))
	if err != nil || strings.Count(string(plot), "<title>") != 3 {
		t.Errorf("the plot is %s, %v", plot, err)
	}
	again, err := readResult(filepath.Join(dir, "figures.json"))
	if err != nil || len(again.Figures) != len(r.Figures) {
		t.Errorf("the raw figures are %+v, %v", again, err)
	}
	if err := os.WriteFile(path, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.write(dir); err == nil {
		t.Error("a page without marks is written")
	}
}
