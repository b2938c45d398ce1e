package table

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

var update = flag.Bool("update", false, "write the golden files anew")

// open opens a file of testdata.
func open(t *testing.T, name string) *Table {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return fromBytes(t, text, name)
}

func fromBytes(t *testing.T, text []byte, name string) *Table {
	t.Helper()
	table, err := Open(bytes.NewReader(text), name)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// convert converts all of a table.
func convert(t *testing.T, table *Table, m *Mapping, o Options) ([]Reading, Report) {
	t.Helper()
	var all []Reading
	o.Dir = t.TempDir()
	report, err := table.Convert(context.Background(), m, telemetry.NewCatalogue(), o, func(r Reading) error {
		all = append(all, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, report
}

func readingText(r Reading) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s kh/%s/%s/%s", r.Time.Format(time.RFC3339), r.Locality, r.Kind, r.Device)
	for _, v := range r.Values {
		fmt.Fprintf(&b, " %s=%v", v.Metric, v.Number)
	}
	return b.String()
}

// Each published form is known by its names of columns alone; what comes of it is
// what stands in the golden file, mapping and readings.
func TestKnownForms(t *testing.T) {
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasSuffix(name, ".golden") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			have := describe(t, name)
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(have), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), have); diff != "" {
				t.Errorf("-want +have:\n%s", diff)
			}
		})
	}
}

// describe is all that is guessed of a file, and what comes of it.
func describe(t *testing.T, name string) string {
	t.Helper()
	cat := telemetry.NewCatalogue()
	table := open(t, name)
	g, err := table.Guess(cat, Given{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "form: %s\n", g.Form)
	for _, n := range g.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, d := range g.Doubts {
		fmt.Fprintf(&b, "doubt: %s\n", d)
	}
	text, err := g.Mapping.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadMapping("m.yaml", bytes.NewReader(text), cat)
	if err != nil {
		t.Fatalf("the mapping does not read back: %v\n%s", err, text)
	}
	if diff := cmp.Diff(&g.Mapping, again); diff != "" {
		t.Errorf("the mapping reads back as another:\n%s", diff)
	}
	fmt.Fprintf(&b, "\n%s\n", text)
	d, err := table.Describe(context.Background(), &g.Mapping, cat)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range d.Uses {
		fmt.Fprintf(&b, "%s | %s | %s\n", u.Column, u.Sample, u.Becomes)
	}
	all, report := convert(t, table, &g.Mapping, Options{})
	b.WriteString("\n")
	for _, r := range all {
		b.WriteString(readingText(r) + "\n")
	}
	said, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "\n%s\n", said)
	return b.String()
}
