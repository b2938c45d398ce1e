package devices_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// told is one thing that comes of a device, at minutes after noon.
type told struct {
	at    float64
	point func(time.Time) telemetry.Point
	sign  func(*devices.Sign)
	held  bool // quarantined: no point
}

// What comes of a device, and what it makes of its presence: contact is not a reading.
func TestPresenceByWhatCame(t *testing.T) {
	good := func(at time.Time) telemetry.Point { return reading("d", at) }
	online := func(v float64) func(time.Time) telemetry.Point {
		return func(at time.Time) telemetry.Point { return status("d", at, v) }
	}
	flagged := func(q telemetry.Quality) func(time.Time) telemetry.Point {
		return func(at time.Time) telemetry.Point { return reading("d", at, value(telemetry.QualityCode, float64(q))) }
	}
	battery := func(at time.Time) telemetry.Point {
		p := reading("d", at)
		p.Values = []telemetry.Value{value(telemetry.Battery, 3.7), value(telemetry.RSSI, -90), value(telemetry.Sequence, 12)}
		return p
	}
	measured := func(at float64) func(time.Time) telemetry.Point {
		return func(time.Time) telemetry.Point { return reading("d", minutes(at)) }
	}
	retained := func(s *devices.Sign) { s.Retained = true }
	every := func(from, to float64, point func(time.Time) telemetry.Point) (out []told) {
		for at := from; at <= to; at++ {
			out = append(out, told{at: at, point: point})
		}
		return out
	}
	for _, c := range []struct {
		name                         string
		told                         []told
		now                          float64
		want                         devices.Presence
		online, faulty               bool
		reading, received, contacted float64 // minutes; negative is never
	}{
		{"readings", every(1, 30, good), 30, devices.Fresh, true, false, 30, 30, 30},
		{"only online", every(1, 30, online(1)), 30, devices.Silent, true, false, -1, -1, 30},
		{"readings, then only online", append(every(1, 10, good), every(11, 30, online(1))...), 30, devices.Silent, true, false, 10, 10, 30},
		{"connected for long without another word", append(every(1, 10, good), told{at: 10.5, point: online(1)}), 30, devices.Silent, true, false, 10, 10, 10.5},
		{"its will", append(every(1, 10, good), told{at: 15, point: online(0)}), 30, devices.Silent, false, false, 10, 10, 10},
		{"offline, but sends", append([]told{{at: 0.5, point: online(1)}, {at: 0.6, point: online(0)}}, every(1, 10, good)...), 10, devices.Fresh, false, false, 10, 10, 10},
		{"only its battery", append(every(1, 10, good), every(11, 30, battery)...), 30, devices.Silent, true, false, 10, 10, 30},
		{"only what is quarantined", append(every(1, 10, good), told{at: 28, held: true}), 30, devices.Silent, true, false, 10, 10, 28},
		{"calibrating", append(every(1, 10, good), every(11, 30, flagged(telemetry.Calibrating))...), 30, devices.Fresh, true, false, 30, 30, 30},
		{"flagged as errors", append(every(1, 10, good), every(11, 30, flagged(telemetry.InstrumentError))...), 30, devices.Silent, true, true, 10, 10, 30},
		{"mended", append(every(1, 29, flagged(telemetry.InstrumentError)), told{at: 30, point: good}), 30, devices.Fresh, true, false, 30, 30, 30},
		{"sends what it had stored", append(every(1, 10, good), told{at: 29, point: measured(11)}, told{at: 29.1, point: measured(12)}), 30, devices.Fresh, true, false, 12, 29.1, 29.1},
		{"an older reading is no news", append(every(1, 10, good), told{at: 29, point: measured(5.5)}), 30, devices.Silent, true, false, 10, 10, 29},
		{"a clock that stands", append(every(1, 10, good), every(11, 30, measured(10))...), 30, devices.Silent, true, false, 10, 10, 30},
		{"a clock set back", append(every(1, 10, good), every(11, 30, measured(3))...), 30, devices.Silent, true, false, 10, 10, 30},
		{"a clock a little ahead", every(1, 10, func(at time.Time) telemetry.Point { return reading("d", at.Add(9*time.Minute)) }), 12, devices.Fresh, true, false, 19, 10, 10},
		{"what the broker kept", []told{{at: 29, point: online(1), sign: retained}}, 30, devices.Silent, false, false, -1, -1, -1},
		{"a reading that the broker kept", []told{{at: 29, point: measured(5), sign: retained}}, 30, devices.Silent, false, false, 5, 5, -1},
		{"nothing", nil, 30, devices.Silent, false, false, -1, -1, -1},
	} {
		s := devices.NewSilence(noon())
		expected := []devices.Expectation{{Device: "d", Site: "s", Kinds: []telemetry.Kind{telemetry.Noise}, Usual: []time.Duration{time.Minute}, Cadence: time.Minute}}
		s.At(noon(), expected)
		for _, one := range c.told {
			sign := through("gw", minutes(one.at))
			if one.sign != nil {
				one.sign(&sign)
			}
			if one.held {
				s.Contact("d", sign)
				s.Contact("unknown", sign)
				continue
			}
			s.Observe(one.point(minutes(one.at)), sign)
		}
		have := s.At(minutes(c.now), expected).Devices[0]
		moment := func(at float64) time.Time {
			if at < 0 {
				return time.Time{}
			}
			return minutes(at)
		}
		if have.State != c.want || have.Online != c.online || have.Faulty != c.faulty || !have.LastEvent.Equal(moment(c.reading)) ||
			!have.LastReceived.Equal(moment(c.received)) || !have.LastContact.Equal(moment(c.contacted)) {
			t.Errorf("%s: have %+v", c.name, have)
		}
	}
}

