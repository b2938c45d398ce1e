package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// futureTolerance is how far a device's clock may be ahead.
	futureTolerance = 10 * time.Minute
	// takeAhead is how many records wait decoded-for while a batch is written.
	takeAhead = 256
	// maxBatchBytes ends a batch, in bytes of payloads: BatchMessages of the longest would
	// take gigabytes.
	maxBatchBytes = 16 << 20
	// maxWriteBackoff caps the pause between attempts to write to the store.
	maxWriteBackoff = 5 * time.Second
)

// Admission says whether a device's readings are stored, and for which site.
type Admission interface {
	// Admit returns the series' tags for a device, or a Problem as its error
	// (Unregistered, UnknownLocality) where its readings must wait. It is asked
	// for every reading and answers from memory.
	Admit(locality telemetry.Locality, kind telemetry.Kind, device telemetry.Device, at time.Time) (telemetry.Site, error)
	// Locality is nil if there is such a locality, else a Problem (UnknownLocality). It
	// is asked for every message.
	Locality(telemetry.Locality) error
	// What there is serves to say what a wrong topic was most likely meant to be.
	codec.Places
}

// Listener hears of devices as their readings pass. The loader's goroutine calls
// it: it must be quick, and copy what it keeps.
type Listener interface {
	// Stored tells of a point that is queryable now, of which message it is.
	Stored(p telemetry.Point, m Message, gateway string)
	// Held tells of a device's message of which nothing could be stored.
	Held(d telemetry.Device, m Message, gateway string)
	// Refused tells of a reading whose device is not admitted.
	Refused(d telemetry.Device, m Message, gateway string)
}

// Loader takes records from the journal, writes their readings to the store and
// accounts for every message. One loader owns the ledger.
//
// Its work is a list of steps, each of which may be cut off by a crash and is
// then done again:
//
//	take → decode (and check, enrich) → write → commit → acknowledge
//
// Until the commit nothing is counted; from the commit on the record's mark tells a
// repetition from news.
type Loader struct {
	Journal Taker
	// Codec chooses the codec of a message by the subscription it came through.
	// It is called from the loader's goroutine only.
	Codec     func(gateway, topic string) codec.Codec
	Admission Admission
	// Cadence says how often a device reports readings of a kind, from memory; 0 is
	// not known. It bounds what a reading may add up (rain, vehicles). It may be nil.
	Cadence func(telemetry.Device, telemetry.Kind) time.Duration
	// Listener may be nil.
	Listener Listener
	Store    store.Store
	// Written gives how many values the store did not hold before were written since it
	// was called last; see [store.Guard]. It may be nil.
	Written func() map[store.KindHour]int64
	Ledger  Ledger
	// Canaries follow what gateways send themselves; nil are counted all the same.
	Canaries *Canaries
	// Retention is how long the store keeps points; older readings are not
	// written, since some stores would drop them without a word.
	Retention time.Duration
	// BatchMessages and GatherTime bound a batch: it is written as soon as it is full, or
	// so long after the one before it. So what comes while little does is written at
	// once, and under load few batches are made: each costs three syncs.
	BatchMessages int
	GatherTime    time.Duration
	// Bounds are the quarantine's, Disk is where ledger and store are; nil is one
	// without limits.
	Bounds Bounds
	Disk   *Disk
	// Findings are told how full the quarantine and the disk are, and what the journal
	// has lost, forgotten or counted again.
	Findings *Findings

	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics

	storeErr atomic.Pointer[error]
	diskErr  atomic.Pointer[error]
	redrives chan redrive
	discards chan discard
	upkeep   upkeep
	accounts map[Sequence]*Account
	rows     map[RowKey]*Row
	// suspect are the epochs in which numbers were given twice.
	suspect map[Epoch]bool
	hash    keyHash
	// gathered is when the last batch was.
	gathered time.Time
	canaries *telemetry.KindSpec
	topics   *codec.Topics
}

// NewLoader makes a loader with the usual bounds.
func NewLoader(journal Taker, s store.Store, l Ledger) *Loader {
	return &Loader{
		Journal: journal, Store: s, Ledger: l, BatchMessages: 5000, GatherTime: 40 * time.Millisecond, Retention: 400 * 24 * time.Hour,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), redrives: make(chan redrive), discards: make(chan discard), Bounds: DefaultBounds(), Findings: NewFindings(time.Now),
		canaries: telemetry.NewCatalogue().Kind(telemetry.CanaryKind), topics: codec.NewTopics(telemetry.NewCatalogue()),
	}
}

