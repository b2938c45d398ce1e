package counter_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry/counter"
)

// every are readings at a cadence; a NaN is missing.
func every(cadence time.Duration, values ...float64) (out []counter.Reading) {
	for i, v := range values {
		if !math.IsNaN(v) {
			out = append(out, counter.Reading{At: int64(i) * cadence.Milliseconds(), Value: v})
		}
	}
	return out
}

func total(readings []counter.Reading) float64 {
	by, _ := counter.Increase(counter.Steps(readings), math.MinInt64, math.MaxInt64)
	return by
}

func TestIncrease(t *testing.T) {
	gap := math.NaN()
	for name, c := range map[string]struct {
		values []float64
		want   float64
	}{
		"grows":                        {[]float64{100, 100.1, 100.2, 100.4}, 0.4},
		"stands still":                 {[]float64{100, 100, 100}, 0},
		"one zero":                     {[]float64{13425.6, 13425.7, 0, 13425.9}, 0.3},
		"one value 0.2 too low":        {[]float64{50002.8, 50002.9, 50002.8, 50003.1}, 0.3},
		"two zeros":                    {[]float64{100, 0, 0, 100.3}, 0.3},
		"three low ones":               {[]float64{100, 3, 0, 7, 100.4}, 0.4},
		"a zero twice":                 {[]float64{100, 0, 100.1, 0, 100.2}, 0.2},
		"two devices under one id":     {[]float64{100, 5, 100.1, 5.1, 100.2, 5.2, 100.3}, 0.3},
		"one far too high":             {[]float64{100, 100.1, 5000, 100.3}, 0.3},
		"two far too high":             {[]float64{100, 5000, 5000.1, 100.3, 100.4}, 0.4},
		"begins with a zero":           {[]float64{0, 0, 0, 0, 0.5}, 0.5},
		"a reset to 0":                 {[]float64{100, 103, 0, 1, 4}, 3 + 4},
		"a reset to a little":          {[]float64{100, 103, 1, 4}, 3 + 1 + 3},
		"a reset that climbs back":     {[]float64{10, 17, 3, 8, 13, 18}, 7 + 3 + 5 + 5 + 5},
		"two resets":                   {[]float64{100, 1, 2, 3, 1, 2}, 1 + 1 + 1 + 1 + 1},
		"every day anew, six-hourly":   {[]float64{2, 7, 12, 17, 3, 8, 13, 18, 4}, 15 + 3 + 15 + 4},
		"a step back":                  {[]float64{100, 100.2, 100.4, 100.6, 100.3, 100.4, 100.5, 100.6, 100.7}, 0.6 + 0.4},
		"a gap":                        {[]float64{100, 100.1, gap, gap, gap, 103.6, 103.7}, 3.7},
		"a gap in a dip":               {[]float64{100, 0, gap, 100.3}, 0.3},
		"a reset in a gap":             {[]float64{100, 101, gap, gap, 2, 3}, 1 + 2 + 1},
		"one reading":                  {[]float64{100}, 0},
		"ends in a zero":               {[]float64{100, 100.1, 0}, 0.1},
		"a wrap of 16 bits is a reset": {[]float64{65530, 65534, 3, 8}, 4 + 3 + 5},
	} {
		for _, cadence := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour, 6 * time.Hour} {
			if have := total(every(cadence, c.values...)); math.Abs(have-c.want) > 1e-6 {
				t.Errorf("%s, every %v: have %v, want %v", name, cadence, have, c.want)
			}
		}
	}
}

// A meter that tells 0 for as long as it starts has not been reset; one that tells
// 0 for days has.
func TestHowLongADipMayBe(t *testing.T) {
	for _, c := range []struct {
		cadence time.Duration
		zeros   int
		want    float64
	}{
		{time.Minute, 30, 0.3}, {5 * time.Minute, 10, 0.3}, {5 * time.Minute, 30, 100.3},
		{6 * time.Hour, 3, 0.3}, {6 * time.Hour, 4, 100.3}, {24 * time.Hour, 1, 0.3},
	} {
		values := append(append([]float64{100}, make([]float64, c.zeros)...), 100.3)
		if have := total(every(c.cadence, values...)); math.Abs(have-c.want) > 1e-9 {
			t.Errorf("%d zeros every %v: have %v, want %v", c.zeros, c.cadence, have, c.want)
		}
	}
}

func TestIncreaseKnowsWhatItDoesNotKnow(t *testing.T) {
	s := counter.Steps(every(time.Hour, 100, 101, 0, 102))
	hour := time.Hour.Milliseconds()
	for _, c := range []struct {
		from, to int64
		want     float64
		ok       bool
	}{
		{-1, 0, 0, false},         // the first reading ever
		{0, hour, 1, true},        // an hour
		{hour, 2 * hour, 0, true}, // only the dip: nothing grew that is known
		{2 * hour, 3 * hour, 1, true},
		{3 * hour, 4 * hour, 0, false}, // no reading
	} {
		if by, ok := counter.Increase(s, c.from, c.to); by != c.want || ok != c.ok {
			t.Errorf("from %d to %d: %v, %v; want %v, %v", c.from, c.to, by, ok, c.want, c.ok)
		}
	}
	if s[2].Verdict != counter.Odd || s[2].Closed != 3*hour {
		t.Errorf("the dip is %+v", s[2])
	}
}