// hours are after noon.
func hours(n float64) time.Time { return minutes(60 * n) }

// level is an hourly gauge that nobody has set a cadence of: its kind's is 5 minutes.
func level() devices.Expectation {
	return devices.Expectation{Device: "d", Site: "s", Locality: "nha-trang", Kinds: []telemetry.Kind{telemetry.Noise}, Usual: []time.Duration{5 * time.Minute}}
}

// A device whose cadence nobody has set is judged by its own, from when it can be
// learned, and patiently before.
func TestSilenceByLearnedCadence(t *testing.T) {
	type moment struct {
		hour float64
		want devices.Presence
	}
	at := func(hour ...float64) []float64 { return hour }
	for _, c := range []struct {
		name    string
		every   float64   // hours
		hours   []float64 // of readings
		want    []moment
		cadence time.Duration
		learned bool
	}{
		{"a newcomer each hour", 1, at(0.01, 1, 2), []moment{{0.2, devices.Fresh}, {0.9, devices.Late}, {2.9, devices.Fresh}}, 5 * time.Minute, false},
		{"each hour", 1, at(1, 2, 3, 4, 5, 6, 7), []moment{{7.9, devices.Fresh}, {10.5, devices.Late}, {17.5, devices.Silent}}, time.Hour, true},
		{"each hour, one lost", 1, at(1, 2, 3, 4, 5, 7, 8), []moment{{8.9, devices.Fresh}, {19, devices.Silent}}, time.Hour, true},
		{"each minute", 1. / 60, at(1, 1+1./60, 1+2./60, 1+3./60, 1+4./60, 1+5./60), []moment{{1 + 7./60, devices.Fresh}, {1 + 14./60, devices.Late}, {1 + 16./60, devices.Silent}}, time.Minute, true},
		{"each six hours", 6, at(1, 7, 13, 19, 25), []moment{{30, devices.Fresh}, {50, devices.Late}, {86, devices.Silent}}, 6 * time.Hour, true},
		{"a newcomer each six hours", 6, at(1, 7), []moment{{6.9, devices.Late}, {12.9, devices.Fresh}}, 5 * time.Minute, false},
		{"a newcomer that breaks", 0, at(0.1, 0.2), []moment{{5, devices.Late}, {7.5, devices.Silent}}, 5 * time.Minute, false},
		{"never a reading", 0, nil, []moment{{0.1, devices.Waiting}, {0.5, devices.Late}, {6.9, devices.Late}, {7.1, devices.Silent}}, 5 * time.Minute, false},
	} {
		s := devices.NewSilence(noon())
		e := level()
		s.At(noon(), []devices.Expectation{e})
		left := c.hours
		for _, m := range c.want {
			for len(left) > 0 && left[0] <= m.hour {
				s.Observe(reading("d", hours(left[0])), through("gw", hours(left[0])))
				left = left[1:]
			}
			if have := s.At(hours(m.hour), []devices.Expectation{e}).Devices[0]; have.State != m.want {
				t.Errorf("%s: at hour %v it is %s, want %s (by %v)", c.name, m.hour, have.State, m.want, have.Cadence)
			}
		}
		have := s.At(hours(30), []devices.Expectation{e}).Devices[0].Cadences[0]
		if have.Every != c.cadence || have.Learned != c.learned || have.Usual == c.learned {
			t.Errorf("%s: cadence %+v", c.name, have)
		}
		e.Cadence = 10 * time.Minute // somebody sets it: it counts
		if have := s.At(hours(30), []devices.Expectation{e}).Devices[0].Cadences[0]; have.Every != e.Cadence || have.Learned || have.Usual {
			t.Errorf("%s: set cadence %+v", c.name, have)
		}
	}
}

