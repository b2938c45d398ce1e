package city_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/city"
)

var update = flag.Bool("update", false, "write docs/signals.md and its figures anew")

// figure is a kind at a place in an ordinary week and in that of the flood.
type figure struct {
	kind telemetry.Kind
	site telemetry.Site
}

func figures() []figure {
	return []figure{
		{telemetry.Weather, "thap-tram-huong"}, {telemetry.WaterLevel, "dong-trang"}, {telemetry.WaterLevel, "trung-tam-ninh-hoa"},
		{telemetry.WaterLevel, "cua-song-dinh"}, {telemetry.WaterLevel, "cau-da"}, {telemetry.Traffic, "ma-vong"},
		{telemetry.AirQuality, "ma-vong"}, {telemetry.Noise, "bai-bien-tran-phu"}, {telemetry.WaterQuality, "cua-song-dinh"},
		{telemetry.StreetLight, "thap-tram-huong"}, {telemetry.Energy, "thap-tram-huong"}, {telemetry.Waste, "cho-dam"},
		{telemetry.Parking, "bai-bien-tran-phu"},
	}
}

// TestSignalsPage holds the plotted page to the model: go test ./simulator/city -run SignalsPage
// -update writes it.
func TestSignalsPage(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("another architecture may round a cosine differently")
	}
	zone := time.FixedZone("+07", 7*3600)
	flood := city.Event{Kind: city.Flood, From: time.Date(2025, 11, 15, 0, 0, 0, 0, zone), To: time.Date(2025, 12, 10, 0, 0, 0, 0, zone), Strength: 1}
	c := city.New(1, flood)
	weeks := []time.Time{time.Date(2025, 3, 10, 0, 0, 0, 0, zone), time.Date(2025, 11, 16, 0, 0, 0, 0, zone)}
	folder := filepath.Join("..", "..", "docs")
	var page strings.Builder
	page.WriteString("# The city's signals\n\nWhat `simulator/city` says of one week, seed 1: on the left an ordinary one in the dry season, from Monday\n10 March 2025, on the right that of the flood, from Sunday 16 November 2025. Each line is a metric, hour by hour, as it\nis at the place, without an instrument's noise. Both weeks have the same scale. Written by\n`go test ./simulator/city -run SignalsPage -update`; a test holds the page to the model.\n")
	for _, f := range figures() {
		name := fmt.Sprintf("%s-%s.svg", f.kind, f.site)
		svg, place := plot(c, f, weeks)
		fmt.Fprintf(&page, "\n## %s: %s\n\n![%s at %s](signals/%s)\n", telemetry.NewCatalogue().Kind(f.kind).NameEN, place.Name, f.kind, f.site, name)
		check(t, filepath.Join(folder, "signals", name), svg)
	}
	check(t, filepath.Join(folder, "signals.md"), []byte(page.String()))
}

// check compares a file with what it should be, or writes it.
func check(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is not what the model says; look at it again after go test ./simulator/city -run SignalsPage -update", file)
	}
}

const (
	left, top         = 150, 34
	wide, high        = 420, 58
	gap, between      = 16, 14
	hours, dayWidth   = 168, wide / 7.0
	textStyle, number = `font-size="12"`, `font-size="10" fill="#666"`
)

// short writes a number with three or four digits.
func short(v float64) string {
	if math.Abs(v) < 0.005 {
		return "0"
	}
	digits := max(0, 3-int(math.Ceil(math.Log10(math.Max(math.Abs(v), 0.01)))))
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// plot draws a figure: a row for each metric, a column for each week.
func plot(c *city.City, f figure, weeks []time.Time) ([]byte, city.Place) {
	var place city.Place
	for _, p := range city.Places() {
		if p.Site == f.site {
			place = p
		}
	}
	spec := telemetry.NewCatalogue().Kind(f.kind)
	channels := c.Channels(city.Station{Place: place, Every: time.Hour}, f.kind)
	height := top + len(channels)*(high+between) + 6
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif">`+"\n", left+2*wide+gap+10, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`+"\n")
	for w, from := range weeks {
		for d := range 7 {
			x := float64(left+w*(wide+gap)) + float64(d)*dayWidth
			fmt.Fprintf(&b, `<text x="%.0f" y="20" %s>%s</text>`+"\n", x+4, number, from.AddDate(0, 0, d).Format("Mon 2"))
		}
	}
	for i, ch := range channels {
		y := float64(top + i*(high+between))
		values := make([][]float64, len(weeks))
		low, most := math.Inf(1), math.Inf(-1)
		for w, from := range weeks {
			for h := range hours + 1 {
				v := ch.Signal.At(from.Add(time.Duration(h) * time.Hour))
				values[w] = append(values[w], v)
				low, most = math.Min(low, v), math.Max(most, v)
			}
		}
		counter := spec.Metric([]byte(ch.Metric)).Form == telemetry.Counter
		if counter { // from the week's begin
			low, most = 0, 0
			for w := range values {
				first := values[w][0]
				for h := range values[w] {
					values[w][h] -= first
					most = math.Max(most, values[w][h])
				}
			}
		}
		if most-low < 1e-9 {
			low, most = low-0.5, most+0.5
		}
		m := spec.Metric([]byte(ch.Metric))
		unit := m.Unit
		if counter {
			unit += " since"
		}
		fmt.Fprintf(&b, `<text x="8" y="%.0f" %s>%s</text><text x="8" y="%.0f" %s>%s</text>`+"\n", y+26, textStyle, ch.Metric, y+40, number, unit)
		fmt.Fprintf(&b, `<text x="%d" y="%.0f" text-anchor="end" %s>%s</text><text x="%d" y="%.0f" text-anchor="end" %s>%s</text>`+"\n", left-4, y+9, number, short(most), left-4, y+high, number, short(low))
		for w := range weeks {
			x := float64(left + w*(wide+gap))
			fmt.Fprintf(&b, `<rect x="%.0f" y="%.0f" width="%d" height="%d" fill="none" stroke="#ccc"/>`, x, y, wide, high)
			for d := 1; d < 7; d++ {
				fmt.Fprintf(&b, `<path d="M%.0f %.0fv%d" stroke="#eee"/>`, x+float64(d)*dayWidth, y, high)
			}
			b.WriteString(`<path fill="none" stroke="#0b5cad" stroke-width="1.2" d="`)
			for h, v := range values[w] {
				mark := "L"
				if h == 0 || m.Unit == "°" && math.Abs(v-values[w][h-1]) > 180 { // through north
					mark = "M"
				}
				fmt.Fprintf(&b, "%s%.1f %.1f", mark, x+float64(h)*wide/hours, y+high-(v-low)/(most-low)*high)
			}
			b.WriteString("\"/>\n")
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), place
}
