package city

import (
	"math"
	"time"
)

// Signal is the truth about one metric at one place: a pure function of time.
// Any moment of any year can be asked for directly, from any goroutine.
type Signal interface {
	At(t time.Time) float64
}

// signalFunc makes a function a Signal.
type signalFunc func(t time.Time) float64

// At implements Signal.
func (f signalFunc) At(t time.Time) float64 { return f(t) }

// zoneSeconds is Asia/Ho_Chi_Minh's distance from UTC, which has known no
// summer time since 1975. Plain arithmetic on it is much cheaper than a
// time.Location, and there are about ten signals to a message.
const zoneSeconds = 7 * 3600

const (
	secondsPerDay = 86400
	daysPerYear   = 365.2425
)

// localSeconds is the number of local seconds since 1970.
func localSeconds(t time.Time) float64 {
	return float64(t.UnixMilli())/1000 + zoneSeconds
}

// hourOfDay is the local hour with its fraction, 0 to 24.
func hourOfDay(t time.Time) float64 {
	s := math.Mod(localSeconds(t), secondsPerDay)
	if s < 0 {
		s += secondsPerDay
	}
	return s / 3600
}

// daily swings between -1 and 1 once a day and is 1 at the peak hour.
func daily(t time.Time, peakHour float64) float64 {
	return math.Cos(2 * math.Pi * (hourOfDay(t) - peakHour) / 24)
}

// yearly swings between -1 and 1 once a year and is 1 on the peak day.
func yearly(t time.Time, peakDay float64) float64 {
	day := localSeconds(t) / secondsPerDay
	return math.Cos(2 * math.Pi * (day - peakDay) / daysPerYear)
}

// swing is a cosine of any period, 1 at 1970 plus the phase.
func swing(t time.Time, period time.Duration, phase float64) float64 {
	return math.Cos(2 * math.Pi * (localSeconds(t)/period.Seconds() - phase))
}

// daylight is 0 from dusk to dawn and 1 at noon.
func daylight(t time.Time) float64 {
	return max(0, math.Sin(math.Pi*(hourOfDay(t)-5.75)/12))
}

// profile is a quantity's course over a day: its level at each full hour,
// straight between them. Unlike a cosine it can have two rush hours, and its
// integral is exact, so that meters can be asked for at any time.
type profile [24]float64

// at is the level at a moment.
func (p *profile) at(t time.Time) float64 { return p.level(hourOfDay(t)) }

func (p *profile) level(hour float64) float64 {
	i := int(hour) % 24
	f := hour - math.Floor(hour)
	return p[i] + (p[(i+1)%24]-p[i])*f
}

// hours is the integral of the level from 2000 until t, in level × hours.
func (p *profile) hours(t time.Time) float64 {
	const year2000 = 10957 * secondsPerDay
	var day float64
	for _, v := range p {
		day += v // a closed chain of trapezoids adds up to the sum of its corners
	}
	s := localSeconds(t) - year2000
	days := math.Floor(s / secondsPerDay)
	hour := (s - days*secondsPerDay) / 3600
	sum := days * day
	for h := 0; h < int(hour); h++ {
		sum += (p[h] + p[(h+1)%24]) / 2
	}
	from := math.Floor(hour)
	return sum + (p.level(from)+p.level(hour))/2*(hour-from)
}

// mix is SplitMix64's finaliser over a sum of the two: a hash good enough for
// noise, the same on every machine, and free of any state.
func mix(a, b uint64) uint64 {
	z := a + 0x9e3779b97f4a7c15*(b+1)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// unit is a hash as a number from 0 up to 1.
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// noise wanders smoothly between -1 and 1, with a new direction every period.
func noise(salt uint64, t time.Time, period time.Duration) float64 {
	x := float64(t.UnixMilli()) / float64(period.Milliseconds())
	n := math.Floor(x)
	f := x - n
	i := uint64(int64(n))
	a, b := unit(mix(salt, i))*2-1, unit(mix(salt, i+1))*2-1
	return a + (b-a)*f*f*(3-2*f)
}

// jitter is between -1 and 1 and has nothing to do with the moment before.
func jitter(salt uint64, t time.Time) float64 {
	return unit(mix(salt^0xa5a5a5a5a5a5a5a5, uint64(t.UnixMilli())))*2 - 1
}

// count makes an expected number a whole one, up or down by chance, so that
// short intervals with less than one vehicle each add up to the right sum.
func count(salt uint64, t time.Time, expected float64) float64 {
	return math.Floor(max(0, expected) + (jitter(salt, t)+1)/2)
}

// within limits x to lo and hi.
func within(x, lo, hi float64) float64 { return min(max(x, lo), hi) }
