package registry

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// wardLine is a row of a file of wards as its text.
type wardLine struct {
	Code         string   `yaml:"code"`
	NameVI       string   `yaml:"name_vi"`
	NameEN       string   `yaml:"name_en"`
	Form         string   `yaml:"form"`
	ValidFrom    string   `yaml:"valid_from"`
	ValidTo      string   `yaml:"valid_to"`
	Successors   []string `yaml:"successors"`
	Locality     string   `yaml:"locality"`
	LocalityFrom string   `yaml:"locality_from"`
	BBox         []string `yaml:"bbox"`
	AreaKM2      string   `yaml:"area_km2"`
	Former       []string `yaml:"former"`
}

// wardRows reads a CSV or YAML file of wards.
func wardRows(text []byte) ([]api.WardRow, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8: save it as CSV UTF-8")
	}
	head, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	read := csvWards
	if bytes.HasPrefix(head, []byte("-")) || bytes.HasPrefix(head, []byte("#")) || bytes.Contains(head, []byte(":")) {
		read = yamlWards
	}
	lines, err := read(text)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, errors.New("it has no wards")
	}
	rows := make([]api.WardRow, 0, len(lines))
	for i, l := range lines {
		row, err := l.row()
		if err != nil {
			return nil, fmt.Errorf("ward %d (%s): %w", i+1, l.Code, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func yamlWards(text []byte) (lines []wardLine, err error) {
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&lines); err != nil {
		return nil, fmt.Errorf("a list of wards is needed:\n%s", yaml.FormatError(err, false, true))
	}
	return lines, nil
}

func csvWards(text []byte) (lines []wardLine, err error) {
	r := csv.NewReader(bytes.NewReader(text))
	head, _, _ := strings.Cut(string(text), "\n")
	for _, c := range ";\t" {
		if strings.ContainsRune(head, c) {
			r.Comma = c
		}
	}
	r.Comment = '#'
	all, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read CSV: %w", err)
	}
	for i, cells := range all {
		if i == 0 {
			continue
		}
		var l wardLine
		for j, cell := range cells {
			if err := l.set(strings.TrimSpace(all[0][j]), strings.TrimSpace(cell)); err != nil {
				return nil, err
			}
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// set is a cell of a column.
func (l *wardLine) set(column, cell string) error {
	columns := []struct {
		name  string
		one   *string
		words *[]string
	}{
		{"code", &l.Code, nil}, {"name_vi", &l.NameVI, nil}, {"name_en", &l.NameEN, nil}, {"form", &l.Form, nil}, {"valid_from", &l.ValidFrom, nil},
		{"valid_to", &l.ValidTo, nil}, {"successors", nil, &l.Successors}, {"locality", &l.Locality, nil}, {"locality_from", &l.LocalityFrom, nil},
		{"bbox", nil, &l.BBox}, {"area_km2", &l.AreaKM2, nil}, {"former", nil, nil},
	}
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
		switch {
		case c.name != column:
			continue
		case c.one != nil:
			*c.one = cell
		case c.words != nil:
			*c.words = strings.Fields(cell)
		case cell != "":
			for _, name := range strings.Split(cell, ";") {
				l.Former = append(l.Former, strings.TrimSpace(name))
			}
		}
		return nil
	}
	return fmt.Errorf("there is no column %q; there are %s", column, strings.Join(names, ", "))
}

// row is the line as it is sent.
func (l wardLine) row() (r api.WardRow, err error) {
	r = api.WardRow{Code: l.Code, NameVI: l.NameVI, NameEN: l.NameEN, Form: devices.WardForm(l.Form), Former: l.Former,
		Successors: l.Successors, Locality: telemetry.Locality(l.Locality)}
	for _, t := range []struct {
		name, text string
		to         **time.Time
	}{{"valid_from", l.ValidFrom, &r.ValidFrom}, {"valid_to", l.ValidTo, &r.ValidTo}, {"locality_from", l.LocalityFrom, &r.LocalityFrom}} {
		if t.text == "" {
			continue
		}
		at, err := terminal.ParseInstant(t.text)
		if err != nil {
			return r, fmt.Errorf("%s: %w", t.name, err)
		}
		*t.to = &at
	}
	if l.AreaKM2 != "" {
		if r.AreaKM2, err = strconv.ParseFloat(strings.ReplaceAll(l.AreaKM2, ",", "."), 64); err != nil {
			return r, fmt.Errorf("area_km2 is %q, which is no number", l.AreaKM2)
		}
	}
	if len(l.BBox) == 0 {
		return r, nil
	}
	var v []float64
	for _, text := range l.BBox {
		n, err := strconv.ParseFloat(strings.Trim(text, ","), 64)
		if err != nil {
			break
		}
		v = append(v, n)
	}
	if len(v) != 4 || len(l.BBox) != 4 || v[0] >= v[2] || v[1] >= v[3] || slices.Min(v) < -180 {
		return r, fmt.Errorf("bbox is %q: write west south east north in degrees, such as 109.13 11.88 109.2 11.96", strings.Join(l.BBox, " "))
	}
	r.Box = &api.Box{West: v[0], South: v[1], East: v[2], North: v[3]}
	return r, nil
}
