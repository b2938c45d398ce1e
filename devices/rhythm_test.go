package devices

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A cadence is learned whatever is lost, late, doubled or split, and never from what
// has none.
func TestRhythmIsLearned(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	base := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	every := func(d time.Duration, n int) (out []time.Duration) {
		for i := range n {
			out = append(out, time.Duration(i)*d)
		}
		return out
	}
	for _, c := range []struct {
		name string
		at   []time.Duration
		want time.Duration
	}{
		{"four readings are three gaps", every(h, 4), 0},
		{"five readings", every(h, 5), h},
		{"a minute", every(m, 9), m},
		{"six hours", every(6*h, 9), 6 * h},
		{"a day", every(24*h, 9), 24 * h},
		{"ten seconds", every(10*s, 30), 10 * s},
		{"below what is told apart", every(s, 30), 2 * s},
		{"with jitter", []time.Duration{0, 61 * s, 118 * s, 181 * s, 242 * s, 299 * s, 362 * s}, m},
		{"no usual cadence", every(7*m, 9), 7 * m},
		{"nearly an hour", every(58*m, 9), h},
		{"an hour lost here and there", []time.Duration{0, h, 2 * h, 4 * h, 5 * h, 6 * h, 8 * h, 9 * h}, h},
		{"no reading at midnight", []time.Duration{19 * h, 20 * h, 21 * h, 22 * h, 23 * h, 25 * h, 26 * h}, h},
		{"a long outage", append(every(h, 5), 80*h, 81*h, 82*h), h},
		{"newest first", []time.Duration{5 * h, 4 * h, 3 * h, 2 * h, h, 0}, h},
		{"in no order, and twice", []time.Duration{3 * h, 0, 3 * h, h, h, 5 * h, 4 * h, 0, 2 * h}, h},
		{"a report in two parts", []time.Duration{0, 5 * s, 5 * m, 5*m + 5*s, 10 * m, 10*m + 5*s, 15 * m, 15*m + 5*s, 20 * m}, 5 * m},
		{"a report in six parts", func() (out []time.Duration) {
			for i := range 60 {
				out = append(out, time.Duration(i/6)*5*m+time.Duration(i%6)*300*time.Millisecond)
			}
			return out
		}(), 5 * m},
		{"whenever something happens", []time.Duration{0, 3 * m, 40 * m, 41 * m, 90 * m, 200 * m, 205 * m, 300 * m, 301 * m}, 0},
		{"set from a minute to an hour: three hours are too few", append(every(m, 30), 29*m+h, 29*m+2*h), m},
		{"set from a minute to an hour", append(every(m, 30), func() (out []time.Duration) {
			for i := range 7 {
				out = append(out, 29*m+time.Duration(i+1)*h)
			}
			return out
		}()...), h},
		{"set from an hour to a minute", append(every(h, 9), func() (out []time.Duration) {
			for i := range 9 {
				out = append(out, 8*h+time.Duration(i+1)*m)
			}
			return out
		}()...), m},
		{"older readings are put in after", append(every(h, 9), -100*h, -99*h, -98*h, -97*h), h},
	} {
		var r rhythm
		for _, at := range c.at {
			r.add(base.Add(at))
		}
		if r.Every != c.want {
			t.Errorf("%s: learned %v, want %v (%v)", c.name, r.Every, c.want, r.Times)
		}
	}
}

// A learned cadence neither flaps nor drifts while a third of the readings is lost, and
// what is lost is never taken for a slower cadence for long.
func TestRhythmOfLosses(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, every := range []time.Duration{time.Minute, time.Hour, 6 * time.Hour} {
		for _, loss := range []float64{0.1, 0.3} {
			var r rhythm
			at, wrong := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), 0
			const n = 5000
			for range n {
				at = at.Add(every)
				if random.Float64() >= loss {
					r.add(at.Add(time.Duration(random.IntN(1000)) * time.Millisecond))
				}
				if r.Every != 0 && r.Every != every {
					wrong++
				}
			}
			if limit := map[float64]int{0.1: 0, 0.3: n / 100}[loss]; wrong > limit || r.Every == 0 {
				t.Errorf("every %v with %v lost: %d of %d times something else was believed, at last %v", every, loss, wrong, n, r.Every)
			}
		}
	}
}

// Readings that are sent together are one transmission.
func TestTransmissions(t *testing.T) {
	base := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		cadence time.Duration
		each    time.Duration
		size    int
		spread  time.Duration
		n       int
		want    time.Duration
	}{
		{"six each six hours", time.Hour, 6 * time.Hour, 6, time.Second, 6, 6 * time.Hour},
		{"slowly sent", time.Hour, 6 * time.Hour, 6, time.Minute, 6, 6 * time.Hour},
		{"each by itself", time.Hour, time.Hour, 1, 0, 9, 0},
		{"each minute by itself", time.Minute, time.Minute, 1, 0, 30, 0},
		{"too few yet", time.Hour, 6 * time.Hour, 6, time.Second, 4, 0},
	} {
		var tr transmissions
		for i := range c.n {
			for k := range c.size {
				tr.add(base.Add(time.Duration(i)*c.each+time.Duration(k)*c.spread), c.cadence)
			}
		}
		if have := tr.every(); have != c.want {
			t.Errorf("%s: %v, want %v (%+v)", c.name, have, c.want, tr)
		}
	}
	// One outage with all that was stored in it does not make a device send in bursts.
	var tr transmissions
	for i := range 6 {
		tr.add(base.Add(time.Duration(i)*time.Hour), time.Hour)
	}
	for range 8 {
		tr.add(base.Add(14*time.Hour), time.Hour)
	}
	for i := range 3 {
		tr.add(base.Add(time.Duration(15+i)*time.Hour), time.Hour)
	}
	if have := tr.every(); have != 0 {
		t.Errorf("after an outage it is believed to send each %v: %+v", have, tr)
	}
}
