package api

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

const levelsDescription = `All of a gauge's levels in one act, or none: báo động I < II < III ≤ record, normal < flood.
What is absent stays as it is. Without from a value is corrected, as if it had always been so; with it the value holds from then on and the one before ends there.`

func (a *API) addLimits(t table) {
	const tag = "limits"
	add(t, tag, operation{Viewer, "GET", "/limits", "list-limits", "Limits of all sites: flood alarm levels, reservoirs' levels, thresholds of your own"}, a.limits)
	add(t, tag, operation{Viewer, "GET", "/gauges", "list-gauges", "Gauges whose levels are known, to fill a form with; none of it holds by itself"}, a.gauges)
	add(t, tag, operation{Viewer, "GET", "/sites/{id}/limits", "list-site-limits", "The limits of a site, those that are over too"}, a.siteLimits)
	add(t, tag, operation{Operator, "POST", "/sites/{id}/limits", "create-limit", "Give a site a limit; alarms go by it within a minute"}, a.createLimit, made)
	add(t, tag, operation{Operator, "PUT", "/sites/{id}/limits/{code}", "set-limit", "Say what a site's limit of a code is, whatever there was"}, a.setLimit,
		described("Corrects the limit that is in force; where from is after its beginning, ends it there and succeeds it; where there is none, creates it."))
	add(t, tag, operation{Operator, "PUT", "/sites/{id}/levels", "set-levels", "Set a gauge's levels at once"}, a.setLevels, described(levelsDescription))
	add(t, tag, operation{Operator, "PUT", "/limits/{id}", "update-limit", "Replace what is said of a limit"}, a.updateLimit)
	add(t, tag, operation{Operator, "DELETE", "/limits/{id}", "delete-limit", "Take a limit away; to end one, give it an end"}, a.deleteLimit)
}

// limitFrom is the input as devices knows it.
func limitFrom(site telemetry.Site, in LimitInput) (devices.Limit, error) {
	l := devices.Limit{Own: limits.Own{Site: site, Device: in.Device, Code: in.Code, Kind: in.Kind, Metric: in.Metric, Window: duration(in.WindowSeconds),
		Value: in.Value, Below: in.Below, Strict: in.Strict, NameVI: in.NameVI, NameEN: in.NameEN, Year: in.Year, Datum: in.Datum,
		Reference: in.Reference, ReferenceEN: in.ReferenceEN, Since: orZero(in.From), Until: orZero(in.Until)}}
	err := cmp.Or(worded(&l.Statistic, in.Statistic), worded(&l.Severity, in.Severity), worded(&l.Basis, in.Basis))
	return l, err
}

// worded reads a word; "" leaves what is there.
func worded[T interface{ UnmarshalText([]byte) error }](to T, word string) error {
	if word == "" {
		return nil
	}
	return to.UnmarshalText([]byte(word))
}

func (a *API) limitOf(l devices.Limit) Limit {
	v := Limit{ID: l.ID, Site: l.Site, Rule: l.RuleID(), InForce: l.InForce(a.Now()) && l.Removed.IsZero(), Version: l.Version, Updated: l.Updated, Removed: moment(l.Removed),
		LimitInput: LimitInput{Device: l.Device, Code: l.Code, Kind: l.Kind, Metric: l.Metric, Statistic: l.Statistic.String(), WindowSeconds: seconds(l.Window),
			Value: l.Value, Below: l.Below, Strict: l.Strict, Severity: l.Severity.String(), NameVI: l.NameVI, NameEN: l.NameEN, Year: l.Year, Datum: l.Datum,
			Basis: l.Basis.String(), Reference: l.Reference, ReferenceEN: l.ReferenceEN, From: moment(l.Since), Until: moment(l.Until)}}
	if kind := a.Registry.Catalogue.Kind(l.Kind); kind != nil {
		if m := kind.Metric([]byte(l.Metric)); m != nil {
			v.Unit = m.Unit
		}
	}
	return v
}

// Own is the limit as rules and boards take it. (A method of what is embedded keeps
// huma from linking schemas.)
func (l Limit) Own() limits.Own {
	d, _ := limitFrom(l.Site, l.LimitInput) // its words are ours
	return d.Own
}

