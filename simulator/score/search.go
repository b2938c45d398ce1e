package score

import (
	"context"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// searchFar asks for what a device has up to [farAway] before and after a slice:
// a clock in another time zone is hours wrong.
func (s *Scorer) searchFar(ctx context.Context, b batch, d int, margin time.Duration) ([]sample, error) {
	device := &s.fleet.Devices()[d]
	ids := []telemetry.Device{device.ID}
	from, to := b.from.Add(-margin).UnixMilli(), b.to.Add(margin).UnixMilli()
	have, err := s.read(ctx, device.Kind.Kind, ids, []span{{from - farAway.Milliseconds(), from}, {to, to + farAway.Milliseconds()}}, nil)
	return have[device.ID], err
}

// searchElsewhere looks for what is lost of a device under other names: whatever
// has the same values at the very same time is it.
func (s *Scorer) searchElsewhere(ctx context.Context, r *result, readings []reading) error {
	device := &s.fleet.Devices()[r.device]
	due := map[int64]bool{}
	for _, l := range r.losses {
		due[l.due] = true
	}
	var lost []*reading
	for i := range readings {
		if x := &readings[i]; x.counted && due[x.due] && !x.undecided && len(x.values) > 2 {
			lost = append(lost, x)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	for _, x := range []*reading{lost[0], lost[len(lost)/2], lost[len(lost)-1]} {
		if s.probes.Add(-1) < 0 {
			return nil
		}
		found, ok, err := s.probe(ctx, x, device.ID)
		if err != nil {
			return err
		}
		if ok {
			s.probes.Add(1) // it was worth it
			return s.claim(ctx, r, lost, found)
		}
	}
	return nil
}

// probe looks at a moment for another device that has a reading's values.
func (s *Scorer) probe(ctx context.Context, x *reading, not telemetry.Device) (Series, bool, error) {
	have := map[telemetry.Device][]sample{}
	if err := s.readInto(ctx, have, Query{From: x.at, To: x.at + 1}); err != nil {
		return Series{}, false, err
	}
	var ids []telemetry.Device
	for id := range have {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		g := group{at: x.at, samples: have[id]}
		if 2*g.agrees(x) > len(x.values) && (id != not || g.samples[0].series.Kind != "") {
			return *g.samples[0].series, true, nil
		}
	}
	return Series{}, false, nil
}

// claim counts lost readings as found under another device or kind.
func (s *Scorer) claim(ctx context.Context, r *result, lost []*reading, where Series) error {
	device := &s.fleet.Devices()[r.device]
	from, to := lost[0].at, lost[0].at
	for _, x := range lost {
		from, to = min(from, x.at), max(to, x.at)
	}
	have := map[telemetry.Device][]sample{}
	if err := s.readInto(ctx, have, Query{Kind: where.Kind, Devices: []telemetry.Device{where.Device}, From: from, To: to + 1}); err != nil {
		return err
	}
	m := move{what: "device", to: string(where.Device)}
	if where.Device == device.ID {
		m = move{what: "kind", to: string(where.Kind)}
	}
	at := map[int64]*group{}
	for _, g := range groups(have[where.Device]) {
		at[g.at] = &g
	}
	claimed := int64(0)
	for _, x := range lost {
		g := at[x.at]
		if g == nil {
			continue
		}
		n := int64(g.agrees(x))
		if 2*n <= int64(len(x.values)) {
			continue
		}
		t := r.tally(x.fault)
		t.Lost -= n
		t.WrongSeries += n
		r.moves[m] += n
		r.lostReadings--
		r.bucket(x.due).lost--
		r.losses = slices.DeleteFunc(r.losses, func(l loss) bool { return l.due == x.due })
		claimed += n
	}
	for i := range r.examples {
		if r.examples[i].Have == "nothing" {
			r.examples[i].Have = "under " + m.what + " " + m.to
		}
	}
	s.mu.Lock()
	s.elsewhere[where.Device] += claimed
	s.mu.Unlock()
	return nil
}
