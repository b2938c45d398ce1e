package scenario

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/city"
)

//go:embed shipped/*.yaml
var shipped embed.FS

// Names lists the shipped scenarios.
func Names() []string {
	files, err := shipped.ReadDir("shipped")
	if err != nil {
		panic(fmt.Sprintf("read shipped scenarios: %v", err)) // they are in the program
	}
	var all []string
	for _, f := range files {
		all = append(all, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	return all
}

// Load reads a scenario: the shipped one of a name, or that of a file. The error
// joins all that is wrong with it; each is an [Error] with its line.
func Load(name string) (simulator.Scenario, error) {
	if slices.Contains(Names(), name) {
		text, err := Text(name)
		if err != nil {
			return simulator.Scenario{}, err
		}
		return Parse(name+".yaml", text)
	}
	f, err := os.Open(name)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return simulator.Scenario{}, fmt.Errorf("open scenario: there is no file %s, and no shipped scenario of that name; there are %s", name, strings.Join(Names(), ", "))
		}
		return simulator.Scenario{}, fmt.Errorf("open scenario: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return simulator.Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	return Parse(name, text)
}

// Text is a shipped scenario's file, to start one's own from.
func Text(name string) ([]byte, error) {
	text, err := shipped.ReadFile(path.Join("shipped", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("read shipped scenario %s: there are %s", name, strings.Join(Names(), ", "))
	}
	return text, nil
}

// Parse reads a scenario's text; file names it in errors.
func Parse(file string, text []byte) (simulator.Scenario, error) {
	r := &reader{file: file, at: map[string]ast.Node{}}
	v := r.parse(text)
	if r.errs != nil {
		return simulator.Scenario{}, errors.Join(r.errs...)
	}
	s := r.scenario(v)
	if r.errs == nil {
		r.issues(s.Check())
	}
	if r.errs != nil {
		return simulator.Scenario{}, errors.Join(r.errs...)
	}
	return s, nil
}

// issues adds what the simulator says of the scenario, with the lines it means.
func (r *reader) issues(err error) {
	if err == nil {
		return
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		var issue simulator.Issue
		if !errors.As(err, &issue) {
			r.bad(nil, "", "%v", err)
			continue
		}
		at := issue.Path
		for r.at[at] == nil && at != "" { // a default has no place of its own
			at = at[:max(strings.LastIndexByte(at, '.'), 0)]
		}
		r.bad(r.at[at], issue.Path, "%v", issue.Err)
	}
}

// scenario makes one of values whose forms are right.
func (r *reader) scenario(v values) simulator.Scenario {
	s := simulator.Scenario{Name: v.text("name"), Seed: uint64(v.number("seed"))}
	title := v.mapping("title")
	s.TitleVI, s.TitleEN = title.text("vi"), title.text("en")
	clock := r.period(&s, v.mapping("period"))
	for i, e := range v.maps("events") {
		at := fmt.Sprintf("events[%d]", i)
		s.Events = append(s.Events, city.Event{Kind: city.EventKind(e.text("event")), From: clock.time(e, at, "from"), To: clock.time(e, at, "to"),
			Strength: e.number("strength"), Lat: e.number("lat"), Lon: e.number("lon"), Localities: list[telemetry.Locality](e, "localities")})
	}
	for i, g := range v.maps("fleet") {
		at := fmt.Sprintf("fleet[%d]", i)
		s.Fleet = append(s.Fleet, simulator.Group{Kind: telemetry.Kind(g.text("kind")), Localities: list[telemetry.Locality](g, "localities"),
			Places: list[telemetry.Site](g, "places"), Count: int(g.number("count")), Every: r.length(g, at, "every"), Jitter: r.length(g, at, "jitter"),
			Format: simulator.FormatName(g.text("format")), Power: simulator.Power(g.text("power")), Radio: simulator.Radio(g.text("radio"))})
	}
	for i, f := range v.maps("faults") {
		at := fmt.Sprintf("faults[%d]", i)
		lose, _ := f["lose"].(bool)
		s.Faults = append(s.Faults, simulator.Fault{Class: simulator.FaultClass(f.text("fault")), From: clock.time(f, at, "from"), To: clock.time(f, at, "to"),
			Rate: f.number("rate"), Lasts: r.length(f, at, "lasts"), Metrics: list[telemetry.Metric](f, "metrics"), Size: f.number("size"),
			Offset: r.length(f, at, "offset"), Garbage: list[simulator.GarbageKind](f, "garbage"), Lose: lose, Keep: int(f.number("keep")),
			Who: simulator.Selector{Localities: list[telemetry.Locality](f, "localities"), Wards: list[string](f, "wards"), Places: list[telemetry.Site](f, "places"),
				Kinds: list[telemetry.Kind](f, "kinds"), Devices: list[telemetry.Device](f, "devices"), Share: f.number("share")}})
	}
	return s
}

// clock reads times of a scenario.
type clock struct {
	*reader
	zone  *time.Location
	start time.Time
}

// period reads the time line and the clock of what follows.
func (r *reader) period(s *simulator.Scenario, p values) *clock {
	c := &clock{reader: r, zone: time.FixedZone("Asia/Ho_Chi_Minh", 7*3600)}
	if name := p.text("zone"); name != "" && name != c.zone.String() {
		zone, err := time.LoadLocation(name)
		if err != nil {
			r.bad(r.at["period.zone"], "period.zone", "there is no time zone %q; write it as Asia/Ho_Chi_Minh", name)
			return c
		}
		c.zone = zone
	}
	s.Start = c.time(p, "period", "start")
	c.start = s.Start
	s.End = c.time(p, "period", "end")
	switch lasts := r.length(p, "period", "for"); {
	case lasts != 0 && !s.End.IsZero():
		r.bad(r.at["period.for"], "period.for", "a period has either an end or a length, not both")
	case lasts != 0:
		s.End = s.Start.Add(lasts)
	case s.End.IsZero() && r.errs == nil:
		r.bad(r.at["period"], "period", "its end is missing: give for, such as 24h, or end")
	}
	return c
}

// time reads a time; zero is none.
func (c *clock) time(v values, path, name string) time.Time {
	s := v.text(name)
	if s == "" {
		return time.Time{}
	}
	if after, ok := strings.CutPrefix(s, "+"); ok && !c.start.IsZero() {
		if d, ok := parseLength(after); ok && d >= 0 {
			return c.start.Add(d)
		}
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, c.zone); err == nil {
			return t
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t
	}
	path += "." + name
	c.bad(c.at[path], path, "%q is not a time; write 2025-11-18 06:00, or +30h for 30 hours after the start", s)
	return time.Time{}
}

// length reads a length of time; 0 is none.
func (r *reader) length(v values, path, name string) time.Duration {
	s := v.text(name)
	if s == "" {
		return 0
	}
	d, ok := parseLength(s)
	path += "." + name
	switch {
	case !ok:
		r.bad(r.at[path], path, "%q is not a length of time; write 90s, 5m, 12h or 3d", s)
	case d < 0 && name != "offset":
		r.bad(r.at[path], path, "%q is below 0", s)
	}
	return d
}

func (v values) text(name string) string    { s, _ := v[name].(string); return s }
func (v values) number(name string) float64 { n, _ := v[name].(float64); return n }
func (v values) mapping(name string) values { m, _ := v[name].(values); return m }
func (v values) maps(name string) []values  { m, _ := v[name].([]values); return m }

func list[T ~string](v values, name string) []T {
	var out []T
	texts, _ := v[name].([]string)
	for _, s := range texts {
		out = append(out, T(s))
	}
	return out
}