// Run loads until ctx ends, through any absence of journal and store. A batch
// that ctx interrupts is done again at the next start.
func (l *Loader) Run(ctx context.Context) error {
	l.hash = newKeyHash()
	l.accounts, l.rows, l.suspect = map[Sequence]*Account{}, map[RowKey]*Row{}, map[Epoch]bool{}
	accounts, rows := l.Ledger.Books()
	for _, a := range accounts {
		l.accounts[a.Sequence()] = &a
	}
	for _, r := range rows {
		l.rows[r.Key()] = &r
	}
	// again is the First of a record after a gap that was taken from the start
	// once more because of it: if the gap is still there, it is a loss.
	again := map[Sequence]uint64{}
	// The batch at work when ctx ends is finished, if that takes no longer than
	// the grace; else it is done again at the next start.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(StopGrace, cancel) })()
	for ctx.Err() == nil {
		gap, err := l.session(ctx, work, again)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			l.Logger.Error("cannot take from the journal; trying again", "error", err)
			sleep(ctx, time.Second)
		case gap != nil:
			again[gap.Sequence()] = gap.First
			l.Logger.Warn("records are missing; taking the journal from its start once more", "gateway", gap.Gateway,
				"expected", l.account(gap.Sequence()).Position, "found", gap.First)
		}
	}
	return nil
}

