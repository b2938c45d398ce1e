package devices

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// Limit is a limit of a site as the registry keeps it: what people said of it, with
// source and dates, and its number and version.
type Limit struct {
	ID int64 `json:"id"`
	limits.Own
	Version int64     `json:"version"`
	Updated time.Time `json:"updated,omitzero"`
	// Removed is when it was taken away; zero while it stands. The row stays, so that
	// its number is never given again.
	Removed time.Time `json:"removed,omitzero"`
}

// ETag is the version in the form of HTTP.
func (l Limit) ETag() string { return etag(l.Version) }

// LimitFilter selects limits, in order of their numbers; what is zero selects all.
type LimitFilter struct {
	Site   telemetry.Site
	Device telemetry.Device
	Kind   telemetry.Kind
	// At selects those in force at a moment.
	At time.Time
	// Removed selects those that were taken away, too.
	Removed bool
}

// Selects reports whether the filter has a limit.
func (f LimitFilter) Selects(l Limit) bool {
	return (f.Site == "" || l.Site == f.Site) && (f.Device == "" || l.Device == f.Device) && (f.Kind == "" || l.Kind == f.Kind) &&
		(f.At.IsZero() || l.InForce(f.At)) && (f.Removed || l.Removed.IsZero())
}

// The bounds of a limit's window: shorter has no readings, longer is no statistic
// that alarms are for.
const (
	minWindow = time.Minute
	maxWindow = 7 * 24 * time.Hour
	// maxLimits bounds the limits of one site, each of which is an alarm rule.
	maxLimits = 100
)

// normalize brings the limit's text into the form it is kept in and fills in what
// its code says; it says what is wrong with the text.
func (l *Limit) normalize() (errs Errors) {
	l.Code = strings.ToLower(strings.TrimSpace(l.Code))
	if level, ok := limits.LevelOf(l.Code); ok {
		usual := limits.OfLevel(l.Site, level, l.Year)
		l.Kind, l.Metric = cmp.Or(l.Kind, usual.Kind), cmp.Or(l.Metric, usual.Metric)
		l.Statistic, l.Severity = cmp.Or(l.Statistic, usual.Statistic), cmp.Or(l.Severity, usual.Severity)
		l.NameVI, l.NameEN = cmp.Or(l.NameVI, usual.NameVI), cmp.Or(l.NameEN, usual.NameEN)
	}
	for _, f := range []struct {
		name string
		text *string
	}{{"nameVi", &l.NameVI}, {"nameEn", &l.NameEN}, {"datum", &l.Datum}, {"reference", &l.Reference}, {"referenceEn", &l.ReferenceEN}} {
		var err *Error
		*f.text, err = cleanLine(f.name, *f.text, maxName)
		errs.add(err)
	}
	l.NameEN = cmp.Or(l.NameEN, l.NameVI)
	l.NameVI = cmp.Or(l.NameVI, l.NameEN)
	l.Severity, l.Basis = cmp.Or(l.Severity, limits.Warning), cmp.Or(l.Basis, limits.Operational)
	l.Since, l.Until = stamp(l.Since), stamp(l.Until)
	return errs
}

// Validate says all that is wrong with the limit by itself; the error is [Errors].
func (l Limit) Validate(cat *telemetry.Catalogue, now time.Time) error {
	errs := l.normalize()
	errs.add(checkID("site", string(l.Site)))
	if l.Device != "" {
		errs.add(checkID("device", string(l.Device)))
	}
	if !validCode(l.Code) {
		errs.add(invalid("code", ReasonBadCode, clip(l.Code, 64)))
	}
	if l.NameVI == "" {
		errs.add(invalid("nameVi", ReasonRequired))
	}
	if l.Severity > limits.Extreme {
		errs.add(invalid("severity", ReasonBadValue, strconv.Itoa(int(l.Severity)), "watch, warning, danger, extreme"))
	}
	if l.Basis > limits.Operational {
		errs.add(invalid("basis", ReasonBadValue, strconv.Itoa(int(l.Basis)), "law, secondary, operational"))
	}
	if l.Basis != limits.Operational && l.Reference == "" {
		errs.add(invalid("reference", ReasonSourceNeeded, l.Basis))
	}
	if l.Year != 0 && (l.Year < 1800 || l.Year > now.Year()) {
		errs.add(invalid("year", ReasonBadNumber, l.Year, 1800, now.Year()))
	}
	errs.add(checkPeriod("until", l.Since, l.Until))
	return append(errs, l.checkValue(cat)...).err()
}

