package simulator

// mix is SplitMix64's finaliser over a sum of the two: a hash good enough for
// chance, the same on every machine, and free of any state.
func mix(a, b uint64) uint64 {
	z := a + 0x9e3779b97f4a7c15*(b+1)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// mixText mixes a name into a hash.
func mixText(a uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		a = mix(a, uint64(s[i]))
	}
	return a
}

// unit is a hash as a number from 0 up to 1.
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// normal makes of a hash a number of mean 0 and standard deviation 1, never
// beyond ±3.5: the sum of four uniform ones.
func normal(h uint64) float64 {
	const quarter = 1.0 / (1 << 16)
	s := float64(h&0xffff) + float64(h>>16&0xffff) + float64(h>>32&0xffff) + float64(h>>48)
	return (s*quarter - 2) * 1.7320508075688772
}
