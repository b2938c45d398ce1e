package main

import (
	"fmt"
	"html"
	"strings"
)

const (
	plotWidth, barLeft, barHeight, barGap = 860, 330, 26, 12
	barRoom                               = plotWidth - barLeft - 60
)

// colours are of the processes; they can be told apart without red and green.
func colours() map[string]string {
	return map[string]string{"haidang": "#0072b2", "mosquitto": "#e69f00", "telegraf": "#cc79a7", "victoria-metrics": "#56b4e9", "influxd": "#999999", "floor": "#000000"}
}

// plot draws, for each contender, the CPU of its processes for a stored message end to end.
func (r result) plot(l load) string {
	type bar struct {
		title string
		f     []Figure
		total float64
	}
	var bars []bar
	most := 1.0
	for _, c := range contenders() {
		if f := r.of(c.id, "load", l); len(f) > 0 {
			mid, _, _ := median(f, func(f Figure) float64 { return f.TotalCPU })
			bars = append(bars, bar{strings.ReplaceAll(c.title, "`", ""), f, mid})
			most = max(most, mid)
		}
	}
	height := 60 + len(bars)*(barHeight+barGap) + 30
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<text x="10" y="24" font-size="15">CPU for a stored message, µs: %s</text>`+"\n", html.EscapeString(l.String()))
	for i, bar := range bars {
		y := 44 + i*(barHeight+barGap)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", barLeft-8, y+18, html.EscapeString(bar.title))
		x := float64(barLeft)
		for _, name := range processOrder() {
			mid, _, _ := median(bar.f, func(f Figure) float64 { return f.CPU[name] })
			width := mid / most * barRoom
			if width > 0 {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s %.0f µs</title></rect>`+"\n", x, y, width, barHeight, colours()[name], name, mid)
			}
			x += width
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.0f</text>`+"\n", x+6, y+18, bar.total)
	}
	x := barLeft
	for _, name := range processOrder() {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d" font-size="11">%s</text>`+"\n", x, height-22, colours()[name], x+16, height-12, name)
		x += 30 + 6*len(name) + 14
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// processOrder is the order of the data's path.
func processOrder() []string {
	return []string{"mosquitto", "haidang", "telegraf", "victoria-metrics", "influxd", "floor"}
}
