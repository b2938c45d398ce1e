package score

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/simulator"
)

// Options say what is held against what.
type Options struct {
	Scenario simulator.Scenario
	// At is when the time line starts, if it was moved; zero is the scenario's own.
	At time.Time
	// From and To bound the period, on the moved time line; zero is its start and
	// its end.
	From, To time.Time
	Store    Store
	// Received is when a message that was due at a time was received; nil where
	// nobody knows.
	Received func(due time.Time) time.Time
	// Retention is how old a reading may be for the pipeline to store it. Default:
	// what the store says, or else [simulator.Retention].
	Retention time.Duration
	// Quarantine, if set, counts what waits of the fleet's devices.
	Quarantine func(ctx context.Context, ours func(topic string) bool) (Waiting, error)
	// Follow, if not 0, is how often the store is asked while the scenario is sent,
	// which tells the delay.
	Follow time.Duration
	// Uses says of which use a device's site is, for limits that hold only there; nil
	// is none.
	Uses func(d *simulator.Device) []limits.Area
	// Limits are those whose crossings are looked for; nil is [limits.All].
	Limits []limits.Limit
	// Workers is how many questions are asked at once. Default 2.
	Workers int
	Now     func() time.Time
	// Progress, if set, is called from one goroutine at a time.
	Progress func(done, total int, what string)
}

// Scorer scores, once.
type Scorer struct {
	o     Options
	fleet *simulator.Fleet
	now   time.Time

	far, probes atomic.Int64 // what is left of the budget for searches

	mu        sync.Mutex
	rows      map[rowKey]*Tally
	messages  Messages
	reasons   map[reasonKey]int64
	troubled  map[int]*result
	untold    int // devices with trouble that found no room in troubled
	readings  int64
	buckets   [bucketCount]bucket
	elsewhere map[telemetry.Device]int64
}

type rowKey struct {
	kind     telemetry.Kind
	locality telemetry.Locality
	fault    simulator.FaultClass
}

// Bounds of memory and of the searches for what is not where it should be.
const (
	batchSamples = 60_000
	batchDevices = 200
	maxTroubled  = 20_000
	farSearches  = 400
	maxProbes    = 90
	farAway      = 26 * time.Hour
)

// New makes a scorer; it asks nobody yet.
func New(o Options) (*Scorer, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workers < 1 {
		o.Workers = min(2, runtime.GOMAXPROCS(0))
	}
	if o.Progress == nil {
		o.Progress = func(int, int, string) {}
	}
	if o.Limits == nil {
		o.Limits = limits.All()
	}
	if o.Uses == nil {
		o.Uses = func(*simulator.Device) []limits.Area { return nil }
	}
	fleet, err := simulator.NewScenarioFleet(o.Scenario)
	if err != nil {
		return nil, err
	}
	if !o.At.IsZero() {
		fleet = fleet.At(o.At)
	}
	if o.From.IsZero() {
		o.From = fleet.Start()
	}
	if o.To.IsZero() {
		o.To = fleet.End()
	}
	if err := checkPeriod(fleet, o); err != nil {
		return nil, err
	}
	s := &Scorer{o: o, fleet: fleet, rows: map[rowKey]*Tally{}, reasons: map[reasonKey]int64{}, troubled: map[int]*result{}, elsewhere: map[telemetry.Device]int64{}}
	s.far.Store(farSearches)
	s.probes.Store(maxProbes)
	return s, nil
}

func checkPeriod(fleet *simulator.Fleet, o Options) error {
	start, end := fleet.Start(), fleet.End()
	within := func(t time.Time) bool { return !t.Before(start) && !t.After(end) }
	if !within(o.From) || !within(o.To) {
		return fmt.Errorf("the period %s to %s is not within the scenario's time line, %s to %s: give --from and --to within it, or move it as it was sent with --at",
			shown(o.From), shown(o.To), shown(start), shown(end))
	}
	if !o.To.After(o.From) {
		return fmt.Errorf("the period ends at %s, not after its start %s: give --from a time before --to", shown(o.To), shown(o.From))
	}
	return nil
}

// shown is a time as people of the province read it.
func shown(t time.Time) string { return t.In(local()).Format("2006-01-02 15:04:05") }

func local() *time.Location { return time.FixedZone("Asia/Ho_Chi_Minh", 7*3600) }

// Fleet is the scenario's, moved to where its time line is.
func (s *Scorer) Fleet() *simulator.Fleet { return s.fleet }

// ErrNothing says that the store has nothing of what was expected.
var ErrNothing = errors.New("the store holds nothing of it")

