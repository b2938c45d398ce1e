package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// samplesAtOnce is the longest period of which all readings are asked at once: of
// one a second from a device, some 15 MB.
const samplesAtOnce = 3 * 24 * time.Hour

// Chart is a series into which only readings enter that the instrument took for
// good ([telemetry.Quality]). The stores compute the steps; they cannot leave out a
// reading for what another series says at that moment. So they are asked which
// steps have a flag, and these few are computed here, of their single readings.
func Chart(ctx context.Context, r Readings, q SeriesQuery) ([]DeviceSeries, error) {
	found, err := r.Series(ctx, q)
	if err != nil || len(found) == 0 || q.Metric == telemetry.QualityCode {
		return found, err
	}
	said := q
	said.Metric = telemetry.QualityCode
	flags, err := r.Series(ctx, said)
	if err != nil {
		return nil, fmt.Errorf("read quality: %w", err)
	}
	flagged := flagsOf(flags)
	if len(flagged) == 0 {
		return found, nil
	}
	if err := flagged.read(ctx, r, q); err != nil {
		return nil, fmt.Errorf("read flagged steps: %w", err)
	}
	for i := range found {
		flagged.mend(q.Metric, &found[i])
	}
	return found, nil
}

// flaggedSteps are the steps in which a device flagged a reading.
type flaggedSteps map[flaggedStep]*goodPart

type flaggedStep struct {
	device telemetry.Device
	end    int64 // Unix milliseconds
}

// goodPart is what a step has of good readings, and the worst flag on its others.
type goodPart struct {
	n        int
	min, max float64
	sum      float64 // of what [telemetry.Linear] gives
	worst    telemetry.Quality
}

func flagsOf(flags []DeviceSeries) flaggedSteps {
	f := flaggedSteps{}
	for _, s := range flags {
		for _, p := range s.Points {
			if p.Max >= float64(telemetry.Calibrating) {
				f[flaggedStep{s.Device, p.Time.UnixMilli()}] = &goodPart{}
			}
		}
	}
	return f
}

// read takes over the single readings of the flagged steps.
func (f flaggedSteps) read(ctx context.Context, r Readings, q SeriesQuery) error {
	for _, period := range f.periods(q.Step) {
		some := q
		some.From, some.To = period[0], period[1]
		found, err := r.Samples(ctx, some)
		if err != nil {
			return err
		}
		for _, d := range found {
			for _, s := range d.Samples {
				end := q.From.Add((s.Time.Sub(q.From) + q.Step - 1) / q.Step * q.Step)
				if part := f[flaggedStep{d.Device, end.UnixMilli()}]; part != nil {
					part.add(q.Metric, s)
				}
			}
		}
	}
	return nil
}

// periods are the times of the flagged steps, from excluded to included: steps that
// follow each other together, and none too long.
func (f flaggedSteps) periods(step time.Duration) (out [][2]time.Time) {
	ends := map[int64]bool{}
	for s := range f {
		ends[s.end] = true
	}
	sorted := make([]int64, 0, len(ends))
	for end := range ends {
		sorted = append(sorted, end)
	}
	slices.Sort(sorted)
	for _, ms := range sorted {
		end := time.UnixMilli(ms).UTC()
		for from := end.Add(-step); from.Before(end); {
			to := from.Add(min(samplesAtOnce, end.Sub(from)))
			if n := len(out); n > 0 && out[n-1][1].Equal(from) && to.Sub(out[n-1][0]) <= samplesAtOnce {
				out[n-1][1] = to
			} else {
				out = append(out, [2]time.Time{from, to})
			}
			from = to
		}
	}
	return out
}

func (g *goodPart) add(m telemetry.Metric, s Sample) {
	if s.Quality != telemetry.Measuring {
		g.worst = max(g.worst, s.Quality)
		return
	}
	if g.n == 0 {
		g.min, g.max = s.Value, s.Value
	}
	g.n++
	g.sum += telemetry.Linear(m, s.Value)
	g.min, g.max = min(g.min, s.Value), max(g.max, s.Value)
}

// mend puts the good part in the place of the whole. A step without a good reading
// has no values.
func (f flaggedSteps) mend(m telemetry.Metric, s *DeviceSeries) {
	s.Points = slices.DeleteFunc(s.Points, func(p SeriesPoint) bool {
		part := f[flaggedStep{s.Device, p.Time.UnixMilli()}]
		if part == nil || part.n > 0 || part.worst == telemetry.Measuring {
			return false
		}
		s.Flagged = append(s.Flagged, FlaggedStep{p.Time, qualityWord(part.worst)})
		return true
	})
	for i := range s.Points {
		p := &s.Points[i]
		if part := f[flaggedStep{s.Device, p.Time.UnixMilli()}]; part != nil && part.n > 0 {
			p.Min, p.Mean, p.Max = part.min, telemetry.FromLinear(m, part.sum/float64(part.n)), part.max
			p.Quality = qualityWord(part.worst)
		}
	}
}

// qualityWord is a flag as the interface tells it; "" for a good reading.
func qualityWord(q telemetry.Quality) string {
	switch {
	case q >= telemetry.InstrumentError:
		return "error"
	case q == telemetry.Calibrating:
		return "calibrating"
	}
	return ""
}

// sampling brings a metric's samples and their flags together.
type sampling map[telemetry.Device]map[int64]*flaggedSample

type flaggedSample struct {
	Sample
	measured bool // else there is only the flag
}

// add takes a sample of the metric or of the quality; others, and those outside of
// the period, are none of it.
func (in sampling) add(d telemetry.Device, q SeriesQuery, m telemetry.Metric, s sample) {
	if !s.time.After(q.From) || s.time.After(q.To) || m != q.Metric && m != telemetry.QualityCode {
		return
	}
	if in[d] == nil {
		in[d] = map[int64]*flaggedSample{}
	}
	at := s.time.UnixMilli()
	one := in[d][at]
	if one == nil {
		one = &flaggedSample{Sample: Sample{Time: s.time}}
		in[d][at] = one
	}
	if m == telemetry.QualityCode {
		one.Quality = telemetry.Quality(s.value)
	} else {
		one.Value, one.measured = s.value, true
	}
}

func (in sampling) sorted() (out []DeviceSamples) {
	for d, samples := range in {
		s := DeviceSamples{Device: d}
		for _, one := range samples {
			if one.measured {
				s.Samples = append(s.Samples, one.Sample)
			}
		}
		slices.SortFunc(s.Samples, func(a, b Sample) int { return a.Time.Compare(b.Time) })
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b DeviceSamples) int { return cmp.Compare(a.Device, b.Device) })
	return out
}
