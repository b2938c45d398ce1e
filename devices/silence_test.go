package devices_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// minutes are after noon.
func minutes(n float64) time.Time { return noon().Add(time.Duration(n * float64(time.Minute))) }

// reading is a measurement of a device at a time.
func reading(d telemetry.Device, at time.Time, more ...telemetry.Value) telemetry.Point {
	return telemetry.Point{Time: at, Series: telemetry.Series{Kind: telemetry.Noise, Locality: "nha-trang", Site: "s", Device: d},
		Values: append(more, value(telemetry.LAeq, 60))}
}

func value(m telemetry.Metric, v float64) telemetry.Value {
	return telemetry.Value{Spec: &telemetry.MetricSpec{Name: m}, Number: v}
}

// status is what was told of a device's connection.
func status(d telemetry.Device, at time.Time, online float64) telemetry.Point {
	return telemetry.Point{Time: at, Series: telemetry.Series{Kind: telemetry.Status, Device: d}, Values: []telemetry.Value{value(telemetry.Online, online)}}
}

func through(gateway string, received time.Time) devices.Sign {
	return devices.Sign{Received: received, Gateway: gateway}
}

func TestSilence(t *testing.T) {
	expected := devices.Expectation{Device: "d", Site: "s", Locality: "nha-trang", Cadence: time.Minute}
	for _, c := range []struct {
		name          string
		spoil         func(*devices.Expectation)
		received      []float64
		now           float64
		want          devices.Presence
		missing       float64
		lastIsUnknown bool
	}{
		{name: "just heard", received: []float64{100}, now: 100, want: devices.Fresh},
		{name: "three cadences", received: []float64{100}, now: 103, want: devices.Fresh, missing: 3},
		{name: "more than three", received: []float64{100}, now: 103.1, want: devices.Late, missing: 3.1},
		{name: "ten", received: []float64{100}, now: 110, want: devices.Late, missing: 10},
		{name: "more than ten", received: []float64{100}, now: 110.1, want: devices.Silent, missing: 10.1},
		{name: "heard again", received: []float64{100, 120}, now: 121, want: devices.Fresh, missing: 1},
		{name: "out of order", received: []float64{120, 100}, now: 121, want: devices.Fresh, missing: 1},
		{name: "own cadence", spoil: func(e *devices.Expectation) { e.Cadence = time.Hour }, received: []float64{100}, now: 200, want: devices.Fresh, missing: 100},
		{name: "never heard, just started", now: 1, want: devices.Waiting, missing: 1, lastIsUnknown: true},
		{name: "never heard, late", now: 4, want: devices.Late, missing: 4, lastIsUnknown: true},
		{name: "never heard, silent", now: 11, want: devices.Silent, missing: 11, lastIsUnknown: true},
		{name: "installed since", spoil: func(e *devices.Expectation) { e.Since = minutes(100) }, now: 101, want: devices.Waiting, missing: 1, lastIsUnknown: true},
		{name: "heard at another site", spoil: func(e *devices.Expectation) { e.Since = minutes(100) }, received: []float64{50}, now: 104, want: devices.Late, missing: 4, lastIsUnknown: true},
		{name: "in maintenance", spoil: func(e *devices.Expectation) { e.Muted = true }, received: []float64{1}, now: 500, want: devices.Muted, missing: 499},
		{name: "without cadence", spoil: func(e *devices.Expectation) { e.Cadence = 0 }, received: []float64{1}, now: 500, want: devices.Fresh, missing: 499},
		{name: "our clock went back", received: []float64{100}, now: 90, want: devices.Fresh},
	} {
		s := devices.NewSilence(noon())
		e := expected
		if c.spoil != nil {
			c.spoil(&e)
		}
		s.At(noon(), []devices.Expectation{e})
		for _, r := range c.received {
			s.Observe(reading("d", minutes(r-0.5)), through("", minutes(r)))
		}
		have := s.At(minutes(c.now), []devices.Expectation{e}).Devices[0]
		if have.State != c.want || have.Missing.Round(time.Millisecond) != time.Duration(c.missing*float64(time.Minute)).Round(time.Millisecond) || have.LastReceived.IsZero() != c.lastIsUnknown {
			t.Errorf("%s: have %s, missing %v, last %v; want %s, %v minutes", c.name, have.State, have.Missing, have.LastReceived, c.want, c.missing)
		}
	}
}

