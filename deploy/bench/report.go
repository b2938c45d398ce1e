package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is one run of the bench.
type result struct {
	Machine machine  `json:"machine"`
	Quick   bool     `json:"quick,omitempty"`
	Outage  float64  `json:"outage_s"`
	Figures []Figure `json:"figures"`
}

// machine is where and with what it was measured.
type machine struct {
	Date       string   `json:"date"`
	Processor  string   `json:"processor"`
	Processors int      `json:"processors"`
	Memory     float64  `json:"memory_gib"`
	Kernel     string   `json:"kernel"`
	Load       string   `json:"load_before"`
	Versions   []string `json:"versions"`
}

func readResult(path string) (r result, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}

// describe asks the machine and the programs.
func describe(p programs) machine {
	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(data))
	}
	m := machine{Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Processors: runtime.NumCPU(),
		Kernel: read("/proc/sys/kernel/osrelease"), Load: strings.Join(strings.Fields(read("/proc/loadavg"))[:3], " ")}
	for line := range strings.Lines(read("/proc/cpuinfo")) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	var kib float64
	if _, err := fmt.Sscanf(read("/proc/meminfo"), "MemTotal: %f kB", &kib); err == nil {
		m.Memory = kib / (1 << 20)
	}
	for _, ask := range [][]string{{p.haidang, "version"}, {p.mosquitto, "-h"}} {
		text, _ := exec.Command(ask[0], ask[1:]...).CombinedOutput() // Mosquitto says it with code 3
		line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		m.Versions = append(m.Versions, line)
	}
	// What was built from its module says nothing of itself, but its build does.
	for name, path := range map[string]string{"Telegraf": p.telegraf, "InfluxDB": p.influxd, "VictoriaMetrics": p.victoria} {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			continue
		}
		version := info.Main.Version
		if version == "" { // Debian's build does not, but its package does
			text, _ := exec.Command("dpkg-query", "-W", "-f", "${Version}", filepath.Base(path)).Output()
			version = string(text)
		}
		m.Versions = append(m.Versions, name+" "+version+" ("+info.GoVersion+")")
	}
	slices.Sort(m.Versions[2:])
	return m
}

// line is a figure for the terminal.
func (g Figure) line() string {
	switch g.Phase {
	case "load":
		return fmt.Sprintf("%.0f µs %v, %.0f/s, PUBACK p99 %.0f ms, queryable p50 %.0f p99 %.0f ms, %.0f MiB, start %.1f s, lost %d, twice %d",
			g.TotalCPU, rounded(g.CPU), g.Reached, g.PUBACK99, g.Visible50, g.Visible99, g.TotalPeak, g.Start, g.Lost, g.Twice)
	case "rate":
		return fmt.Sprintf("%d/s", g.Highest)
	case "outage":
		return fmt.Sprintf("catch-up %.1f × live, lost %d, twice %d", g.CatchUp, g.Lost, g.Twice)
	case "size":
		return fmt.Sprintf("%.2f bytes a sample (of %d)", g.Bytes, g.Stored)
	}
	return fmt.Sprintf("lost %d, twice %d of %d acknowledged", g.Lost, g.Twice, g.Acknowledged)
}

// rounded is a map of figures without their fractions.
func rounded(m map[string]float64) map[string]int {
	out := map[string]int{}
	for k, v := range m {
		out[k] = int(v + 0.5)
	}
	return out
}

// of are the figures of a contender in a phase.
func (r result) of(id, phase string, l load) (out []Figure) {
	for _, f := range r.Figures {
		if f.Contender == id && f.Phase == phase && (l == load{} || l == f.Load) {
			out = append(out, f)
		}
	}
	return out
}

