package figures

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/vnaqi"
)

const (
	// runAfter is how long after a full RevisionEvery a run is due: readings of the
	// hour that has just ended are still on their way.
	runAfter = 2 * time.Minute
	// catchUp is how far back hours are computed that nobody has noted: after an
	// absence of this process, and at its first start.
	catchUp = 31 * 24 * time.Hour
	// budget bounds a run; what it does not come to, the next one does.
	budget = 4 * time.Minute
	// fewSites is up to how many sites a day is read at once, for them alone.
	fewSites = 100
	// wholeDay is up to how many samples of a kind in an hour a day is read at once,
	// for all sites: some 20 MB.
	wholeDay = 50_000
	// notesName is the file in the data folder.
	notesName = "figures.notes"
)

// Options is what [OpenHours] needs.
type Options struct {
	// Store takes what is computed, Reader reads readings back.
	Store  store.Store
	Reader store.Reader
	// Visible is how long after a write what was written may not be readable yet.
	Visible time.Duration
	// Dir is the data folder; Sync says that the notes must survive a loss of power.
	Dir  string
	Sync bool

	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Hours computes what is kept of every hour, and VN_AQI. See the package's comment.
type Hours struct {
	Options
	notes  *notes
	tables map[telemetry.Kind]*table // of what devices report and something is kept of
	order  []telemetry.Kind
	index  indexSpecs
	// sizes are how many samples the newest hours of all sites had, by kind.
	sizes map[telemetry.Kind]int

	written           *prometheus.CounterVec
	failures, refused prometheus.Counter
	seconds           prometheus.Histogram
}

// OpenHours reads the notes of earlier runs. Close must be called in the end.
func OpenHours(o Options) (*Hours, error) {
	n, err := openNotes(filepath.Join(o.Dir, notesName), o.Sync, o.Now())
	if err != nil {
		return nil, err
	}
	h := &Hours{Options: o, notes: n, tables: map[telemetry.Kind]*table{}, sizes: map[telemetry.Kind]int{}}
	cat := telemetry.NewCatalogue()
	kinds := cat.Kinds()
	for i := range kinds {
		// A status is told when it changes: it has no mean.
		if t := newTable(&kinds[i]); len(t.metrics) > 0 && kinds[i].Kind != telemetry.Status {
			h.tables[kinds[i].Kind] = t
			h.order = append(h.order, kinds[i].Kind)
		}
	}
	h.index = newIndexSpecs(cat)
	h.register()
	return h, nil
}

func (h *Hours) register() {
	h.written = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_figures_points_total", Help: "Points computed and written to the store, by what was computed: hour or air_quality_index."}, []string{"figure"})
	h.failures = prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_figures_errors_total", Help: "Runs that could not read or write all they had to; the next run does what is left."})
	h.refused = prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_figures_refused_total", Help: "Computed values that the store will never take."})
	h.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "haidang_figures_run_seconds", Help: "Time of one run that computes hours and indices.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 8)})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "haidang_figures_notes", Help: "Hours and days, of sites or of all, that wait to be computed."}, func() float64 { return float64(h.notes.count()) })
	closed := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "haidang_figures_closed_timestamp_seconds", Help: "The end of the last hour that has been noted to be computed."}, func() float64 {
		if c := h.notes.closedUntil(); !c.IsZero() {
			return float64(c.Unix())
		}
		return 0
	})
	if h.Registerer != nil {
		h.Registerer.MustRegister(h.written, h.failures, h.refused, h.seconds, waiting, closed)
	}
}

// Close closes the file of notes.
func (h *Hours) Close() error { return h.notes.closeFile() }

// computed reports whether something is kept of a kind's hours.
func (h *Hours) computed(k telemetry.Kind) bool { return h.tables[k] != nil }

// Run computes what is due until ctx ends.
func (h *Hours) Run(ctx context.Context) error {
	for failed := false; ; {
		due := NextRun(h.Now())
		if !sleep(ctx, due.Sub(h.Now())) {
			return nil
		}
		err := h.Compute(ctx, due)
		if err != nil && ctx.Err() == nil {
			h.failures.Inc()
			if !failed {
				h.Logger.Error("cannot compute what is due of the city's hours; trying again every five minutes", "error", err)
			}
		}
		if failed && err == nil {
			h.Logger.Info("the city's hours are computed again")
		}
		failed = err != nil
	}
}

