package storetest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func exactly(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	points := []telemetry.Point{
		m.Air(1, now.Add(-2*time.Minute), 0, 12.4, 30.1, -0.5, 1e-3, 123456.789),
		m.Air(1, now.Add(-time.Minute), 1, 12.5),
		m.Air(1, now.Add(-time.Minute).Add(time.Millisecond), 2),
		m.Air(2, now, 0.1, 0.2, 0.3),
		{Series: m.Series(telemetry.Weather, 3), Time: now, Values: []telemetry.Value{
			{Spec: m.Spec(telemetry.Weather, telemetry.Pressure), Number: 1013.25},
			{Spec: m.Spec(telemetry.Weather, telemetry.Sequence), Number: 1 << 40},
		}},
	}
	s.write(points...)
	s.wantStored(points...)
}

func extremes(t *testing.T, s *subject) {
	if s.Rounds {
		t.Skip("the engine rounds such numbers")
	}
	m, now := NewMaker(t), Now()
	p := m.Air(1, now, 1<<53, -(1 << 53), math.MaxFloat64, -math.MaxFloat64, 1e-300, math.Pi, 0.30000000000000004)
	s.write(p)
	s.wantStored(p)
}

func nothing(t *testing.T, s *subject) {
	m := NewMaker(t)
	s.write()
	s.write(m.Air(1, Now()))
	whole := m.Air(2, Now(), 1)
	s.write(m.Air(1, Now()), whole)
	s.wantStored(whole)
}

func apart(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	var points []telemetry.Point
	for i, change := range []func(*telemetry.Series){
		func(*telemetry.Series) {},
		func(s *telemetry.Series) { s.Locality = "cam-ranh" },
		func(s *telemetry.Series) { s.Device = "other" },
		func(s *telemetry.Series) { s.Site += "-b" },
	} {
		p := m.Air(1, now, float64(i))
		change(&p.Series)
		points = append(points, p)
	}
	s.write(points...)
	s.wantStored(points...)
}

func order(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	var points []telemetry.Point
	for i := range 600 {
		points = append(points, m.Air(i%3, now.Add(-time.Duration(i)*17*time.Second), float64(i), -float64(i)))
	}
	shuffle(points)
	s.write(points[:250]...)
	s.write(points[250:251]...)
	s.write(points[251:]...)
	s.wantStored(points...)
}

func late(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	s.write(m.Air(1, now, 0))
	points := []telemetry.Point{m.Air(1, now, 0)}
	for _, lateness := range []time.Duration{
		time.Second, time.Hour, 3 * time.Hour, 26 * time.Hour, 10 * 24 * time.Hour, 100 * 24 * time.Hour,
		5 * time.Hour, 11 * 24 * time.Hour,
	} {
		p := m.Air(1, now.Add(-lateness), lateness.Seconds())
		q := m.Air(2, now.Add(-lateness), lateness.Seconds()) // a series that begins late
		s.write(p, q)
		points = append(points, p, q)
	}
	next := m.Air(1, now.Add(time.Second), 1)
	s.write(next)
	s.wantStored(append(points, next)...)
}

func again(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	var points []telemetry.Point
	for i := range 50 {
		points = append(points, m.Air(i%2, now.Add(-time.Duration(i)*time.Minute*7), float64(i), 2*float64(i)))
	}
	s.write(append(append(points, points...), points[3], points[3])...)
	s.write(points...)
	shuffle(points)
	s.write(points...)
	s.write(points[:7]...)
	// More metrics for a time that is known are more, not again.
	p := m.Air(0, now, 0, 0, 77)
	s.write(p)
	s.wantStored(append(points, p)...)
}

func shuffle(points []telemetry.Point) {
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
}

func rejectedValue(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	points := []telemetry.Point{
		m.Air(1, now, 1, 2, 3),
		m.Air(1, now.Add(time.Second), 1, math.NaN(), 3),
		m.Air(2, now, math.Inf(1), 2, math.Inf(-1)),
		m.Air(3, now, 1, 2, 3),
		m.Air(4, now, math.NaN()),
	}
	s.wantRejected(points,
		store.Rejection{Point: 1, Metric: telemetry.PM25},
		store.Rejection{Point: 2, Metric: telemetry.PM1},
		store.Rejection{Point: 2, Metric: telemetry.PM10},
		store.Rejection{Point: 4, Metric: telemetry.PM1},
	)
	points[1].Values = append(points[1].Values[:1:1], points[1].Values[2])
	points[2].Values = points[2].Values[1:2]
	s.wantStored(points[:4]...)
}

func rejectedPoint(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	points := []telemetry.Point{m.Air(1, now, 1), m.Air(2, now, 2), m.Air(3, now, 3), m.Air(4, now, 4), m.Air(5, now, 5)}
	points[1].Series.Site = ""
	points[3].Series.Device = "two\nlines"
	s.wantRejected(points, store.Rejection{Point: 1}, store.Rejection{Point: 3})
	s.wantStored(points[0], points[2], points[4])
}

func bigBatch(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	points := make([]telemetry.Point, 5000)
	for i := range points {
		values := make([]float64, 10)
		for j := range values {
			values[j] = float64(i) + float64(j)/16
		}
		points[i] = m.Air(i%20, now.Add(-time.Duration(5000-i)*time.Second), values...)
	}
	s.write(points...)
	s.wantStored(points...)
}

func concurrent(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	const writers, each = 8, 40
	var all []telemetry.Point
	var wg sync.WaitGroup
	failures := make(chan error, writers)
	for w := range writers {
		points := make([]telemetry.Point, each)
		for i := range points {
			// Half of the series are everybody's.
			points[i] = m.Air((w*(i%2))+i%3, now.Add(time.Duration(w*each+i-writers*each)*time.Second), float64(w), float64(i))
		}
		all = append(all, points...)
		wg.Go(func() {
			for i := 0; i < each; i += 10 {
				if err := s.Store.Write(t.Context(), points[i:i+10]); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	s.wantStored(all...)
}

func cancelled(t *testing.T, s *subject) {
	m, now := NewMaker(t), Now()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	points := []telemetry.Point{m.Air(1, now, 1)}
	if err := s.wantFailed(ctx, points); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want one that is context.Canceled", err)
	}
	s.write(points...)
	s.wantStored(points...)
}

func crash(t *testing.T, s *subject) {
	if s.Restart == nil {
		t.Skip("the subject cannot be restarted")
	}
	m, now := NewMaker(t), Now()
	var points []telemetry.Point
	for round := range 3 {
		fresh := []telemetry.Point{
			m.Air(1, now.Add(time.Duration(round)*time.Second), float64(round)),
			m.Air(1, now.Add(-time.Duration(round+1)*7*time.Hour), float64(round)),
			m.Air(10+round, now, float64(round)),
		}
		points = append(points, fresh...)
		s.write(fresh...)
		s.Store = s.Restart()
		s.wantStored(points...)
		// What the loader was not sure of it writes again.
		s.write(points...)
		s.wantStored(points...)
	}
}