type limitQuery struct {
	Site    telemetry.Site   `query:"site" maxLength:"64"`
	Device  telemetry.Device `query:"device" maxLength:"64"`
	Kind    telemetry.Kind   `query:"kind" maxLength:"64"`
	At      string           `query:"at" maxLength:"40" doc:"Only those in force at this moment or on this day: 2026-11-21 or a time with its zone"`
	Removed bool             `query:"removed" doc:"Those that were taken away, too"`
	PageQuery
}

func (a *API) limits(ctx context.Context, q *limitQuery) (*out[LimitPage], error) {
	f := devices.LimitFilter{Site: q.Site, Device: q.Device, Kind: q.Kind, Removed: q.Removed}
	if q.At != "" {
		at, ok := parseDay(q.At)
		if !ok {
			return nil, invalidField("at", "bad_time", "Không đọc được thời điểm; ví dụ đúng: 2026-07-01.", "The time cannot be read; for example 2026-07-01.")
		}
		f.At = at
	}
	var after int64
	if q.Cursor != "" {
		var err error
		if after, err = strconv.ParseInt(q.Cursor, 10, 64); err != nil || after < 1 {
			return nil, badCursor()
		}
	}
	all, err := a.Registry.Limits(ctx, f)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body := LimitPage{Limits: []Limit{}, Total: len(all)}
	for _, l := range all {
		if l.ID <= after {
			continue
		}
		if len(body.Limits) == q.Limit {
			body.Next = strconv.FormatInt(body.Limits[q.Limit-1].ID, 10)
			break
		}
		body.Limits = append(body.Limits, a.limitOf(l))
	}
	return &out[LimitPage]{body}, nil
}

func (a *API) siteLimits(ctx context.Context, in *SitePath) (*out[Limits], error) {
	all, err := a.Registry.Limits(ctx, devices.LimitFilter{Site: in.ID})
	return a.limitsAnswer(ctx, all, err)
}

// limitsAnswer are the limits of a site in the order in which people look for them.
func (a *API) limitsAnswer(ctx context.Context, all []devices.Limit, err error) (*out[Limits], error) {
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	rank := func(l devices.Limit) int {
		if level, ok := limits.LevelOf(l.Code); ok {
			return level.Rank
		}
		return 1000
	}
	slices.SortStableFunc(all, func(x, y devices.Limit) int {
		return cmp.Or(cmp.Compare(x.Device, y.Device), cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Code, y.Code), y.Since.Compare(x.Since))
	})
	body := Limits{Limits: make([]Limit, 0, len(all))}
	for _, l := range all {
		body.Limits = append(body.Limits, a.limitOf(l))
	}
	return &out[Limits]{body}, nil
}

func (a *API) limitAnswer(ctx context.Context, l devices.Limit, err error) (*tagged[Limit], error) {
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &tagged[Limit]{l.ETag(), a.limitOf(l)}, nil
}

func (a *API) createLimit(ctx context.Context, in *struct {
	SitePath
	Body LimitWrite
}) (*tagged[Limit], error) {
	l, err := limitFrom(in.ID, in.Body.LimitInput)
	if err != nil {
		return nil, invalidField("", "bad_value", err.Error(), err.Error())
	}
	l, err = a.Registry.CreateLimit(ctx, a.by(ctx, in.Body.Why), l)
	return a.limitAnswer(ctx, l, err)
}

func (a *API) setLimit(ctx context.Context, in *struct {
	SitePath
	Code string `path:"code" maxLength:"64"`
	Body LimitWrite
}) (*tagged[Limit], error) {
	if in.Body.Code != "" && in.Body.Code != in.Code {
		return nil, fixedID()
	}
	in.Body.Code = in.Code
	l, err := limitFrom(in.ID, in.Body.LimitInput)
	if err != nil {
		return nil, invalidField("", "bad_value", err.Error(), err.Error())
	}
	l, err = a.Registry.SetLimit(ctx, a.by(ctx, in.Body.Why), l)
	return a.limitAnswer(ctx, l, err)
}

// LimitPath names a limit.
type LimitPath struct {
	ID int64 `path:"id" minimum:"1"`
}