// NextRun is when the run after a moment is due.
func NextRun(now time.Time) time.Time {
	due := now.Truncate(telemetry.RevisionEvery).Add(runAfter)
	if !due.After(now) {
		due = due.Add(telemetry.RevisionEvery)
	}
	return due.UTC()
}

// sleep waits; it reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Compute is the run that is due at a moment; no two may be of the same. What it
// cannot do, for an error or for lack of time, stays noted.
func (h *Hours) Compute(ctx context.Context, due time.Time) (err error) {
	began := h.Now()
	defer func() {
		h.seconds.Observe(h.Now().Sub(began).Seconds())
		err = errors.Join(err, h.notes.compact())
	}()
	if err := h.closeHours(due); err != nil {
		return err
	}
	if err := h.around(ctx, due, began); err != nil {
		return err
	}
	worked, err := h.hours(ctx, due, began)
	if err != nil {
		return err
	}
	if worked && h.Visible > 0 && !sleep(ctx, h.Visible) {
		return nil
	}
	return h.indices(ctx, due)
}

// closeHours notes the hours that are over and were not noted yet.
func (h *Hours) closeHours(due time.Time) error {
	last := due.Add(-runAfter).Truncate(time.Hour)
	from := h.notes.closedUntil()
	if earliest := last.Add(-catchUp); from.Before(earliest) {
		if !from.IsZero() {
			h.Logger.Warn("hours before are not computed: nobody was here to", "from", from, "until", earliest)
		}
		from = earliest
	}
	if from.After(last) {
		h.Logger.Warn("the clock has been put back: the hours since are computed as they end anew", "from", from, "now", due)
		from = last.Add(-time.Hour)
	}
	if from.Equal(last) {
		return nil
	}
	var all []note
	for end := from.Truncate(time.Hour).Add(time.Hour); !end.After(last); end = end.Add(time.Hour) {
		for _, k := range h.order {
			all = append(all, note{kind: k, what: hourOf, end: end.Unix()})
		}
	}
	// They were so all along, whatever a store shows late: the run may take them.
	if err := h.notes.add(due.Add(-runAfter), all...); err != nil {
		return err
	}
	return h.notes.close(last)
}

// batch are notes of one kind that are read together: those of a day, for few
// sites, or of an hour.
type batch struct {
	kind  telemetry.Kind
	what  what
	all   bool // of all sites
	sites map[telemetry.Site]bool
	notes []noted
}

// batches brings together what is due, the newest first: somebody may look at it.
// A day is read at once for few sites, and for all where whole allows it.
func batches(due []noted, whole bool) []batch {
	var out []batch
	for _, day := range gather(due, func(n note) int64 { return vnaqi.DayOf(n.endTime()).Unix() }) {
		if !whole && (day.all || len(day.sites) > fewSites) {
			out = append(out, gather(day.notes, func(n note) int64 { return n.end })...)
		} else {
			out = append(out, day)
		}
	}
	slices.SortFunc(out, func(x, y batch) int {
		return cmp.Or(cmp.Compare(y.notes[0].end, x.notes[0].end), cmp.Compare(x.kind, y.kind), cmp.Compare(x.what, y.what))
	})
	return out
}

// gather brings the notes of one kind and one time together, the newest first.
func gather(all []noted, timeOf func(note) int64) (out []batch) {
	type key struct {
		kind telemetry.Kind
		what what
		time int64
	}
	found := map[key]int{}
	for _, n := range all {
		k := key{n.kind, n.what, timeOf(n.note)}
		i, known := found[k]
		if !known {
			i = len(out)
			found[k] = i
			out = append(out, batch{kind: n.kind, what: n.what, sites: map[telemetry.Site]bool{}})
		}
		b := &out[i]
		b.all = b.all || n.site == ""
		b.sites[n.site] = true
		b.notes = append(b.notes, n)
	}
	for i := range out {
		slices.SortFunc(out[i].notes, func(x, y noted) int { return cmp.Compare(y.end, x.end) })
	}
	return out
}

// ends are the ends of the batch's hours, and the sites each is for; nil is all.
func (b *batch) ends() map[int64]map[telemetry.Site]bool {
	out := map[int64]map[telemetry.Site]bool{}
	for _, n := range b.notes {
		sites, known := out[n.end]
		switch {
		case n.site == "":
			out[n.end] = nil
		case !known:
			out[n.end] = map[telemetry.Site]bool{n.site: true}
		case sites != nil:
			sites[n.site] = true
		}
	}
	return out
}

