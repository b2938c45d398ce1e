package devices

import (
	"fmt"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// bigSnapshot has 100,000 devices with two installations each.
func bigSnapshot() (*Snapshot, []telemetry.Device) {
	cat := telemetry.NewCatalogue()
	s := newSnapshot()
	s.setLocalities([]Locality{{ID: "nha-trang"}})
	ids := make([]telemetry.Device, 100_000)
	for i := range ids {
		ids[i] = telemetry.Device(fmt.Sprintf("24e124%010x", i))
		s.set(newStanding(cat, standingOf(ids[i])))
	}
	return s.done(), ids
}

func standingOf(id telemetry.Device) Standing {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	return Standing{Device: id, Kinds: []telemetry.Kind{telemetry.Noise, telemetry.Weather}, State: Active, Installations: []Placing{
		{Installation{Device: id, Site: telemetry.Site("old-" + id), From: day(1), To: day(10)}, "nha-trang"},
		{Installation{Device: id, Site: telemetry.Site("site-" + id), From: day(10)}, "nha-trang"},
	}}
}

func BenchmarkLookup(b *testing.B) {
	s, ids := bigSnapshot()
	at := time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i += 7919
		if site, _ := s.Lookup("nha-trang", telemetry.Weather, ids[i%len(ids)], at); site == "" {
			b.Fatal("no site")
		}
	}
}

// BenchmarkChange is what one changed device costs the snapshot.
func BenchmarkChange(b *testing.B) {
	s, ids := bigSnapshot()
	cat := telemetry.NewCatalogue()
	i := 0
	for b.Loop() {
		i += 7919
		s = s.edit()
		s.set(newStanding(cat, standingOf(ids[i%len(ids)])))
		s.done()
	}
}

func benchPoint(d telemetry.Device, at time.Time) telemetry.Point {
	return telemetry.Point{Time: at, Series: telemetry.Series{Kind: telemetry.Noise, Device: d},
		Values: []telemetry.Value{{Spec: &telemetry.MetricSpec{Name: telemetry.LAeq}, Number: 60}}}
}

func BenchmarkSilenceObserve(b *testing.B) {
	_, ids := bigSnapshot()
	s := NewSilence(time.Now())
	now := time.Now()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i += 7919
		now = now.Add(time.Millisecond)
		s.Observe(benchPoint(ids[i%len(ids)], now), Sign{Received: now, Gateway: "gw"})
	}
}

func BenchmarkSilenceAt(b *testing.B) {
	snapshot, ids := bigSnapshot()
	s := NewSilence(time.Now())
	now := time.Now()
	for i, id := range ids {
		s.Observe(benchPoint(id, now), Sign{Received: now, Gateway: fmt.Sprintf("gw%d", i%100)})
	}
	for b.Loop() {
		s.At(now.Add(4*time.Minute), snapshot.Expectations())
	}
}