// A logger that measures each hour and sends six readings each six hours is in time,
// whether its cadence is learned or set.
func TestSilenceOfLoggers(t *testing.T) {
	for _, set := range []time.Duration{0, time.Hour} {
		s := devices.NewSilence(noon())
		e := level()
		e.Cadence = set
		s.At(noon(), []devices.Expectation{e})
		for sent := 6; sent <= 36; sent += 6 {
			for k := range 6 {
				s.Observe(reading("d", hours(float64(sent-5+k))), through("gw", hours(float64(sent)).Add(time.Duration(k)*time.Second)))
			}
		}
		for _, c := range []struct {
			hour float64
			want devices.Presence
		}{{41.9, devices.Fresh}, {53, devices.Fresh}, {55, devices.Late}, {97, devices.Silent}} {
			have := s.At(hours(c.hour), []devices.Expectation{e}).Devices[0]
			if have.State != c.want || have.Cadence != 6*time.Hour || have.Cadences[0].Every != time.Hour {
				t.Errorf("set to %v: at hour %v it is %s by %v, %v; want %s", set, c.hour, have.State, have.Cadence, have.Cadences, c.want)
			}
		}
	}
}

// Nothing is missed before a device was known, stood there and could be heard.
func TestSilenceSince(t *testing.T) {
	base := func() devices.Expectation {
		return devices.Expectation{Device: "d", Site: "s", Locality: "nha-trang", Kinds: []telemetry.Kind{telemetry.Noise}, Usual: []time.Duration{time.Minute}, Cadence: time.Minute}
	}
	judge := func(s *devices.Silence, at float64, e devices.Expectation) devices.DeviceSilence {
		return s.At(minutes(at), []devices.Expectation{e}).Devices[0]
	}
	want := func(t *testing.T, s *devices.Silence, at float64, e devices.Expectation, state devices.Presence, missing float64) {
		t.Helper()
		if d := judge(s, at, e); d.State != state || d.Missing != time.Duration(missing*float64(time.Minute)) {
			t.Errorf("at minute %v it is %s, missing for %v; want %s, %v minutes", at, d.State, d.Missing, state, missing)
		}
	}
	t.Run("registered for the past", func(t *testing.T) {
		s, e := devices.NewSilence(noon()), base()
		e.Since = minutes(-600)
		want(t, s, 24, e, devices.Waiting, 0)
		want(t, s, 25, e, devices.Waiting, 1)
		want(t, s, 35, e, devices.Silent, 11)
	})
	t.Run("what waited was measured before it was known", func(t *testing.T) {
		s, e := devices.NewSilence(noon()), base()
		e.Since = minutes(-600)
		want(t, s, 24, e, devices.Waiting, 0)
		s.Observe(reading("d", minutes(3)), through("", minutes(3)))
		want(t, s, 25, e, devices.Fresh, 22)
		want(t, s, 35, e, devices.Silent, 32)
	})
	t.Run("registered for the future", func(t *testing.T) {
		s, e := devices.NewSilence(noon()), base()
		e.Since = minutes(60)
		want(t, s, 1, e, devices.Waiting, 0)
		want(t, s, 59, e, devices.Waiting, 0)
		want(t, s, 64, e, devices.Late, 4)
	})
	t.Run("moved", func(t *testing.T) {
		s, e := devices.NewSilence(noon()), base()
		want(t, s, 0, e, devices.Waiting, 0)
		s.Observe(reading("d", minutes(10)), through("", minutes(10)))
		e.Site, e.Since = "elsewhere", minutes(12)
		want(t, s, 40, e, devices.Waiting, 0) // told late that it stands there
		s.Observe(reading("d", minutes(11)), through("", minutes(41)))
		want(t, s, 42, e, devices.Waiting, 2) // that was of the other site
		s.Observe(reading("d", minutes(43)), through("", minutes(43)))
		want(t, s, 44, e, devices.Fresh, 1)
	})
	t.Run("after maintenance", func(t *testing.T) {
		s, e := devices.NewSilence(noon()), base()
		want(t, s, 0, e, devices.Waiting, 0)
		s.Observe(reading("d", minutes(10)), through("", minutes(10)))
		e.Muted = true
		want(t, s, 500, e, devices.Muted, 490)
		e.Muted = false
		want(t, s, 501, e, devices.Fresh, 491)
		want(t, s, 505, e, devices.Late, 495)
		want(t, s, 512, e, devices.Silent, 502)
	})
	for _, c := range []struct {
		name string
		deaf devices.Ear
		want devices.Presence // after an hour of deafness
	}{
		{"its gateway", devices.GatewayEar("gw"), devices.Fresh},
		{"another gateway", devices.GatewayEar("other"), devices.Silent},
		{"the store", devices.AllEars, devices.Fresh},
		{"its locality, but its gateway hears", devices.LocalityEar("nha-trang"), devices.Silent},
	} {
		t.Run("deaf is "+c.name, func(t *testing.T) {
			s, e := devices.NewSilence(noon()), base()
			s.Listen(devices.GatewayEar("gw"), true, noon())
			want(t, s, 0, e, devices.Waiting, 0)
			s.Observe(reading("d", minutes(10)), through("gw", minutes(10)))
			s.Listen(c.deaf, false, minutes(11))
			want(t, s, 70, e, c.want, 60)
			s.Listen(c.deaf, true, minutes(71))
			s.Listen(devices.AllEars, false, minutes(70)) // overlapping times count once
			s.Listen(devices.AllEars, true, minutes(71))
			want(t, s, 71, e, c.want, 61)
			want(t, s, 90, e, devices.Silent, 80)
			// A restart knows it, too.
			saved, deaf := s.Unsaved(), s.Unheard()
			s.Saved(saved, deaf)
			if n := len(s.Unheard()); n != 0 {
				t.Errorf("%d times of deafness are to be written down again", n)
			}
			again := devices.NewSilence(minutes(80))
			again.Restore([]devices.Period{{From: noon(), To: minutes(73)}}, deaf, saved)
			again.Listen(devices.GatewayEar("gw"), true, minutes(80))
			want(t, again, 80, e, c.want, 70)
		})
	}
	t.Run("a locality without a gateway", func(t *testing.T) {
		s, e := devices.NewSilence(noon()), base()
		s.Listen(devices.LocalityEar("nha-trang"), false, noon())
		want(t, s, 0, e, devices.Waiting, 0)
		want(t, s, 60, e, devices.Waiting, 60)
		s.Listen(devices.LocalityEar("nha-trang"), true, minutes(60))
		want(t, s, 72, e, devices.Silent, 72)
	})
}