// query asks for what the batch needs.
func (b *batch) query(metrics []telemetry.Metric, from, to time.Time) store.Query {
	q := store.Query{Kind: b.kind, Metrics: metrics, From: from, To: to}
	if !b.all && len(b.sites) <= fewSites {
		for s := range b.sites {
			q.Sites = append(q.Sites, s)
		}
		slices.Sort(q.Sites)
	}
	return q
}

// span is from the beginning of the batch's first hour to the end of its last.
func (b *batch) span() (from, to time.Time) {
	return b.notes[len(b.notes)-1].endTime().Add(-time.Hour), b.notes[0].endTime()
}

// hours computes what is due of hours; it reports whether there was something. The
// newest come first, by which is known how much a kind's hour holds.
func (h *Hours) hours(ctx context.Context, due, began time.Time) (worked bool, err error) {
	waiting := map[telemetry.Kind][]noted{}
	for _, n := range h.notes.due(began.Add(-h.Visible)) {
		if n.what == hourOf && h.computed(n.kind) {
			waiting[n.kind] = append(waiting[n.kind], n)
		}
	}
	for _, newest := range []bool{true, false} {
		for _, k := range h.order {
			last := due.Add(-runAfter).Truncate(time.Hour).Unix()
			part := slices.DeleteFunc(slices.Clone(waiting[k]), func(n noted) bool { return (n.end == last) != newest })
			for _, b := range batches(part, h.whole(k)) {
				if h.Now().Sub(began) > budget {
					return worked, nil
				}
				err := h.hoursOf(ctx, b, due)
				if err != nil && ctx.Err() == nil && b.notes[0].end != b.notes[len(b.notes)-1].end {
					err = h.hourByHour(ctx, b, due) // it may hold more than can be read at once
				}
				if err != nil {
					return worked, fmt.Errorf("compute hours of %s: %w", k, err)
				}
				worked = true
			}
		}
	}
	return worked, nil
}

func (h *Hours) hourByHour(ctx context.Context, b batch, due time.Time) error {
	for _, hour := range gather(b.notes, func(n note) int64 { return n.end }) {
		if err := h.hoursOf(ctx, hour, due); err != nil {
			return err
		}
	}
	return nil
}

// whole reports whether a day of all sites may be read at once.
func (h *Hours) whole(k telemetry.Kind) bool {
	size, known := h.sizes[k]
	return known && size <= wholeDay
}

func (h *Hours) hoursOf(ctx context.Context, b batch, due time.Time) error {
	t := h.tables[b.kind]
	from, to := b.span()
	r := newReadings()
	size := 0
	if err := h.Reader.Samples(ctx, b.query(t.metrics, from, to), func(s store.Sample) { size++; r.add(s) }); err != nil {
		return err
	}
	if b.all {
		h.sizes[b.kind] = size / int(max(to.Sub(from)/time.Hour, 1))
	}
	if len(t.counters) > 0 {
		if err := h.neighbours(ctx, b, r); err != nil {
			return err
		}
		r.judge(t)
	}
	for end, sites := range b.ends() {
		at := time.Unix(end, 0).UTC()
		var points []telemetry.Point
		for p, values := range r.hour(t, at) {
			if sites != nil && !sites[p.site] {
				continue
			}
			points = append(points, telemetry.Point{Time: telemetry.Stamp(at, due), Values: values,
				Series: telemetry.Series{Kind: telemetry.HourlyKind(b.kind), Locality: p.locality, Site: p.site, Device: telemetry.ComputedBy}})
		}
		if err := h.write(ctx, "hour", points); err != nil {
			return err
		}
	}
	if undone := r.undone(b); len(undone) > 0 {
		if err := h.notes.add(h.Now(), undone...); err != nil {
			return err
		}
	}
	if b.kind == telemetry.AirQuality {
		if err := h.noteIndices(b, due); err != nil {
			return err
		}
	}
	h.notes.settle(b.notes)
	return nil
}

// writeAtOnce bounds one write to the store, so that the loader's have their turn.
const writeAtOnce = 500

func (h *Hours) write(ctx context.Context, figure string, points []telemetry.Point) error {
	for part := range slices.Chunk(points, writeAtOnce) {
		err := h.Store.Write(ctx, part)
		var rejected *store.RejectedError
		if errors.As(err, &rejected) {
			h.refused.Add(float64(len(rejected.Rejections)))
			h.Logger.Warn("the store refuses computed values", "figure", figure, "error", rejected)
			err = nil
		}
		if err != nil {
			return err
		}
		h.written.WithLabelValues(figure).Add(float64(len(part)))
	}
	return nil
}