func (a *API) updateLimit(ctx context.Context, in *struct {
	LimitPath
	IfMatch string `header:"If-Match" doc:"The ETag of the limit that was seen; 428 without it, 412 if it was changed meanwhile"`
	Body    LimitWrite
}) (*tagged[Limit], error) {
	l, err := limitFrom("", in.Body.LimitInput)
	if err != nil {
		return nil, invalidField("", "bad_value", err.Error(), err.Error())
	}
	l.ID, l.Version = in.ID, devices.ParseETag(in.IfMatch)
	l, err = a.Registry.UpdateLimit(ctx, a.by(ctx, in.Body.Why), l)
	return a.limitAnswer(ctx, l, err)
}

func (a *API) deleteLimit(ctx context.Context, in *struct {
	LimitPath
	IfMatch string `header:"If-Match" doc:"The ETag of the limit that was seen; 428 without it, 412 if it was changed meanwhile"`
	Why     string `query:"why" maxLength:"4000" doc:"In the journal"`
}) (*struct{}, error) {
	if err := a.Registry.RemoveLimit(ctx, a.by(ctx, in.Why), in.ID, devices.ParseETag(in.IfMatch)); err != nil {
		return nil, a.fail(ctx, err)
	}
	return nil, nil
}

func (a *API) setLevels(ctx context.Context, in *struct {
	SitePath
	Body LevelsInput
}) (*out[Limits], error) {
	b := in.Body
	g := devices.Levels{Site: in.ID, Device: b.Device, RecordYear: b.RecordYear, Datum: b.Datum, Reference: b.Reference, ReferenceEN: b.ReferenceEN,
		From: orZero(b.From), Values: map[string]float64{}}
	for code, v := range map[string]*float64{limits.CodeBD1: b.BD1, limits.CodeBD2: b.BD2, limits.CodeBD3: b.BD3, limits.CodeRecord: b.Record,
		limits.CodeNormal: b.Normal, limits.CodeFlood: b.Flood} {
		if v != nil {
			g.Values[code] = *v
		}
	}
	if err := worded(&g.Basis, b.Basis); err != nil {
		return nil, invalidField("basis", "bad_value", err.Error(), err.Error())
	}
	if b.Like != "" {
		if err := like(&g, b.Like); err != nil {
			return nil, err
		}
	}
	all, err := a.Registry.SetLevels(ctx, a.by(ctx, b.Why), g)
	return a.limitsAnswer(ctx, all, err)
}

// like fills in what is known of a gauge. Its levels' bases differ; where none was
// said the weakest is true of all.
func like(g *devices.Levels, id telemetry.Site) error {
	known := limits.Gauges()
	i := slices.IndexFunc(known, func(k limits.Gauge) bool { return k.Site == id })
	if i < 0 {
		var ids string
		for _, k := range known {
			ids += " " + string(k.Site)
		}
		return invalidField("like", "bad_value", "Chưa biết trạm "+strconv.Quote(string(id))+"; đã biết:"+ids+".", "No gauge "+strconv.Quote(string(id))+" is known; known are:"+ids+".")
	}
	weakest := limits.Basis(0)
	for _, l := range known[i].Levels {
		if _, said := g.Values[l.Code]; !said {
			g.Values[l.Code] = l.Value
		}
		weakest = max(weakest, l.Basis)
	}
	g.Basis = cmp.Or(g.Basis, weakest)
	g.RecordYear = cmp.Or(g.RecordYear, known[i].RecordYear)
	g.Datum = cmp.Or(g.Datum, &known[i].Datum)
	if g.Reference == nil {
		g.Reference, g.ReferenceEN = &known[i].Reference, &known[i].ReferenceEN
	}
	return nil
}

func (a *API) gauges(context.Context, *struct{}) (*out[KnownGauges], error) {
	body := KnownGauges{Gauges: []KnownGauge{}}
	for _, g := range limits.Gauges() {
		k := KnownGauge{ID: g.Site, NameVI: g.NameVI, NameEN: g.NameEN, Limits: []Limit{}}
		for _, o := range g.Own(g.Site) {
			k.Limits = append(k.Limits, a.limitOf(devices.Limit{Own: o}))
		}
		body.Gauges = append(body.Gauges, k)
	}
	return &out[KnownGauges]{body}, nil
}
