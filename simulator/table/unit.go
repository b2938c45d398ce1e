package table

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// unit is how a unit's numbers become its dimension's: × factor + offset.
type unit struct {
	dimension      string
	factor, offset float64
}

// unitTable has the spellings of units, a dimension a line. Factors are exact by
// definition, but for inches of mercury (conventional, at 0 °C).
func unitTable() map[string][]unit {
	t := map[string][]unit{}
	add := func(dimension string, pairs ...any) {
		for i := 0; i < len(pairs); i += 2 {
			for name := range strings.FieldsSeq(pairs[i].(string)) {
				t[name] = append(t[name], unit{dimension, pairs[i+1].(float64), 0})
			}
		}
	}
	add("concentration", "µg/m3 ug/m3 ug/nm3 µg/nm3 mcg/m3 ugm-3 µgm-3 ng/l", 1.0, "mg/m3 mg/nm3 µg/l ug/l", 1e3, "mg/l", 1e6, "ng/m3", 1e-3, "g/m3 g/l", 1e6)
	t["g/l"] = []unit{{"concentration", 1e9, 0}}
	add("volume", "ppb ppbv nmol/mol", 1.0, "ppm ppmv µmol/mol", 1e3, "ppt pptv", 1e-3)
	add("temperature", "°c c celsius ℃ ºc degc degreescelsius cel oc", 1.0)
	for _, name := range strings.Fields("°f f fahrenheit ℉ ºf degf degreesfahrenheit") {
		t[name] = append(t[name], unit{"temperature", 5.0 / 9, -32 * 5.0 / 9})
	}
	for _, name := range strings.Fields("k kelvin °k") {
		t[name] = append(t[name], unit{"temperature", 1, -273.15})
	}
	add("pressure", "hpa mbar mb millibar hectopascal", 1.0, "pa pascal", 0.01, "kpa", 10.0, "bar", 1000.0, "mmhg torr", 1.33322387415, "inhg in.hg", 33.863886, "atm", 1013.25, "psi", 68.947572932)
	add("speed", "m/s mps ms-1 m/sec", 1.0, "km/h kmh kph kmph", 1/3.6, "mph mi/h", 0.44704, "kn kt kts knot knots", 1852.0/3600, "ft/s fps", 0.3048)
	add("length", "m meter metre meters metres mét", 1.0, "mm l/m2 kg/m2", 1e-3, "cm", 1e-2, "dm", 0.1, "km", 1e3, "ft feet foot", 0.3048, "in inch inches", 0.0254)
	add("rate", "mm/h mm/hr mmh-1", 1.0, "cm/h", 10.0, "in/h in/hr", 25.4, "mm/min", 60.0, "mm/s", 3600.0)
	add("share", "% percent pct %rh rh%", 1.0, "fraction ratio 0-1", 100.0)
	add("salinity", "psu ppt g/kg ‰ pss", 1.0)
	add("angle", "° deg degree degrees", 1.0, "rad", 180/math.Pi)
	add("conductivity", "µs/cm us/cm", 1.0, "ms/cm ds/m", 1e3, "s/m", 1e4, "ms/m", 10.0)
	add("flow", "m3/s cms cumecs", 1.0, "l/s", 1e-3, "m3/h", 1.0/3600, "ft3/s cfs", 0.028316846592)
	add("voltage", "v volt volts", 1.0, "mv", 1e-3, "kv", 1e3)
	add("current", "a ampere", 1.0, "ma", 1e-3)
	add("power", "w watt", 1.0, "kw", 1e3)
	add("reactive", "var", 1.0, "kvar", 1e3)
	add("energy", "kwh", 1.0, "wh", 1e-3, "mwh", 1e3, "mj", 1/3.6)
	add("frequency", "hz", 1.0, "khz", 1e3)
	add("time", "s sec second seconds", 1.0, "min minute minutes", 60.0, "h hr hour hours", 3600.0, "d day days", 86400.0)
	add("light", "lx lux", 1.0, "klx", 1e3)
	add("irradiance", "w/m2 wm-2", 1.0, "kw/m2", 1e3)
	add("sound", "dba db(a) dba(leq) db", 1.0)
	add("radio", "dbm", 1.0)
	add("turbidity", "ntu fnu", 1.0)
	add("mass", "kg", 1.0, "g", 1e-3, "t tonne", 1e3)
	add("byte", "b", 1.0)
	add("", "count number 1 vehicles veh spaces index unitless -", 1.0)
	return t
}

// exactUnits are those that differ from others in nothing but capitals.
func exactUnits() map[string]unit {
	return map[string]unit{"MW": {"power", 1e6, 0}, "mW": {"power", 1e-3, 0}}
}

