package simulator_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// values decodes a payload as a stranger would.
func values(t *testing.T, payload []byte) map[string]float64 {
	t.Helper()
	v := map[string]float64{}
	if err := json.Unmarshal(payload, &v); err != nil {
		t.Fatalf("decode %s: %v", payload, err)
	}
	return v
}

// Every kind tells every metric of its own, inside the catalogue's range, at any
// hour of a year and at any distance between readings.
func TestValuesAreInTheCatalogue(t *testing.T) {
	for _, every := range []time.Duration{0, time.Second, time.Hour} {
		f := newFleet(t, simulator.Options{Devices: 40, Seed: 11, Every: every})
		for i, d := range f.Devices() {
			for at := morning(); at.Before(morning().AddDate(1, 0, 0)); at = at.Add(23*time.Hour + 13*time.Minute) {
				got := values(t, f.Message(simulator.Planned{Device: i, Sequence: 1, Due: at}).Payload)
				for name, v := range got {
					m := d.Kind.Metric([]byte(name))
					if m == nil {
						if name != "ts" {
							t.Fatalf("%s: the catalogue has no metric %q", d.Kind.Kind, name)
						}
						continue
					}
					if p, ok := m.Check(v); !ok {
						t.Errorf("%s at %v: %v", d.ID, at, p)
					}
				}
				for _, m := range d.Kind.Metrics {
					if _, ok := got[string(m.Name)]; !ok && m.Name != telemetry.Battery && m.Name != telemetry.QualityCode {
						t.Fatalf("%s does not report %s", d.ID, m.Name)
					}
				}
			}
		}
	}
}

// What is told is what this coast is like, and not merely possible.
func TestValuesArePlausible(t *testing.T) {
	band := map[telemetry.Kind]map[telemetry.Metric][2]float64{
		telemetry.AirQuality: {telemetry.PM25: {2, 80}, telemetry.PM10: {7, 140}, telemetry.CO: {100, 2500}, telemetry.NO2: {1, 90}, telemetry.O3: {1, 140}},
		telemetry.Weather: {telemetry.Temperature: {19, 36}, telemetry.Humidity: {50, 100}, telemetry.Pressure: {1000, 1020},
			telemetry.WindGust: {0, 15}, telemetry.RainRate: {0, 60}, telemetry.SolarRadiation: {0, 1100}, telemetry.UVIndex: {0, 13}},
		telemetry.WaterLevel:   {telemetry.Level: {-0.5, 3}, telemetry.Flow: {0, 150}, telemetry.Temperature: {23, 31}},
		telemetry.Traffic:      {telemetry.Vehicles: {0, 80}, telemetry.Speed: {15, 50}, telemetry.Occupancy: {0, 60}, telemetry.Headway: {1, 140}},
		telemetry.Noise:        {telemetry.LAeq: {45, 80}, telemetry.LAmax: {55, 95}, telemetry.LA90: {38, 75}},
		telemetry.WaterQuality: {telemetry.PH: {7, 8.5}, telemetry.DissolvedOxygen: {4, 8}, telemetry.Salinity: {10, 35}, telemetry.Turbidity: {1, 30}},
		telemetry.StreetLight:  {telemetry.Power: {0, 150}, telemetry.Voltage: {220, 236}, telemetry.Current: {0, 0.8}},
		telemetry.Energy:       {telemetry.Power: {3e4, 2.5e5}, telemetry.Voltage: {385, 405}, telemetry.Frequency: {49.9, 50.1}},
		telemetry.Waste:        {telemetry.FillLevel: {5, 90}},
		telemetry.Parking:      {telemetry.Occupied: {0, 126}, telemetry.Entries: {0, 60}},
	}
	f := newFleet(t, simulator.Options{Devices: 80, Seed: 5})
	for i, d := range f.Devices() {
		for at := morning(); at.Before(morning().AddDate(1, 0, 0)); at = at.Add(11*time.Hour + 17*time.Minute) {
			got := values(t, f.Message(simulator.Planned{Device: i, Sequence: 1, Due: at}).Payload)
			for metric, b := range band[d.Kind.Kind] {
				if v := got[string(metric)]; v < b[0] || v > b[1] {
					t.Errorf("%s at %v: %s is %v, not within %v", d.ID, at.Format(time.RFC3339), metric, v, b)
				}
			}
			if err := consistent(d.Kind.Kind, got); err != nil {
				t.Errorf("%s at %v: %v", d.ID, at.Format(time.RFC3339), err)
			}
		}
	}
}

