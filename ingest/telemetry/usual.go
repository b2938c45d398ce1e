package telemetry

import (
	"fmt"
	"strings"
)

// usual is what is ordinary of a metric, much narrower than what is possible, and
// the other units in which instruments report it. It judges nothing: a number far
// outside that would be ordinary in another unit is worth a question.
type usual struct {
	kind     Kind
	metric   Metric
	min, max float64
	units    []otherUnit
}

// otherUnit is a unit in which a number v is v·factor + offset in ours.
type otherUnit struct {
	name           string
	factor, offset float64
}

// gas are the units of a gas of a molar mass in g/mol. A mole has 24.45 L at 25 °C
// and 1013.25 hPa, the conditions of QCVN 05:2023.
func gas(molarMass float64) []otherUnit {
	return []otherUnit{{name: "mg/m³", factor: 1000}, {name: "ppm", factor: molarMass / 24.45 * 1000}}
}

// usuals are wide spans around what is measured in the open air and in surface
// water of a town. Units that a span cannot tell apart are not in it: 30 ppb of
// ozone are as ordinary as 30 µg/m³. Nor are those that the catalogue's range
// refuses: kelvin, pascal, millivolt. All spans are the project's own.
func usuals() []usual {
	dust := []otherUnit{{name: "mg/m³", factor: 1000}}
	air := []otherUnit{{name: "°F", factor: 1 / 1.8, offset: -32 / 1.8}}
	share := []otherUnit{{name: "a fraction of 0 to 1", factor: 100}}
	return []usual{
		{AirQuality, CO, 50, 30000, gas(28.01)},
		{AirQuality, O3, 2, 400, gas(48.00)},
		{AirQuality, NO2, 1, 400, gas(46.01)},
		{AirQuality, SO2, 1, 500, gas(64.07)},
		{AirQuality, PM25, 1, 500, dust},
		{AirQuality, PM10, 2, 1000, dust},
		{AirQuality, TSP, 3, 2000, dust},
		{AirQuality, Temperature, 5, 45, air},
		{Weather, Temperature, 5, 45, air},
		{AirQuality, Humidity, 10, 100, share},
		{Weather, Humidity, 10, 100, share},
		{WaterQuality, Conductivity, 20, 70000, []otherUnit{{name: "mS/cm", factor: 1000}}},
		{WaterQuality, OxygenSaturation, 10, 300, share},
		{Waste, FillLevel, 2, 100, share},
	}
}

// UnitHint is a question about the unit of a metric.
type UnitHint struct {
	Metric Metric
	// Value is what was reported, Unit what it was taken as.
	Value    float64
	Unit     string
	Min, Max float64 // what is usual in Unit
	Like     []string
}

// HintUnit asks about a number that is far from what is usual of a metric and
// would be usual in other units; ok is false where there is nothing to ask. Give
// it the median of many readings, for a single one may be wrong by itself.
func HintUnit(k Kind, spec *MetricSpec, v float64) (h UnitHint, ok bool) {
	if spec == nil || v == 0 {
		return h, false
	}
	for _, u := range usuals() {
		if u.kind != k || u.metric != spec.Name || v >= u.min && v <= u.max {
			continue
		}
		h = UnitHint{Metric: spec.Name, Value: v, Unit: spec.Unit, Min: u.min, Max: u.max}
		for _, other := range u.units {
			if c := v*other.factor + other.offset; c >= u.min && c <= u.max {
				h.Like = append(h.Like, other.name)
			}
		}
		return h, len(h.Like) > 0
	}
	return h, false
}

// English is the question as a sentence.
func (h UnitHint) English() string {
	return fmt.Sprintf("%s is %.4g %s, usual are %v to %v: %.4g looks like %s. Correct the unit in the device.", h.Metric, h.Value, h.Unit, h.Min, h.Max, h.Value, h.likes(" or "))
}

// Vietnamese is the question as a sentence.
func (h UnitHint) Vietnamese() string {
	comma := func(v float64) string { return strings.Replace(fmt.Sprintf("%.6v", v), ".", ",", 1) }
	return fmt.Sprintf("%s là %s %s, thường từ %s đến %s: %s có vẻ là %s. Hãy chỉnh đơn vị ở thiết bị.",
		h.Metric, comma(h.Value), h.Unit, comma(h.Min), comma(h.Max), comma(h.Value), h.likes(" hoặc "))
}

func (h UnitHint) likes(or string) (s string) {
	for i, l := range h.Like {
		if i > 0 {
			s += or
		}
		s += l
	}
	return s
}