// perTime are what an amount may be given per, in hours.
func perTime() map[string]float64 {
	return map[string]float64{"/h": 1, "/hr": 1, "/hour": 1, "perhour": 1, "/min": 1.0 / 60, "/minute": 1.0 / 60, "perminute": 1.0 / 60, "/d": 24, "/day": 24, "perday": 24}
}

// gases are molar masses in g/mol (IUPAC 2021).
func gases() map[telemetry.Metric]float64 {
	return map[telemetry.Metric]float64{telemetry.NO2: 46.0055, telemetry.SO2: 64.066, telemetry.O3: 47.9982, telemetry.CO: 28.0101}
}

// molarVolume is that of an ideal gas at 1013.25 hPa, in L/mol: 24.465 at 25 °C.
func molarVolume(celsius float64) float64 { return 8.314462618 * (celsius + 273.15) / 101.325 }

// units converts.
type units struct {
	byName map[string][]unit
	exact  map[string]unit
	per    map[string]float64
	gases  map[telemetry.Metric]float64
}

func newUnits() *units {
	return &units{unitTable(), exactUnits(), perTime(), gases()}
}

// plainUnit brings a unit's spelling to the table's.
func plainUnit(s string) string {
	s = strings.NewReplacer(" ", "", "\u00a0", "", "μ", "µ", "³", "3", "²", "2", "^", "", "⁻", "-", "¹", "1", "Â", "", "**", "").Replace(strings.TrimSpace(s))
	return strings.ToLower(s)
}

// find is a unit of a dimension; of any if the dimension is not known.
func (u *units) find(name, dimension string) (unit, bool) {
	if e, ok := u.exact[strings.TrimSpace(name)]; ok && e.dimension == dimension {
		return e, true
	}
	for _, one := range u.byName[plainUnit(name)] {
		if one.dimension == dimension {
			return one, true
		}
	}
	return unit{}, false
}

// own is the catalogue's unit of a metric.
func (u *units) own(spec *telemetry.MetricSpec) unit {
	all := u.byName[plainUnit(spec.Unit)]
	if spec.Unit == "" {
		return unit{"", 1, 0}
	}
	for _, one := range all {
		if spec.Name != telemetry.Salinity || one.dimension == "salinity" {
			return one
		}
	}
	return unit{"", 1, 0}
}

// conversion is v × factor + offset.
type conversion struct{ factor, offset float64 }

func (c conversion) of(v float64) float64 { return v*c.factor + c.offset }

// known reports whether a text is any unit's name.
func (u *units) known(name string) bool {
	_, exact := u.exact[strings.TrimSpace(name)]
	return exact || len(u.byName[plainUnit(name)]) > 0
}

// conversion says how numbers of a unit become a metric's. No unit is the metric's
// own. The period is what a rate is added up over.
func (u *units) conversion(spec *telemetry.MetricSpec, name string, period time.Duration, gasTemperature float64) (conversion, error) {
	if strings.TrimSpace(name) == "" {
		return conversion{1, 0}, nil
	}
	own := u.own(spec)
	if from, ok := u.find(name, own.dimension); ok {
		return conversion{from.factor / own.factor, (from.offset - own.offset) / own.factor}, nil
	}
	if from, ok := u.find(name, "volume"); ok && u.gases[spec.Name] > 0 {
		return conversion{from.factor * u.gases[spec.Name] / molarVolume(gasTemperature), 0}, nil
	}
	if spec.Form == telemetry.Amount {
		for suffix, hours := range u.per {
			count, cut := strings.CutSuffix(plainUnit(name), suffix)
			if !cut {
				continue
			}
			from, ok := unit{"", 1, 0}, count == ""
			if !ok {
				from, ok = u.find(count, own.dimension)
			}
			if !ok {
				continue
			}
			if period <= 0 {
				return conversion{}, fmt.Errorf("unit %q is a rate, and %s is an amount: say over which period with period, such as 15m", name, spec.Name)
			}
			return conversion{from.factor / own.factor * period.Hours() / hours, 0}, nil
		}
	}
	if !u.known(name) {
		return conversion{}, fmt.Errorf("unit %q is not known: %s is in %s", name, spec.Name, unitText(spec))
	}
	return conversion{}, fmt.Errorf("unit %q is none of %s, which is in %s", name, spec.Name, unitText(spec))
}

// unitText is a metric's unit for a sentence.
func unitText(spec *telemetry.MetricSpec) string {
	if spec.Unit == "" {
		return "plain numbers"
	}
	return spec.Unit
}