// consistent checks what must hold between the values of one payload.
func consistent(kind telemetry.Kind, v map[string]float64) error {
	switch kind {
	case telemetry.AirQuality:
		if !(v["pm1"] < v["pm25"] && v["pm25"] < v["pm10"] && v["pm10"] < v["tsp"]) {
			return fmt.Errorf("dust is not nested: %v %v %v %v", v["pm1"], v["pm25"], v["pm10"], v["tsp"])
		}
	case telemetry.Traffic:
		if sum := v["motorcycles"] + v["cars"] + v["buses"] + v["trucks"] + v["bicycles"]; sum != v["vehicles"] {
			return fmt.Errorf("%v vehicles, but the classes add up to %v", v["vehicles"], sum)
		}
	case telemetry.Noise:
		if !(v["lamin"] < v["la90"] && v["la90"] < v["la50"] && v["la50"] < v["la10"] && v["la10"] < v["lamax"]) {
			return fmt.Errorf("levels are out of order: %v", v)
		}
	case telemetry.Parking:
		if v["occupied"] > v["capacity"] {
			return fmt.Errorf("%v of %v spaces are occupied", v["occupied"], v["capacity"])
		}
	}
	return nil
}

// Counters only grow; a meter's growth over a day is what a street uses.
func TestCountersGrow(t *testing.T) {
	f := newFleet(t, simulator.Options{Devices: 40, Seed: 9})
	for i, d := range f.Devices() {
		var last map[string]float64
		var first float64
		for minute := range 24*60 + 1 {
			at := morning().Add(time.Duration(minute) * time.Minute)
			got := values(t, f.Message(simulator.Planned{Device: i, Sequence: uint64(minute + 1), Due: at}).Payload)
			for _, m := range d.Kind.Metrics {
				if m.Form == telemetry.Counter && last != nil && got[string(m.Name)] < last[string(m.Name)] {
					t.Fatalf("%s: %s falls from %v to %v", d.ID, m.Name, last[string(m.Name)], got[string(m.Name)])
				}
			}
			if last == nil {
				first = got["energy_total"]
			}
			last = got
		}
		used := last["energy_total"] - first
		switch d.Kind.Kind {
		case telemetry.StreetLight:
			if used < 0.4 || used > 1.6 {
				t.Errorf("%s uses %.2f kWh a day", d.ID, used)
			}
		case telemetry.Energy:
			if used < 1500 || used > 4500 {
				t.Errorf("%s uses %.0f kWh a day", d.ID, used)
			}
		}
	}
}

// Cars that came and left explain how many are there.
func TestParkingAddsUp(t *testing.T) {
	f := newFleet(t, simulator.Options{Devices: 40, Seed: 9})
	for i, d := range f.Devices() {
		if d.Kind.Kind != telemetry.Parking {
			continue
		}
		before := values(t, f.Message(simulator.Planned{Device: i, Sequence: 1, Due: morning()}).Payload)
		for n := 1; n < 300; n++ {
			at := morning().Add(time.Duration(n) * d.Every)
			now := values(t, f.Message(simulator.Planned{Device: i, Sequence: 2, Due: at}).Payload)
			if now["occupied"] != before["occupied"]+now["entries"]-now["exits"] {
				t.Fatalf("%s: %v spaces, then %v came, %v left, and there are %v", d.ID, before["occupied"], now["entries"], now["exits"], now["occupied"])
			}
			before = now
		}
	}
}
