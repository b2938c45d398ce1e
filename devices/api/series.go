package api

import (
	"context"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	defaultRange = 24 * time.Hour
	maxRange     = 3 * 366 * 24 * time.Hour
)

func (a *API) latest(ctx context.Context, in *SitePath) (*out[Latest], error) {
	if _, err := a.Registry.Site(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	readings, err := a.newestAt(ctx, in.ID)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	s := Site{SiteInput: SiteInput{ID: in.ID}}
	a.board.furnish(&s)
	return &out[Latest]{Latest{Site: in.ID, Presence: s.Presence, Readings: readings}}, nil
}

// newestAt is the newest readings of a site, of the store and of those that came
// since the start.
func (a *API) newestAt(ctx context.Context, site telemetry.Site) ([]Reading, error) {
	var stored []Reading
	if a.Readings != nil {
		var err error
		if stored, err = a.Readings.Latest(ctx, site); err != nil {
			a.Logger.Warn("cannot read newest readings", "site", site, "error", err)
			return nil, storeAway()
		}
	}
	return newer(stored, a.Live.at(site)), nil
}

// storeAway is the answer where the store does not.
func storeAway() *Problem {
	return unavailable("Kho dữ liệu chưa trả lời; hãy thử lại.", "The store does not answer; try again.")
}

type seriesQuery struct {
	SitePath
	Kind   telemetry.Kind   `query:"kind" required:"true" maxLength:"64"`
	Metric telemetry.Metric `query:"metric" required:"true" maxLength:"64"`
	From   time.Time        `query:"from" doc:"Absent: a day before to"`
	To     time.Time        `query:"to" doc:"Absent: now"`
	Points int              `query:"points" minimum:"2" maximum:"2000" default:"300" doc:"At most so many; the step is rounded up to a length that people use"`
}

func (a *API) series(ctx context.Context, in *seriesQuery) (*out[Series], error) {
	if a.Readings == nil {
		return nil, unavailable("Tiến trình này không có kho dữ liệu.", "This process has no store.")
	}
	if _, err := a.Registry.Site(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	k := a.Registry.Catalogue.Kind(in.Kind)
	if k == nil {
		return nil, invalidField("kind", string(devices.ReasonUnknownKind), "Không có loại đo này.", "There is no such kind.")
	}
	m := k.Metric([]byte(in.Metric))
	if m == nil {
		return nil, invalidField("metric", string(devices.ReasonUnknownMetric), "Loại đo này không có đại lượng đó.", "The kind has no such metric.")
	}
	q, err := a.span(in)
	if err != nil {
		return nil, err
	}
	found, err := Chart(ctx, a.Readings, q)
	if err != nil {
		a.Logger.Warn("cannot read series", "site", in.ID, "error", err)
		return nil, storeAway()
	}
	if found == nil {
		found = []DeviceSeries{}
	}
	return &out[Series]{Series{Site: in.ID, Kind: k.Kind, Metric: m.Name, Unit: m.Unit, From: q.From, To: q.To, StepSeconds: seconds(q.Step), Series: found}}, nil
}

// span is the time that is asked for, in steps that people use. Its borders lie
// on whole steps, so that a chart that moves on does not flicker.
func (a *API) span(in *seriesQuery) (SeriesQuery, error) {
	to := in.To
	if to.IsZero() {
		to = a.Now()
	}
	from := in.From
	if from.IsZero() {
		from = to.Add(-defaultRange)
	}
	if !to.After(from) || to.Sub(from) > maxRange {
		return SeriesQuery{}, invalidField("to", string(devices.ReasonBadPeriod), "Khoảng thời gian phải dương và không quá 3 năm.",
			"The period must be positive and at most 3 years.")
	}
	step := stepOf(to.Sub(from), in.Points)
	q := SeriesQuery{Site: in.ID, Kind: in.Kind, Metric: in.Metric, From: align(from, step), To: align(to, step), Step: step}
	if q.To.Before(to) {
		q.To = q.To.Add(step)
	}
	return q, nil
}

// align is the beginning of a step; days begin at midnight in Vietnam.
func align(t time.Time, step time.Duration) time.Time {
	const ahead = 7 * time.Hour
	return t.UTC().Add(ahead).Truncate(step).Add(-ahead)
}

// stepOf is the shortest customary step that makes at most so many points.
func stepOf(span time.Duration, points int) time.Duration {
	const day = 24 * time.Hour
	for _, s := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 7 * day, 30 * day} {
		if span <= s*time.Duration(points) {
			return s
		}
	}
	return 365 * day
}