// Run scores. The error is about what could not be done; what is wrong in the
// store is in the report.
func (s *Scorer) Run(ctx context.Context) (*Report, error) {
	s.now = s.o.Now()
	if err := s.checkRetention(ctx); err != nil {
		return nil, err
	}
	var delay *Delay
	if s.o.Follow > 0 {
		var err error
		if delay, err = s.follow(ctx); err != nil {
			return nil, err
		}
		s.now = s.o.Now()
	}
	if err := s.compareAll(ctx); err != nil {
		return nil, err
	}
	r := s.report()
	r.Delay = delay
	if t := r.Total; t.Lost > 0 && t.Lost == t.Expected-t.Undecided && t.Unexpected == 0 {
		return nil, fmt.Errorf("verify %s from %s to %s: %w (%s): was it sent there, and at this time? `haidang simulate --scenario` sends it; --at says to when its time line was moved",
			s.o.Scenario.Name, shown(s.o.From), shown(s.o.To), ErrNothing, s.o.Store)
	}
	if s.o.Quarantine != nil {
		if err := s.checkQuarantine(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// checkRetention refuses a period that the store no longer keeps.
func (s *Scorer) checkRetention(ctx context.Context) error {
	keeps := s.o.Store.Retention(ctx)
	if s.o.Retention == 0 {
		s.o.Retention = keeps
	}
	if keeps == 0 {
		return nil
	}
	if oldest := s.now.Add(-keeps); s.o.From.Before(oldest) {
		return fmt.Errorf("verify from %s: the store keeps %s, which begins at %s: give a later --from, move the time line with --at as it was sent, or have the store keep more with --retention",
			shown(s.o.From), keeps, shown(oldest))
	}
	return nil
}

// batch is a question: some devices of a kind, for a slice of the period.
type batch struct {
	devices  []int
	from, to time.Time
}

// batches calls f for each question that is needed, small enough for one answer.
func (s *Scorer) batches(f func(batch) bool) (total int) {
	type group struct {
		kind  telemetry.Kind
		every time.Duration
	}
	members := map[group][]int{}
	var order []group
	for i := range s.fleet.Devices() {
		d := &s.fleet.Devices()[i]
		g := group{d.Kind.Kind, d.Every}
		if members[g] == nil {
			order = append(order, g)
		}
		members[g] = append(members[g], i)
	}
	catalogue := telemetry.NewCatalogue()
	for _, g := range order {
		width := int64(len(catalogue.Kind(g.kind).Metrics))
		slice := max(time.Duration(batchSamples/width)*g.every, time.Hour)
		for from := s.o.From; from.Before(s.o.To); from = from.Add(slice) {
			to := from.Add(slice)
			if to.After(s.o.To) {
				to = s.o.To
			}
			each := width * (int64(to.Sub(from)/g.every) + 1)
			n := int(min(max(batchSamples/each, 1), batchDevices))
			for devices := range slices.Chunk(members[g], n) {
				total++
				if !f(batch{devices, from, to}) {
					return total
				}
			}
		}
	}
	return total
}

// compareAll goes through all batches with some workers.
func (s *Scorer) compareAll(ctx context.Context) error {
	total := s.batches(func(batch) bool { return true })
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan batch)
	var workers sync.WaitGroup
	var done int
	for range s.o.Workers {
		workers.Go(func() {
			for b := range work {
				if err := s.compare(ctx, b); err != nil {
					cancel(err)
					continue // the others drain away
				}
				s.mu.Lock()
				done++
				s.o.Progress(done, total, "")
				s.mu.Unlock()
			}
		})
	}
	s.batches(func(b batch) bool {
		select {
		case work <- b:
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(work)
	workers.Wait()
	return context.Cause(ctx)
}

// compare answers one question.
func (s *Scorer) compare(ctx context.Context, b batch) error {
	devices := s.fleet.Devices()
	kind, every := devices[b.devices[0]].Kind.Kind, devices[b.devices[0]].Every
	margin := 2*every + 2*time.Minute
	from, to := b.from.Add(-margin).UnixMilli(), b.to.Add(margin).UnixMilli()
	truths := make([]expected, len(b.devices))
	spans := map[span][]telemetry.Device{}
	var ids []telemetry.Device
	for i, d := range b.devices {
		truths[i] = s.expect(d, b.from, b.to, margin)
		if truths[i].messages.Planned == truths[i].messages.Unsubscribed && truths[i].messages.Planned > 0 {
			continue // nothing of it is ours
		}
		ids = append(ids, devices[d].ID)
		for _, o := range outliers(truths[i].readings, from, to) {
			spans[o] = append(spans[o], devices[d].ID)
		}
	}
	have, err := s.read(ctx, kind, ids, []span{{from, to}}, spans)
	if err != nil {
		return err
	}
	for i, d := range b.devices {
		r, err := s.device(ctx, b, d, truths[i], have[devices[d].ID], margin)
		if err != nil {
			return err
		}
		s.add(r)
	}
	return nil
}

// device compares one, and searches for what is missing of it.
func (s *Scorer) device(ctx context.Context, b batch, d int, x expected, have []sample, margin time.Duration) (*result, error) {
	readings := x.readings
	run := func(samples []sample) *result {
		r := newResult(d, s.o.From.UnixMilli(), s.o.To.UnixMilli())
		r.messages, r.reasons = x.messages, x.reasons
		for i := range readings {
			if readings[i].counted {
				r.bucket(readings[i].due).expected++
			}
		}
		c := comparison{device: &s.fleet.Devices()[d], result: r, from: b.from.UnixMilli(), to: b.to.UnixMilli(), readings: readings, groups: groups(samples)}
		c.run()
		return r
	}
	r := run(have)
	if r.total().Unexpected > 0 {
		// What was measured in the slice may have been sent long after it.
		readings = s.within(d, b, margin)
		r = run(have)
	}
	if !r.misses() || s.far.Add(-1) < 0 {
		return r, nil
	}
	wide, err := s.searchFar(ctx, b, d, margin)
	if err != nil {
		return nil, err
	}
	if again := run(append(slices.Clone(have), wide...)); again.total().Lost < r.total().Lost {
		r = again
	}
	if r.misses() {
		err = s.searchElsewhere(ctx, r, readings)
	}
	return r, err
}

// misses reports whether so much is lost that it may be elsewhere.
func (r *result) misses() bool {
	return r.lostReadings*5 >= r.readings && (r.lostReadings >= 3 || r.lostReadings > 0 && r.lostReadings == r.readings)
}

// within are the readings of a slice, with all those of the whole time line that
// have a time in it.
func (s *Scorer) within(d int, b batch, margin time.Duration) []reading {
	from, to := b.from.Add(-margin).UnixMilli(), b.to.Add(margin).UnixMilli()
	x := s.expect(d, b.from, b.to, max(b.from.Sub(s.fleet.Start()), s.fleet.End().Sub(b.to))+time.Hour)
	return slices.DeleteFunc(x.readings, func(r reading) bool { return !r.counted && (r.at < from || r.at >= to) })
}

// span is a time that is asked for.
type span struct{ from, to int64 }

// outliers are the times outside of a span in which readings stand, in whole
// hours, so that devices share them.
func outliers(readings []reading, from, to int64) (all []span) {
	const hour = 3600_000
	for i := range readings {
		r := &readings[i]
		if !r.counted || r.at >= from && r.at < to {
			continue
		}
		start := r.at - r.at%hour
		o := span{start, start + hour}
		if o.from < to && o.to > from { // never ask twice for the same
			if o.from < from {
				o.to = min(o.to, from)
			} else {
				o.from = to
			}
		}
		if len(all) == 0 || all[len(all)-1] != o {
			all = append(all, o)
		}
	}
	return all
}

// read asks for all values of devices in the spans, and of some devices in
// further ones.
func (s *Scorer) read(ctx context.Context, kind telemetry.Kind, ids []telemetry.Device, all []span, some map[span][]telemetry.Device) (map[telemetry.Device][]sample, error) {
	have := make(map[telemetry.Device][]sample, len(ids))
	for _, p := range all {
		if len(ids) > 0 {
			if err := s.readInto(ctx, have, Query{Kind: kind, Devices: ids, From: p.from, To: p.to}); err != nil {
				return nil, err
			}
		}
	}
	for p, devices := range some {
		if err := s.readInto(ctx, have, Query{Kind: kind, Devices: devices, From: p.from, To: p.to}); err != nil {
			return nil, err
		}
	}
	return have, nil
}

func (s *Scorer) readInto(ctx context.Context, have map[telemetry.Device][]sample, q Query) error {
	var got []sample
	err := patiently(ctx, func() error {
		got = got[:0]
		var last, kept *Series
		return s.o.Store.Read(ctx, q, func(series *Series, at int64, v float64) {
			if series != last { // the reader may use its memory again
				last = series
				c := *series
				kept = &c
			}
			got = append(got, sample{at, v, kept})
		})
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", s.o.Store, err)
	}
	for _, g := range got {
		have[g.series.Device] = append(have[g.series.Device], g)
	}
	return nil
}

// add adds a device's slice to the whole.
func (s *Scorer) add(r *result) {
	d := &s.fleet.Devices()[r.device]
	s.mu.Lock()
	defer s.mu.Unlock()
	for fault, t := range r.tallies {
		key := rowKey{d.Kind.Kind, d.Locality, fault}
		if s.rows[key] == nil {
			s.rows[key] = &Tally{}
		}
		s.rows[key].add(*t)
	}
	s.messages.add(r.messages)
	s.readings += r.readings
	for k, n := range r.reasons {
		s.reasons[k] += n
	}
	for i := range r.buckets {
		s.buckets[i].expected += r.buckets[i].expected
		s.buckets[i].lost += r.buckets[i].lost
	}
	r.buckets = nil
	switch have := s.troubled[r.device]; {
	case have != nil:
		have.merge(r)
	case r.total().Perfect():
	case len(s.troubled) >= maxTroubled:
		s.untold++
	default:
		s.troubled[r.device] = r
	}
}

// results are the devices with trouble, in order.
func (s *Scorer) results() []*result {
	all := make([]*result, 0, len(s.troubled))
	for _, r := range s.troubled {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *result) int { return cmp.Compare(a.device, b.device) })
	return all
}