func TestIncidents(t *testing.T) {
	for _, c := range []struct {
		name                     string
		silent, fresh, late, off int
		incident                 bool
	}{
		{"all of three", 3, 0, 0, 0, true},
		{"only two", 2, 0, 0, 0, false},
		{"half of six", 3, 3, 0, 0, true},
		{"less than half", 3, 4, 0, 0, false},
		{"late is not silent", 2, 0, 4, 0, false},
		{"those in maintenance do not count", 3, 3, 0, 10, true},
	} {
		s := devices.NewSilence(noon())
		var expected []devices.Expectation
		add := func(n int, heard float64, muted bool) {
			for range n {
				d := telemetry.Device(fmt.Sprintf("d%02d", len(expected)))
				s.Observe(reading(d, minutes(heard)), through("gw", minutes(heard)))
				expected = append(expected, devices.Expectation{Device: d, Gateway: "as registered", Cadence: time.Minute, Muted: muted})
			}
		}
		add(c.silent, 50, false)
		add(c.fresh, 100, false)
		add(c.late, 95, false)
		add(c.off, 10, true)
		expected = append(expected, devices.Expectation{Device: "alone", Cadence: time.Minute}) // silent, without a gateway
		s.At(noon(), expected)
		have := s.At(minutes(100), expected)
		if (len(have.Incidents) == 1) != c.incident {
			t.Errorf("%s: have %+v", c.name, have.Incidents)
			continue
		}
		if have.Counts[devices.Silent] != c.silent+1 || have.Counts[devices.Muted] != c.off {
			t.Errorf("%s: counts %v", c.name, have.Counts)
		}
		if have.Devices[0].State != devices.Silent || have.Devices[0].Device != "alone" {
			t.Errorf("%s: the longest silent is %+v", c.name, have.Devices[0])
		}
		if !c.incident {
			continue
		}
		in := have.Incidents[0]
		want := devices.Incident{Gateway: "gw", Since: minutes(50), Devices: []telemetry.Device{"d00", "d01", "d02"}, Expected: c.silent + c.fresh + c.late}
		if diff := cmp.Diff(want, in); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		for _, d := range have.Devices {
			if (d.Incident == "gw") != (d.State == devices.Silent && d.Device != "alone") {
				t.Errorf("%s: %s is of the incident %q", c.name, d.Device, d.Incident)
			}
		}
	}
}