func validCode(code string) bool {
	return code != "" && len(code) <= 32 && code[0] >= 'a' && code[0] <= 'z' && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// checkValue says whether a reading can ever be compared with the limit.
func (l Limit) checkValue(cat *telemetry.Catalogue) (errs Errors) {
	kind := cat.Kind(l.Kind)
	switch {
	case l.Kind == "":
		return Errors{invalid("kind", ReasonRequired)}
	case kind == nil || kind.Computed || l.Kind == telemetry.Status:
		return Errors{invalid("kind", ReasonUnknownKind, clip(string(l.Kind), 64))}
	case l.Metric == "":
		return Errors{invalid("metric", ReasonRequired)}
	}
	m := kind.Metric([]byte(l.Metric))
	if m == nil {
		return Errors{invalid("metric", ReasonUnknownMetric, clip(string(l.Metric), 64), string(l.Kind))}
	}
	allowed := statisticsOf(m)
	if len(allowed) == 0 {
		return Errors{invalid("metric", ReasonNoStatistic, string(l.Metric))}
	}
	if !slices.Contains(allowed, l.Statistic) {
		names := make([]string, len(allowed))
		for i, s := range allowed {
			names[i] = s.String()
		}
		errs.add(invalid("statistic", ReasonBadStatistic, cmp.Or(l.Statistic.String(), "?"), string(l.Metric), strings.Join(names, ", ")))
	}
	if w := l.Window; w != 0 && (w < minWindow || w > maxWindow || w%time.Minute != 0) {
		errs.add(invalid("window", ReasonBadWindow, w.String()))
	}
	low, high := m.Min, m.Max
	switch l.Statistic {
	case limits.Sum:
		low, high = 0, m.Max*maxWindow.Hours()
	case limits.Rise:
		low, high = 0, m.Max-m.Min
	}
	if math.IsNaN(l.Value) || math.IsInf(l.Value, 0) || l.Value < low || l.Value > high {
		errs.add(invalid("value", ReasonOutOfMetric, l.Value, low, high, m.Unit, string(l.Metric)))
	}
	return errs
}

// statisticsOf are those that make sense of a metric: the newest or the mean of
// what is a state, the sum of an amount. What counts up for ever is over any limit
// one day.
func statisticsOf(m *telemetry.MetricSpec) []limits.Statistic {
	switch m.Form {
	case telemetry.Gauge:
		return []limits.Statistic{limits.Last, limits.Mean, limits.Rise}
	case telemetry.Amount:
		return []limits.Statistic{limits.Sum}
	case telemetry.Flag:
		return []limits.Statistic{limits.Last}
	}
	return nil
}

// checkLimits says what is wrong with the limits of a site among each other:
// two of one code in force at a time, and customary levels out of their order. It
// is about those that were changed.
func checkLimits(all []Limit, changed func(Limit) bool, field func(Limit, string) string) (errs Errors) {
	if len(all) > maxLimits {
		errs.add(invalid("", ReasonTooManyLimits, len(all), maxLimits))
	}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.Device != b.Device || !periodsMeet(a, b) || !changed(a) && !changed(b) {
				continue
			}
			mine, other := a, b // the error is about what was changed
			if !changed(a) {
				mine, other = b, a
			}
			if mine.Code == other.Code {
				errs.add(conflict(field(mine, "code"), ReasonLimitInForce, other, other.Code, period(other)))
				continue
			}
			if e := checkOrder(mine, other); e != nil {
				e.Field = field(mine, "value")
				errs.add(e)
			}
		}
	}
	return errs
}

// checkOrder holds báo động I < II < III ≤ record, and normal < flood level.
func checkOrder(a, b Limit) *Error {
	la, okA := limits.LevelOf(a.Code)
	lb, okB := limits.LevelOf(b.Code)
	if !okA || !okB || la.Rank/10 != lb.Rank/10 || a.Metric != b.Metric {
		return nil
	}
	low, high, top := a, b, lb
	if la.Rank > lb.Rank {
		low, high, top = b, a, la
	}
	if low.Value < high.Value || low.Value == high.Value && top.Equal {
		return nil
	}
	return invalid("value", ReasonLevelOrder, low.NameVI, low.Value, high.NameVI, high.Value, low.NameEN, high.NameEN)
}

func periodsMeet(a, b Limit) bool {
	return (a.Until.IsZero() || b.Since.Before(a.Until)) && (b.Until.IsZero() || a.Since.Before(b.Until))
}

// period is when a limit is in force, for messages.
func period(l Limit) string {
	day := func(t time.Time) string {
		if t.IsZero() {
			return "…"
		}
		return t.In(time.FixedZone("", 7*60*60)).Format(time.DateOnly)
	}
	return day(l.Since) + " – " + day(l.Until)
}

// Limits lists limits in order of their numbers. NotFound if the site that is asked
// for is not there.
func (r *Registry) Limits(ctx context.Context, f LimitFilter) ([]Limit, error) {
	return read(ctx, r, "list limits", func(rd Reader) ([]Limit, error) {
		if f.Site != "" {
			if _, err := rd.Site(ctx, f.Site); err != nil {
				return nil, err
			}
		}
		return rd.Limits(ctx, f)
	})
}

// Limit finds a limit that was not removed; NotFound if there is none.
func (r *Registry) Limit(ctx context.Context, id int64) (Limit, error) {
	return read(ctx, r, "read limit", func(rd Reader) (Limit, error) { return rd.Limit(ctx, id) })
}

// OwnLimits are the limits of all sites, with the names of the sites: what alarm
// rules are made of. Those of retired sites are left out.
func (r *Registry) OwnLimits(ctx context.Context) ([]limits.Own, error) {
	return read(ctx, r, "read limits", func(rd Reader) (out []limits.Own, err error) {
		all, err := rd.Limits(ctx, LimitFilter{})
		if err != nil {
			return nil, err
		}
		sites := map[telemetry.Site]Site{}
		for _, l := range all {
			s, known := sites[l.Site]
			if !known {
				if s, err = rd.Site(ctx, l.Site); err != nil {
					return nil, err
				}
				sites[l.Site] = s
			}
			if s.State == Retired {
				continue
			}
			l.PlaceVI, l.PlaceEN = s.Name, cmp.Or(s.NameEN, s.Name)
			out = append(out, l.Own)
		}
		return out, nil
	})
}
