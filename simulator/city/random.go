package city

import "math"

// mix is SplitMix64's finaliser over a sum of the two: a hash good enough for
// chance, the same on every machine, and free of any state.
func mix(a, b uint64) uint64 {
	z := a + 0x9e3779b97f4a7c15*(b+1)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// text mixes a name into a hash.
func text(a uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		a = mix(a, uint64(s[i]))
	}
	return a
}

// unit is a hash as a number from 0 up to 1.
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// wander moves smoothly between -1 and 1, with a new direction every period. Its
// mean is 0 and its standard deviation about 0.5.
func wander(salt uint64, ms, period int64) float64 {
	i := floorDiv(ms, period)
	f := float64(ms-i*period) / float64(period)
	a, b := unit(mix(salt, uint64(i)))*2-1, unit(mix(salt, uint64(i+1)))*2-1
	return a + (b-a)*f*f*(3-2*f)
}

// jitter is between -1 and 1 and has nothing to do with the moment before.
func jitter(salt uint64, ms int64) float64 {
	return unit(mix(salt^0xa5a5a5a5a5a5a5a5, uint64(ms)))*2 - 1
}

// normal has mean 0 and standard deviation 1, and is never beyond ±3.5: the sum
// of four uniform numbers.
func normal(salt uint64, ms int64) float64 {
	h := mix(salt^0x5a5a5a5a5a5a5a5a, uint64(ms))
	const quarter = 1.0 / (1 << 16)
	s := float64(h&0xffff) + float64(h>>16&0xffff) + float64(h>>32&0xffff) + float64(h>>48)
	return (s*quarter - 2) * 1.7320508075688772
}

// count makes an expected number of independent arrivals a whole one, spread as
// they would be, so that even intervals with less than one each add up to the
// right sum.
func count(salt uint64, ms int64, expected float64) float64 {
	if expected <= 0 {
		return 0
	}
	if expected < 4 { // Poisson by inversion
		u := unit(mix(salt, uint64(ms)))
		p := math.Exp(-expected)
		n := 0.0
		for sum := p; u > sum && n < 20; sum += p {
			n++
			p *= expected / n
		}
		return n
	}
	return max(0, math.Floor(expected+math.Sqrt(expected)*normal(salt, ms)+unit(mix(salt, uint64(ms)))))
}

// within limits x to lo and hi.
func within(x, lo, hi float64) float64 { return min(max(x, lo), hi) }

// ease goes smoothly from 0 at x = 0 to 1 at x = 1, and stays there beyond.
func ease(x float64) float64 {
	x = within(x, 0, 1)
	return x * x * (3 - 2*x)
}

// bell is 1 at the centre and falls to 0.6 at one width from it.
func bell(x, centre, width float64) float64 {
	d := (x - centre) / width
	return math.Exp(-d * d / 2)
}

// fraction is x without its whole part, from 0 up to 1.
func fraction(x float64) float64 { return x - math.Floor(x) }

// floorDiv divides and rounds down, also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
