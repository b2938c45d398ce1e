package city

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// local is a time in the city.
func local(year, month, dom, hour, minute int) time.Time {
	return time.Date(year, time.Month(month), dom, hour, minute, 0, 0, time.FixedZone("+07", 7*3600))
}

func placeOf(t testing.TB, site telemetry.Site) Place {
	t.Helper()
	for _, p := range Places() {
		if p.Site == site {
			return p
		}
	}
	t.Fatalf("no place %q", site)
	return Place{}
}

// signals are the signals of a kind at a site by metric.
func signals(t testing.TB, c *City, site telemetry.Site, kind telemetry.Kind, every time.Duration) map[telemetry.Metric]Signal {
	t.Helper()
	m := map[telemetry.Metric]Signal{}
	for _, ch := range c.Channels(Station{Place: placeOf(t, site), Every: every}, kind) {
		m[ch.Metric] = ch.Signal
	}
	return m
}

// expect complains about a number outside its band.
func expect(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %.3f; it should be %.3f ± %.3f", what, got, want, tolerance)
	}
}

func between(t testing.TB, what string, got, low, high float64) {
	t.Helper()
	if !(got >= low && got <= high) {
		t.Errorf("%s is %.3f; it should be from %.3f to %.3f", what, got, low, high)
	}
}

// everything is one event of each kind in the November of a year.
func everything() []Event {
	at := func(day int) time.Time { return local(2025, 11, day, 0, 0) }
	return []Event{
		{Kind: Flood, From: at(15), To: at(23), Strength: 1},
		{Kind: Typhoon, From: at(5), To: at(8), Strength: 13},
		{Kind: Depression, From: at(2), To: at(4), Strength: 7},
		{Kind: RainSpell, From: at(10), To: at(12), Strength: 300},
		{Kind: Haze, From: at(24), To: at(30), Strength: 2},
		{Kind: Heat, From: at(24), To: at(28), Strength: 8},
		{Kind: Holiday, From: at(24), To: at(28), Strength: 3},
	}
}

// anyTime is a moment by chance: mostly among the events, else in any year.
func anyTime(i uint64) time.Time {
	h := mix(77, i)
	if i%2 == 0 {
		return local(2025, 11, 1, 0, 0).Add(time.Duration(unit(h) * float64(32*24*time.Hour)))
	}
	return time.UnixMilli(int64((unit(h)*160 - 60) * 365.25 * day)) // 1910 to 2070
}

func TestEveryValueIsWithinTheCataloguesRange(t *testing.T) {
	catalogue := telemetry.NewCatalogue()
	cities := []*City{New(1), New(2, everything()...)}
	kinds := catalogue.Kinds()
	stops := map[telemetry.Metric]int{}
	for i := range uint64(6000) {
		h := mix(5, i)
		kind := &kinds[h%10]
		place := Place{Site: "anywhere", Lat: 11.7 + unit(mix(h, 1)), Lon: 108.8 + 0.6*unit(mix(h, 2)), Setting: Settings()[mix(h, 3)%18], Locality: "ninh-hoa"}
		if i%3 > 0 {
			place = Places()[mix(h, 4)%uint64(len(Places()))]
		}
		at := anyTime(i)
		s := Station{Place: place, Salt: h, Size: 0.6 + 0.8*unit(mix(h, 5)), Every: kind.Cadence}
		for _, ch := range cities[i&1].Channels(s, kind.Kind) {
			spec := kind.Metric([]byte(ch.Metric))
			v := ch.Signal.At(at)
			if problem, ok := spec.Check(v); !ok {
				t.Fatalf("%s %s at %s, %s: %s", kind.Kind, ch.Metric, place.Site, at, problem.Detail)
			}
			// The model itself must stay within; the bounds are only a net.
			if raw := ch.Signal.(truth).of(at); raw < spec.Min || raw > spec.Max || math.IsNaN(raw) {
				stops[ch.Metric]++
				if stops[ch.Metric] < 3 {
					t.Errorf("%s %s at %s (%s), %s: the model says %v, beyond %v to %v", kind.Kind, ch.Metric, place.Site, place.Setting, at, raw, spec.Min, spec.Max)
				}
			}
		}
	}
}

func TestChannelsFollowTheCatalogue(t *testing.T) {
	c := New(1)
	for _, kind := range telemetry.NewCatalogue().Kinds() {
		for _, p := range Places() {
			channels := c.Channels(Station{Place: p}, kind.Kind)
			if kind.Kind == telemetry.Status {
				if len(channels) != 0 {
					t.Errorf("status has %d signals; it is told, not measured", len(channels))
				}
				continue
			}
			var want, got []telemetry.Metric
			for _, m := range kind.Metrics[:len(kind.Metrics)-4] { // the last four are the device's
				want = append(want, m.Name)
			}
			for _, ch := range channels {
				got = append(got, ch.Metric)
			}
			if kind.Kind == telemetry.WaterLevel && !slices.Contains(got, telemetry.Flow) {
				want = slices.DeleteFunc(want, func(m telemetry.Metric) bool { return m == telemetry.Flow })
				if s := p.Setting; s == River || s == Estuary || s == Lagoon || s == Reservoir {
					t.Errorf("%s has no discharge", p.Site)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s at %s has %v; the catalogue says %v", kind.Kind, p.Site, got, want)
			}
		}
	}
	if n := len(c.Channels(Station{}, "unknown")); n != 0 {
		t.Errorf("an unknown kind has %d signals", n)
	}
}

func TestEventsAreChecked(t *testing.T) {
	from, to := local(2025, 11, 1, 0, 0), local(2025, 11, 2, 0, 0)
	for _, e := range everything() {
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
	}
	for name, e := range map[string]Event{
		"unknown":    {Kind: "earthquake", From: from, To: to, Strength: 1},
		"backwards":  {Kind: Haze, From: to, To: from, Strength: 1},
		"no time":    {Kind: Haze, From: to, To: to, Strength: 1},
		"weak":       {Kind: Typhoon, From: from, To: to, Strength: 5},
		"nan":        {Kind: Haze, From: from, To: to, Strength: math.NaN()},
		"in Ireland": {Kind: Typhoon, From: from, To: to, Strength: 9, Lat: 53, Lon: -6},
	} {
		if e.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("New took an event that Validate refuses")
		}
	}()
	New(1, Event{Kind: "earthquake"})
}