// median of one number of figures, and how far they spread; "–" of none.
func median(figures []Figure, get func(Figure) float64) (mid, low, high float64) {
	var all []float64
	for _, f := range figures {
		all = append(all, get(f))
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[0], all[len(all)-1]
}

// show is a median with its spread.
func show(figures []Figure, format string, get func(Figure) float64) string {
	if len(figures) == 0 {
		return "–"
	}
	mid, low, high := median(figures, get)
	text := fmt.Sprintf(format, mid)
	if len(figures) > 1 {
		text += fmt.Sprintf(" ("+format+"–"+format+")", low, high)
	}
	return text
}

// ratio is the median over the rounds of one contender's CPU to another's in the same round.
func (r result) ratio(a, b string, l load) (float64, bool) {
	var all []float64
	for _, f := range r.of(a, "load", l) {
		for _, g := range r.of(b, "load", l) {
			if f.Round == g.Round && g.TotalCPU > 0 {
				all = append(all, f.TotalCPU/g.TotalCPU)
			}
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	slices.Sort(all)
	return all[len(all)/2], true
}

// loads are the loads that were measured, in their order.
func (r result) loads() (out []load) {
	for _, f := range r.Figures {
		if f.Phase == "load" && !slices.Contains(out, f.Load) {
			out = append(out, f.Load)
		}
	}
	return out
}

// tables is what the README has between its marks.
func (r result) tables() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "Measured %s on %d × %s, %.0f GiB, Linux %s; load of the machine before: %s.\n", m.Date, m.Processors, m.Processor, m.Memory, m.Kernel, m.Load)
	fmt.Fprintf(&b, "Versions: %s.\n", strings.Join(m.Versions, "; "))
	if r.Quick {
		b.WriteString("\n**Quick**: one short round; only its order of magnitude means anything.\n")
	}
	for _, l := range r.loads() {
		fmt.Fprintf(&b, "\n### %s, %.0f s\n\n", l, l.Seconds)
		b.WriteString("| | CPU a message, µs | of each process | × peer | reached/s | PUBACK p50 / p99, ms | queryable p50 / p99, ms | peak MiB | start empty / full, s | lost / twice |\n|---|---|---|---|---|---|---|---|---|---|\n")
		for _, c := range contenders() {
			b.WriteString(r.row(c, l))
		}
	}
	b.WriteString("\n### Once each\n\n| | highest rate, 5,000 connections | catch-up, × live | lost / twice after `kill -9` | bytes a sample |\n|---|---|---|---|---|\n")
	for _, c := range append(contenders(), contender{id: outage, title: "`haidang up`, power, to VictoriaMetrics"}) {
		b.WriteString(r.once(c))
	}
	fmt.Fprintf(&b, "\nThe store was away for %.0f s.\n", r.Outage)
	return b.String()
}

func (r result) row(c contender, l load) string {
	f := r.of(c.id, "load", l)
	if len(f) == 0 {
		return ""
	}
	var parts []string
	for _, name := range processOrder() {
		if f[0].CPU[name] > 0 {
			mid, _, _ := median(f, func(f Figure) float64 { return f.CPU[name] })
			parts = append(parts, fmt.Sprintf("%s %.0f", name, mid))
		}
	}
	ratio := "–"
	if v, ok := r.ratio(c.id, peer, l); ok {
		ratio = fmt.Sprintf("%.2f", v)
	}
	lost, twice := int64(0), int64(0)
	for _, g := range f {
		lost, twice = lost+g.Lost, twice+g.Twice
	}
	get := func(format string, of func(Figure) float64) string { return show(f, format, of) }
	one := func(of func(Figure) float64) string { mid, _, _ := median(f, of); return fmt.Sprintf("%.4g", mid) }
	visible, start := "–", one(func(f Figure) float64 { return f.Start })
	if !c.floor {
		visible = one(func(f Figure) float64 { return f.Visible50 }) + " / " + one(func(f Figure) float64 { return f.Visible99 })
		start += " / " + one(func(f Figure) float64 { return f.StartFull })
	}
	fate := fmt.Sprintf("%d / %d", lost, twice)
	if c.floor {
		fate = "–"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s / %s | %s | %s | %s | %s |\n", c.title, get("%.0f", func(f Figure) float64 { return f.TotalCPU }), strings.Join(parts, ", "), ratio,
		one(func(f Figure) float64 { return f.Reached }), one(func(f Figure) float64 { return f.PUBACK50 }), one(func(f Figure) float64 { return f.PUBACK99 }),
		visible, get("%.0f", func(f Figure) float64 { return f.TotalPeak }), start, fate)
}

func (r result) once(c contender) string {
	cell := func(phase string, format func(Figure) string) (string, bool) {
		f := r.of(c.id, phase, load{})
		if len(f) == 0 {
			return "–", false
		}
		return format(f[len(f)-1]), true
	}
	rate, a := cell("rate", func(f Figure) string { return fmt.Sprintf("%d", f.Highest) })
	catch, b := cell("outage", func(f Figure) string { return fmt.Sprintf("%.1f (lost %d, twice %d)", f.CatchUp, f.Lost, f.Twice) })
	kill, d := cell("kill", func(f Figure) string { return fmt.Sprintf("%d / %d of %d", f.Lost, f.Twice, f.Acknowledged) })
	size, e := cell("size", func(f Figure) string { return fmt.Sprintf("%.2f", f.Bytes) })
	if !a && !b && !d && !e {
		return ""
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", c.title, rate, catch, kill, size)
}

const (
	beginMark = "<!-- measured: what is between these marks `make bench` writes -->"
	endMark   = "<!-- /measured -->"
)

// write puts tables, plots and raw figures into a folder.
func (r result) write(dir string) error {
	path := filepath.Join(dir, "README.md")
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !ok || !ended {
		return fmt.Errorf("%s has not the marks %q and %q", path, beginMark, endMark)
	}
	var plots strings.Builder
	for i, l := range r.loads() {
		name := fmt.Sprintf("load-%d.svg", i+1)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(r.plot(l)), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&plots, "\n![CPU of each process for a stored message: %s](%s)\n", l, name)
	}
	text := before + beginMark + "\n" + r.tables() + plots.String() + endMark + after
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "figures.json"), append(raw, '\n'), 0o644)
}