// What was learned outlives the process.
func TestLearnedCadenceIsRestored(t *testing.T) {
	s, e := devices.NewSilence(noon()), level()
	s.At(noon(), []devices.Expectation{e})
	for h := range 6 {
		s.Observe(reading("d", hours(float64(h))), through("gw", hours(float64(h))))
	}
	s.Observe(status("d", hours(5.5), 1), through("gw", hours(5.5)))
	again := devices.NewSilence(hours(6))
	again.Restore([]devices.Period{{From: noon(), To: hours(6)}}, nil, s.Unsaved())
	want := s.At(hours(7), []devices.Expectation{e}).Devices[0]
	have := again.At(hours(7), []devices.Expectation{e}).Devices[0]
	if have.State != want.State || have.Cadences[0] != want.Cadences[0] || !have.Cadences[0].Learned || have.Online != want.Online || !have.LastContact.Equal(want.LastContact) {
		t.Errorf("have %+v, want %+v", have, want)
	}
	// Four more readings at another cadence do not do: it was learned that it is hourly.
	for m := range 3 {
		at := hours(7).Add(time.Duration(m) * time.Minute)
		again.Observe(reading("d", at), through("gw", at))
	}
	if have := again.At(hours(8), []devices.Expectation{e}).Devices[0]; have.Cadences[0].Every != time.Hour {
		t.Errorf("after a few minutes it is believed to send each %v", have.Cadences[0].Every)
	}
}