// After a restart a device is what it was before: the time in which nobody
// listened counts for nobody, and who was silent is so since the same moment.
func TestSilenceIsRestored(t *testing.T) {
	before := devices.NewSilence(noon())
	for device, heard := range map[telemetry.Device]float64{"silent": 2, "fresh": 29.5, "late": 25} {
		before.Observe(reading(device, minutes(heard-1)), through("gw", minutes(heard)))
	}
	var expected []devices.Expectation
	for _, d := range []telemetry.Device{"silent", "fresh", "late", "never"} {
		expected = append(expected, devices.Expectation{Device: d, Cadence: time.Minute, Since: minutes(-10)})
	}
	before.At(noon(), expected)
	saved := before.Unsaved()
	if len(saved) != 4 {
		t.Fatalf("%d devices are to be written down, not 4: %+v", len(saved), saved)
	}
	before.Saved(saved, nil)
	before.Observe(reading("fresh", minutes(28.9)), through("gw", minutes(29.9)))
	if again := before.Unsaved(); len(again) != 1 || again[0].Device != "fresh" || !again[0].Received.Equal(minutes(29.9)) {
		t.Errorf("after more was heard there is to be written down %+v", again)
	}
	// The process is away from minute 30 to 90.
	s := devices.NewSilence(minutes(90))
	s.Restore([]devices.Period{{From: noon(), To: minutes(30)}}, nil, saved)
	if n := len(s.Unsaved()); n != 0 {
		t.Errorf("%d devices are to be written down that have just been read", n)
	}
	for _, c := range []struct {
		now  float64
		want map[telemetry.Device]devices.Presence
	}{
		{90.1, map[telemetry.Device]devices.Presence{"silent": devices.Silent, "fresh": devices.Fresh, "late": devices.Late, "never": devices.Silent}},
		{93, map[telemetry.Device]devices.Presence{"silent": devices.Silent, "fresh": devices.Late, "late": devices.Late, "never": devices.Silent}},
		{96, map[telemetry.Device]devices.Presence{"silent": devices.Silent, "fresh": devices.Late, "late": devices.Silent, "never": devices.Silent}},
	} {
		for _, d := range s.At(minutes(c.now), expected).Devices {
			if d.State != c.want[d.Device] {
				t.Errorf("at minute %v %s is %s, want %s", c.now, d.Device, d.State, c.want[d.Device])
			}
			if d.Device == "silent" && (!d.LastReceived.Equal(minutes(2)) || d.Missing != minutes(c.now).Sub(minutes(2)) || d.Gateway != "gw") {
				t.Errorf("at minute %v the silent one was last heard %v through %q, and is missing for %v", c.now, d.LastReceived, d.Gateway, d.Missing)
			}
		}
	}
}

func TestSilenceForgetsRemovedDevices(t *testing.T) {
	s := devices.NewSilence(noon())
	for _, d := range []telemetry.Device{"a", "b", "c"} {
		s.Observe(reading(d, minutes(1)), through("gw", minutes(1)))
	}
	s.At(minutes(2), []devices.Expectation{{Device: "a", Cadence: time.Minute}})
	have := s.At(minutes(2), []devices.Expectation{{Device: "a", Cadence: time.Minute}, {Device: "b", Cadence: time.Minute}})
	if !have.Devices[0].LastReceived.IsZero() && !have.Devices[1].LastReceived.IsZero() {
		t.Errorf("b was to be forgotten: %+v", have.Devices)
	}
}

func TestExpectationsOfTheRegistry(t *testing.T) {
	c := newCity(t)
	ctx := t.Context()
	c.device("a", "thap-ba", telemetry.Waste, telemetry.Noise)
	c.device("b", "ma-vong", telemetry.Waste)
	if _, err := c.CreateDevice(ctx, by("lan"), devices.Device{ID: "planned", Kinds: []telemetry.Kind{telemetry.Noise}}); err != nil {
		t.Fatal(err)
	}
	i, err := c.Installations(ctx, devices.InstallationFilter{Device: "b"})
	if err != nil {
		t.Fatal(err)
	}
	i[0].Cadence = 6 * time.Hour
	if _, err := c.CorrectInstallation(ctx, by("lan"), i[0]); err != nil {
		t.Fatal(err)
	}
	want := []devices.Expectation{
		{Device: "a", Site: "thap-ba", Locality: "nha-trang", Kinds: []telemetry.Kind{telemetry.Noise, telemetry.Waste}, Since: noon(), Usual: []time.Duration{time.Minute, 30 * time.Minute}},
		{Device: "b", Site: "ma-vong", Locality: "nha-trang", Kinds: []telemetry.Kind{telemetry.Waste}, Since: noon(), Cadence: 6 * time.Hour, Usual: []time.Duration{30 * time.Minute}},
	}
	if diff := cmp.Diff(want, c.Snapshot().Expectations()); diff != "" {
		t.Error(diff)
	}
}
