package telemetry

import "math"

// Energetic reports whether a metric's mean is that of its energy, as ISO 1996-1 has
// it for equivalent levels: 10·lg of the mean of 10^(L/10). That of 50 and 70 dB is
// 67 dB. It holds over time and over places alike. Maxima, minima and percentiles
// (LA10, LA50, LA90) have no energy that could be added up: a mean of them is one of
// decibels.
func Energetic(m Metric) bool { return m == LAeq }

// Linear is what of a metric's value is added up for a mean: the energy of what is
// energetic, else the value itself.
func Linear(m Metric, v float64) float64 {
	if Energetic(m) {
		return math.Pow(10, v/10)
	}
	return v
}

// FromLinear is the metric's value of a mean of what [Linear] gave.
func FromLinear(m Metric, mean float64) float64 {
	if Energetic(m) {
		return 10 * math.Log10(mean)
	}
	return mean
}
