package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// HourFigure is what the ledger knows of an hour of a kind.
type HourFigure struct {
	store.KindHour
	// Written is how many values were newly written, counted with the outcomes of their
	// messages. A loader that is killed between a write and its commit leaves some out;
	// it never counts one twice.
	Written int64
	// Seen is the most that the store itself has counted, where that is more.
	Seen int64
	// Told is how many of them were missing when that was last made a finding, Settled
	// when that was acknowledged.
	Told    int64
	Settled int64
}

// expected is what the store must hold at least.
func (h HourFigure) expected() int64 { return max(h.Written, h.Seen) }

// HourLedger keeps the figures of hours.
type HourLedger interface {
	// Hours are the figures from one hour until before another, by hour and kind.
	Hours(ctx context.Context, from, to time.Time) ([]HourFigure, error)
	// SawHours keeps the largest Seen and Told of hours. Where less is missing than is
	// settled, which is Told, it was found again: that much only is told and settled.
	SawHours(context.Context, []HourFigure) error
	// ForgetHours drops the figures of hours before a moment.
	ForgetHours(ctx context.Context, before time.Time) error
}

// StoreReport is the store's own count held against the ledger's figures.
type StoreReport struct {
	// Time is when it was compared; From and To are what was, whole hours.
	Time time.Time `json:"time"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Expected is how many values the store must hold of these hours at least, by the
	// ledger and by the store's own earlier counts; Counted how many it counts now.
	Expected int64 `json:"expected"`
	Counted  int64 `json:"counted"`
	// Missing is what single hours lack, together: more in one does not make up for it.
	Missing int64 `json:"missing"`
	// Settled is what of Missing somebody has acknowledged, Unsettled the rest.
	Settled   int64 `json:"settled" doc:"What of missing somebody has acknowledged: a deliberate deletion, or a loss"`
	Unsettled int64 `json:"unsettled" doc:"What is missing that nobody has acknowledged"`
	// Hours are those of which the ledger knows something, or those that differ only.
	Hours []StoreHour `json:"hours" doc:"By hour and kind; those that lack something that nobody has acknowledged, unless all were asked for"`
	// Problem says why nothing could be compared; empty if it was.
	Problem string `json:"problem,omitempty"`
}

// StoreHour is an hour of a kind.
type StoreHour struct {
	Kind telemetry.Kind `json:"kind"`
	Hour time.Time      `json:"hour" doc:"The hour's beginning"`
	// Written is the ledger's figure, Seen the store's own of before if that was more.
	Written int64 `json:"written"`
	Seen    int64 `json:"seen,omitempty"`
	Counted int64 `json:"counted"`
	Missing int64 `json:"missing"`
	Settled int64 `json:"settled,omitempty" doc:"What of missing somebody has acknowledged"`
}

// unsettled is what is missing that nobody has acknowledged.
func (h StoreHour) unsettled() int64 { return h.Missing - h.Settled }

const (
	// recentHours is what is compared where nothing else is asked for.
	recentHours = 48 * time.Hour
	// ruleStoreLoss is the rule of the finding that a store lacks values.
	ruleStoreLoss = "store-loss"
)

// StoreAudit holds the store against the ledger: it asks the store itself how many
// values it has of each hour.
type StoreAudit struct {
	Ledger    HourLedger
	Counter   store.Counter
	Catalogue *telemetry.Catalogue
	// Retention is how long the store keeps values: what is older is not compared.
	Retention time.Duration
	// Visible is how long the store may take to show what it has accepted.
	Visible  time.Duration
	Findings *Findings
	Now      func() time.Time
	Logger   *slog.Logger

	last atomic.Pointer[StoreReport]
}

// Last is the newest report of [StoreAudit.Run]; nil if there is none yet.
func (a *StoreAudit) Last() *StoreReport {
	if a == nil {
		return nil
	}
	return a.last.Load()
}

// Run compares the last two days at once and then each hour, and each time one older
// day too, another each hour, until all that the store keeps has had its turn. What is
// missing is a finding.
func (a *StoreAudit) Run(ctx context.Context) error {
	for {
		if err := a.round(ctx); err != nil && ctx.Err() == nil {
			a.Logger.Error("cannot compare the store with the ledger; trying again in an hour", "error", err)
		}
		now := a.Now()
		if !sleep(ctx, now.Truncate(time.Hour).Add(time.Hour+5*time.Minute).Sub(now)) {
			return nil
		}
	}
}

// round is one turn of Run.
func (a *StoreAudit) round(ctx context.Context) error {
	now := a.Now()
	if err := a.Ledger.ForgetHours(ctx, now.Add(-a.Retention)); err != nil {
		return err
	}
	r, err := a.Compare(ctx, now.Add(-recentHours), now.Add(time.Hour), false)
	if err != nil {
		a.last.Store(&StoreReport{Time: now, From: r.From, To: r.To, Hours: []StoreHour{}, Problem: err.Error()})
		return err
	}
	a.last.Store(&r)
	if days := int64((a.Retention - recentHours).Hours() / 24); days > 0 {
		turn := time.Duration(now.Unix()/3600%days) * 24 * time.Hour
		end := now.Add(-recentHours - turn)
		_, err = a.Compare(ctx, end.Add(-24*time.Hour), end, false)
	}
	return err
}

// Compare compares the hours from the one that from is in until before to. With all,
// hours that lack nothing, or nothing that is not settled, are in the report too.
func (a *StoreAudit) Compare(ctx context.Context, from, to time.Time, all bool) (StoreReport, error) {
	now := a.Now()
	// An hour that the store may have begun to drop is not compared.
	if oldest := now.Add(-a.Retention).Truncate(time.Hour).Add(time.Hour); from.Before(oldest) {
		from = oldest
	}
	r := StoreReport{Time: now.UTC(), From: from.UTC().Truncate(time.Hour), To: to.UTC().Add(time.Hour - 1).Truncate(time.Hour), Hours: []StoreHour{}}
	// The ledger first: what it counts is in the store by then.
	figures, err := a.Ledger.Hours(ctx, r.From, r.To)
	if err != nil {
		return r, err
	}
	counts, err := a.count(ctx, figures)
	if err != nil {
		return r, err
	}
	var seen []HourFigure
	news := false
	for _, f := range figures {
		h := StoreHour{Kind: f.Kind, Hour: time.Unix(f.Hour, 0).UTC(), Written: f.Written, Seen: f.Seen, Counted: counts[f.KindHour]}
		h.Missing = max(0, f.expected()-h.Counted)
		h.Settled = min(f.Settled, h.Missing)
		r.Expected, r.Counted, r.Missing = r.Expected+f.expected(), r.Counted+h.Counted, r.Missing+h.Missing
		r.Settled, r.Unsettled = r.Settled+h.Settled, r.Unsettled+h.unsettled()
		if all || h.unsettled() > 0 {
			r.Hours = append(r.Hours, h)
		}
		news = news || h.Missing > f.Told
		if h.Counted > f.expected() || h.Missing > f.Told || h.Missing < f.Settled {
			seen = append(seen, HourFigure{KindHour: f.KindHour, Seen: h.Counted, Told: h.Missing})
		}
	}
	if news {
		a.find(r)
	}
	if len(seen) == 0 {
		return r, nil
	}
	return r, a.Ledger.SawHours(ctx, seen)
}

// count asks the store for the hours of the figures. Where it has too few it is asked
// once more when it must show what it has.
func (a *StoreAudit) count(ctx context.Context, figures []HourFigure) (map[store.KindHour]int64, error) {
	counts, err := a.ask(ctx, figures)
	if err != nil || a.Visible <= 0 {
		return counts, err
	}
	fewer := slices.DeleteFunc(slices.Clone(figures), func(f HourFigure) bool { return counts[f.KindHour] >= f.expected() })
	if len(fewer) == 0 {
		return counts, nil
	}
	if !sleep(ctx, a.Visible) {
		return nil, ctx.Err()
	}
	again, err := a.ask(ctx, fewer)
	if err != nil {
		return nil, err
	}
	for _, f := range fewer {
		counts[f.KindHour] = again[f.KindHour]
	}
	return counts, nil
}

// ask asks the store, kind by kind, from the first hour of the figures to the last.
func (a *StoreAudit) ask(ctx context.Context, figures []HourFigure) (map[store.KindHour]int64, error) {
	counts := make(map[store.KindHour]int64, len(figures))
	byKind := map[telemetry.Kind][]int64{}
	for _, f := range figures {
		byKind[f.Kind] = append(byKind[f.Kind], f.Hour)
	}
	for kind, hours := range byKind {
		spec := a.Catalogue.Kind(kind)
		if spec == nil {
			return nil, fmt.Errorf("count values of kind %q: the catalogue does not know it", kind)
		}
		from, to := time.Unix(slices.Min(hours), 0), time.Unix(slices.Max(hours), 0).Add(time.Hour)
		if err := a.Counter.Counts(ctx, kind, spec.Names(), from, to, func(hour time.Time, n int64) {
			counts[store.KindHour{Kind: kind, Hour: hour.Unix()}] += n
		}); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// find reports what a comparison has found and none before: once somebody says that he
// knows of a loss, only more of it is told.
func (a *StoreAudit) find(r StoreReport) {
	worst := slices.MaxFunc(r.Hours, func(x, y StoreHour) int { return cmp.Compare(x.unsettled(), y.unsettled()) })
	at := worst.Hour.Format("2006-01-02 15:04Z")
	a.Findings.Report(Finding{
		Rule: ruleStoreLoss, Severity: "danger", Value: float64(r.Unsettled), Lasting: true,
		SummaryVI: fmt.Sprintf("Kho dữ liệu thiếu %d giá trị đã ghi", r.Unsettled),
		SummaryEN: fmt.Sprintf("The store lacks %d values that were written", r.Unsettled),
		DescriptionVI: fmt.Sprintf("Từ %s đến %s sổ cái ghi nhận ít nhất %d giá trị, kho dữ liệu tự đếm thiếu %d; nhiều nhất ở giờ %s (%s): %d.",
			r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), r.Expected, r.Unsettled, at, worst.Kind, worst.unsettled()),
		DescriptionEN: fmt.Sprintf("From %s to %s the ledger says of %d values at least that they are stored, and by the store's own count %d of them are not; most in the hour from %s (%s): %d.",
			r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), r.Expected, r.Unsettled, at, worst.Kind, worst.unsettled()),
		RunbookVI: "Chạy haidang audit --store để xem từng giờ. Kiểm tra nhật ký của kho dữ liệu, đĩa, và xem có ai đã xóa dữ liệu hoặc kho giữ dữ liệu ngắn hơn --retention không; khôi phục kho từ bản sao lưu nếu cần, rồi xác nhận cảnh báo.",
		RunbookEN: "Run haidang audit --store to see each hour. Look at the store's log and disk, whether somebody has deleted data, and whether it keeps less than --retention; restore the store from a backup if need be, then acknowledge the alarm.",
	})
}