// session takes records until something is wrong with the taking. A returned
// record is the first after a gap.
func (l *Loader) session(ctx, work context.Context, again map[Sequence]uint64) (*Record, error) {
	taken, err := l.Journal.Take(ctx)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	defer taken.Close()
	// Before the first record: what the journal has forgotten must not be taken for
	// what is accounted for.
	if err := l.compare(ctx); err != nil {
		return nil, err
	}
	held := time.NewTicker(compareEvery)
	defer held.Stop()
	f := feedFrom(ctx, taken)
	defer f.close()
	w := newBatchWork(taken)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		l.tend(work)
		full := l.tellDisk()
		in, redrives := f.records, l.redrives
		if full != nil {
			in, redrives = nil, nil
		}
		select {
		case r := <-redrives:
			r.done <- l.redrivePage(work, r)
		case d := <-l.discards:
			d.done <- l.discardPage(work, d)
		case <-look.C:
		case d, ok := <-in:
			if !ok {
				return nil, f.err
			}
			gap, err := l.load(work, w, d, f.records, again)
			if gap != nil || err != nil {
				return gap, err
			}
		case <-held.C:
			// A journal that does not answer is told of by whoever takes from it.
			if err := l.compare(work); err != nil {
				l.Logger.Debug("cannot compare the ledger with the journal", "error", err)
			}
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// feed takes records ahead of the loader.
type feed struct {
	records chan Delivery
	err     error // why records is closed
	cancel  context.CancelFunc
}

// feedFrom begins to take until the taking ends or the feed is closed.
func feedFrom(ctx context.Context, taken Taken) *feed {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{records: make(chan Delivery, takeAhead), cancel: cancel}
	go func() {
		defer close(f.records)
		for {
			d, err := taken.Next(ctx)
			if err != nil {
				f.err = err
				return
			}
			select {
			case f.records <- d:
			case <-ctx.Done():
				return
			}
		}
	}()
	return f
}

// close ends the feed, which ends before the taking does.
func (f *feed) close() {
	f.cancel()
	for range f.records {
	}
}

// load drives one batch, begun with d and filled from what else is there,
// through all steps.
func (l *Loader) load(ctx context.Context, w *batchWork, d Delivery, feed <-chan Delivery, again map[Sequence]uint64) (*Record, error) {
	w.reset()
	gap := l.take(w, d, feed, again)
	l.decode(w)
	if err := l.write(ctx, w); err != nil {
		return nil, err
	}
	l.follow(w, stageWritten)
	if err := l.commit(ctx, w); err != nil {
		return nil, err
	}
	l.follow(w, stageSettled)
	if err := l.acknowledge(ctx, w); err != nil {
		return gap, err
	}
	return gap, l.tellJournal(ctx, w)
}

// take gathers deliveries into the batch until it is full, it is so long since the
// last one was, or a gap is found.
func (l *Loader) take(w *batchWork, d Delivery, feed <-chan Delivery, again map[Sequence]uint64) (gap *Record) {
	timer := time.NewTimer(time.Until(l.gathered.Add(l.GatherTime)))
	defer timer.Stop()
	defer func() { l.gathered = time.Now() }()
	for {
		if gap = l.enter(w, d, again); gap != nil || len(w.items) >= l.BatchMessages || w.bytes >= maxBatchBytes {
			return gap
		}
		var ok bool
		select {
		case d, ok = <-feed:
			if !ok {
				return nil
			}
			continue
		default:
		}
		// What is there already is taken, however late it is.
		select {
		case d, ok = <-feed:
			if !ok {
				return nil
			}
		case <-timer.C:
			return nil
		}
	}
}

// enter adds a record's messages to the batch, unless the record is proven to have
// been committed. Where numbers are missing before it, the record is returned
// instead, unless it has been so once before.
func (l *Loader) enter(w *batchWork, d Delivery, again map[Sequence]uint64) (gap *Record) {
	if d.Err != nil {
		l.Logger.Error("a journal record cannot be read; its bytes are kept in quarantine", "gateway", d.Record.Gateway, "error", d.Err)
		w.corrupt = append(w.corrupt, d)
		w.done = append(w.done, d)
		return nil
	}
	r, s, mark := d.Record, d.Record.Sequence(), d.Mark()
	next := l.account(s).Position
	if p, ok := w.positions[s]; ok {
		next = p
	}
	repeated := false
	switch {
	case r.First > next && again[s] != r.First:
		return &r
	case r.First > next:
		w.lost[s] += r.First - next
	case r.First < next:
		// A number alone proves nothing: a journal that has forgotten its count gives
		// it once more, to a message that nobody has seen.
		if repeated = l.Ledger.Repeated(mark) || slices.Contains(w.marks, mark); !repeated {
			w.again[s] += min(r.End(), next) - r.First
		}
	}
	w.noted[s] = max(w.noted[s], r.End())
	w.done = append(w.done, d)
	if repeated {
		return nil
	}
	for i := range r.Messages {
		w.bytes += len(r.Messages[i].Payload)
		w.items = append(w.items, item{sequence: s, message: r.Messages[i]})
	}
	w.positions[s] = max(next, r.End())
	w.marks = append(w.marks, mark)
	return nil
}

// write writes the batch's points, however often it must try, and notes which
// the store will never take.
func (l *Loader) write(ctx context.Context, w *batchWork) error {
	if len(w.points) == 0 {
		return nil
	}
	for attempt, wait := 0, 100*time.Millisecond; ; attempt, wait = attempt+1, min(2*wait, maxWriteBackoff) {
		start := l.Now()
		err := l.Store.Write(ctx, w.points)
		l.Metrics.writeSeconds.Observe(l.Now().Sub(start).Seconds())
		var rejected *store.RejectedError
		if err == nil || errors.As(err, &rejected) {
			if attempt > 0 {
				l.Logger.Info("store accepts again", "after", attempt)
			}
			l.Metrics.storeUp.Set(1)
			l.storeErr.Store(nil)
			w.reject(rejected)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.Metrics.storeUp.Set(0)
		l.storeErr.Store(&err)
		l.Metrics.writeErrors.Inc()
		if attempt == 0 {
			l.Logger.Error("store does not accept; the journal holds the messages until it does", "error", err)
		}
		if !l.await(ctx, wait) {
			return ctx.Err()
		}
	}
}

// await waits, and meanwhile discards for who asks. It reports false if ctx ended
// first.
func (l *Loader) await(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case d := <-l.discards:
			d.done <- l.discardPage(ctx, d)
		case <-t.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// StoreError is why the store does not accept at the moment; nil if it does.
func (l *Loader) StoreError() error {
	if err := l.storeErr.Load(); err != nil {
		return *err
	}
	return nil
}

// DiskError is why the loader writes nothing at the moment; nil if it does.
func (l *Loader) DiskError() error {
	if err := l.diskErr.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *Loader) account(s Sequence) *Account {
	a := l.accounts[s]
	if a == nil {
		a = &Account{Gateway: s.Gateway, Epoch: s.Epoch}
		l.accounts[s] = a
	}
	return a
}

// observe feeds the metrics from a batch that is queryable now.
func (l *Loader) observe(w *batchWork, now time.Time) {
	l.Metrics.batchMessages.Observe(float64(len(w.items)))
	values := 0
	for i := range w.items {
		it := &w.items[i]
		if it.canary != 0 {
			continue
		}
		values += it.stored
		for _, p := range it.problems {
			l.Metrics.problems.WithLabelValues(string(p.Reason)).Inc()
		}
	}
	l.Metrics.values.Add(float64(values))
	for i := range w.points {
		p, it := w.points[i], &w.items[w.owners[i]]
		if it.canary != 0 {
			continue
		}
		l.Metrics.delay.Observe(now.Sub(p.Time).Seconds())
		l.Metrics.loadDelay.Observe(now.Sub(it.message.Received).Seconds())
		if l.Listener != nil && it.stored > 0 {
			l.Listener.Stored(p, it.message, it.sequence.Gateway)
		}
	}
	if l.Listener == nil {
		return
	}
	for i := range w.items {
		if it := &w.items[i]; it.fate == Held && !it.duplicate && it.device != "" {
			l.Listener.Held(it.device, it.message, it.sequence.Gateway)
		}
	}
}