// series is a random counter with gaps, dips, spikes and resets, none within Reach
// of another, and what it truly grew by at each reading.
func series(random *rand.Rand, cadence time.Duration) (readings []counter.Reading, truth []float64) {
	v := 1000 + random.Float64()*50000
	at := int64(0)
	calm := counter.Reach // readings since something was out of line
	for range 60 + random.IntN(200) {
		at += cadence.Milliseconds() + random.Int64N(cadence.Milliseconds()/10)
		grew := random.Float64() * 0.5
		if random.IntN(12) == 0 { // some are lost
			n := 1 + random.IntN(20)
			at += int64(n) * cadence.Milliseconds()
			grew += random.Float64() * 0.5 * float64(n)
		}
		v += grew
		reads := v
		// Of a counter that has hardly grown a reset cannot be told from a dip.
		if calm++; calm > counter.Reach && len(readings) > counter.Reach && v > 100 {
			switch random.IntN(30) {
			case 0:
				reads, calm = 0, 0
			case 1:
				reads, calm = v-0.7-random.Float64()*v/2, 0
			case 2:
				reads, calm = v+1+random.Float64()*1e6, 0
			case 3: // a true reset: it has grown since
				v, calm = random.Float64(), 0
				reads, grew = v, v
			}
			if calm == 0 && reads != v && len(readings) > 0 {
				// It is closed by the next reading only if that comes soon enough, and truth is
				// as the rule has it: what grew is told by the next reading that counts.
				readings, truth = append(readings, counter.Reading{At: at, Value: reads}), append(truth, 0)
				at += cadence.Milliseconds()
				more := random.Float64() * 0.5
				v += more
				readings, truth = append(readings, counter.Reading{At: at, Value: v}), append(truth, grew+more)
				continue
			}
		}
		readings, truth = append(readings, counter.Reading{At: at, Value: reads}), append(truth, grew)
	}
	truth[0] = 0
	return readings, truth
}

// Over any series what grows within any period is what truly grew, and the sum over
// its hours; and the readings within Reach decide.
func TestHoursAddUp(t *testing.T) {
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 7))
		cadence := []time.Duration{time.Minute, 5 * time.Minute, time.Hour, 6 * time.Hour}[seed%4]
		readings, truth := series(random, cadence)
		steps := counter.Steps(readings)
		for i, s := range steps {
			if math.Abs(s.By-truth[i]) > 1e-6 {
				t.Fatalf("seed %d, reading %d: %+v, in truth %v\n%s", seed, i, s, truth[i], around(steps, i))
			}
			if cadence < time.Hour {
				continue // as many readings as an hour has are near
			}
			near := readings[max(0, i-counter.Reach):min(len(readings), i+counter.Reach+1)]
			if alone := counter.Steps(near)[i-max(0, i-counter.Reach)]; i >= counter.Reach && (alone.By != s.By || alone.Verdict != s.Verdict) {
				t.Fatalf("seed %d, reading %d: of its neighbours alone %+v, of all %+v\n%s", seed, i, alone, s, around(steps, i))
			}
		}
		hour := time.Hour.Milliseconds()
		from := random.Int64N(readings[len(readings)/2].At) / hour * hour
		to := from + (1+random.Int64N(200))*hour
		sum := 0.0
		for h := from; h < to; h += hour {
			by, _ := counter.Increase(steps, h, h+hour)
			sum += by
		}
		want := 0.0
		for i, r := range readings {
			if r.At > from && r.At <= to {
				want += truth[i]
			}
		}
		if math.Abs(sum-want) > 1e-6 {
			t.Fatalf("seed %d: the hours from %d to %d add up to %v, in truth %v", seed, from, to, sum, want)
		}
	}
}

// Whatever comes, growth is last − first with what resets and steps back began
// from, and never less than nothing.
func TestWhateverComes(t *testing.T) {
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 9))
		var readings []counter.Reading
		at := int64(0)
		for range 2 + random.IntN(60) {
			at += 1 + random.Int64N(2*time.Hour.Milliseconds())
			readings = append(readings, counter.Reading{At: at, Value: math.Round(random.Float64()*20) * float64(random.IntN(3))})
		}
		steps := counter.Steps(readings)
		good := slices.DeleteFunc(slices.Clone(steps), func(s counter.Step) bool { return s.Verdict == counter.Odd })
		if len(good) == 0 {
			t.Fatalf("seed %d: no reading counts", seed)
		}
		sum, want := 0.0, good[len(good)-1].Value-good[0].Value
		for i, s := range good {
			if s.By < 0 || (i == 0) != (s.Verdict == counter.First) {
				t.Fatalf("seed %d: %+v", seed, s)
			}
			sum += s.By
			switch s.Verdict {
			case counter.Reset:
				want += good[i-1].Value
			case counter.Back:
				want += good[i-1].Value - s.Value
			}
		}
		if math.Abs(sum-want) > 1e-6 {
			t.Fatalf("seed %d: %v, want %v", seed, sum, want)
		}
	}
}

func around(s []counter.Step, i int) (out string) {
	for _, s := range s[max(0, i-5):min(len(s), i+6)] {
		out += fmt.Sprintf("%v %.2f %v %.2f\n", time.Duration(s.At)*time.Millisecond, s.Value, s.Verdict, s.By)
	}
	return out
}
