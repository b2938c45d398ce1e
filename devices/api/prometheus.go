package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxAnswer bounds what is read of a store's answer, in bytes.
const maxAnswer = 32 << 20

// Prometheus reads from a store that speaks the Prometheus HTTP API: the embedded
// one, or VictoriaMetrics. Series are named kind_metric with the labels site and
// device.
type Prometheus struct {
	// URL is what /api/v1/query comes after.
	URL       string
	Client    *http.Client
	Catalogue *telemetry.Catalogue
	Now       func() time.Time
}

// NewPrometheus reads from a store at a URL.
func NewPrometheus(url string, cat *telemetry.Catalogue) *Prometheus {
	return &Prometheus{URL: strings.TrimRight(url, "/"), Client: &http.Client{Timeout: 20 * time.Second}, Catalogue: cat, Now: time.Now}
}

// promAnswer is what the store says.
type promAnswer struct {
	Status string          `json:"status"`
	Error  string          `json:"error"`
	Data   json.RawMessage `json:"data"`
}

// promSeries is a series with its samples.
type promSeries struct {
	Metric map[string]string `json:"metric"`
	Values []promSample      `json:"values"`
}

// promSample is [seconds, "value"].
type promSample struct{ sample }

// UnmarshalJSON implements json.Unmarshaler.
func (s *promSample) UnmarshalJSON(b []byte) error {
	var at float64
	var text string
	if err := json.Unmarshal(b, &[]any{&at, &text}); err != nil {
		return fmt.Errorf("read sample: %w", err)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("read sample: %w", err)
	}
	s.time, s.value = time.UnixMilli(int64(math.Round(at*1000))).UTC(), v
	return nil
}

// ask has the store evaluate a query.
func (p *Prometheus) ask(ctx context.Context, path string, form url.Values) ([]promSeries, error) {
	// VictoriaMetrics would else move the times to whole steps, of UTC, and answer
	// from what it has computed before later readings came. Prometheus knows no such
	// word and minds none.
	form.Set("nocache", "1")
	var data struct {
		Result []promSeries `json:"result"`
	}
	err := p.post(ctx, path, form, &data)
	for i := range data.Result {
		// A foreign writer's NaN is a gap, and no number that JSON could tell.
		data.Result[i].Values = slices.DeleteFunc(data.Result[i].Values, func(s promSample) bool { return math.IsNaN(s.value) || math.IsInf(s.value, 0) })
	}
	return data.Result, err
}

// post asks the store and reads the data of its answer.
func (p *Prometheus) post(ctx context.Context, path string, form url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("ask store: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.Client.Do(req)
	if err != nil {
		return fmt.Errorf("ask store: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("read store's answer: %w", err)
	}
	if len(body) > maxAnswer {
		return fmt.Errorf("read store's answer: it has more than %d bytes", maxAnswer)
	}
	var a promAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("read store's answer (status %d): %w", resp.StatusCode, err)
	}
	if a.Status != "success" {
		return fmt.Errorf("ask store: %w", errors.New(clip(a.Error, 500)))
	}
	if err := json.Unmarshal(a.Data, data); err != nil {
		return fmt.Errorf("read store's answer: %w", err)
	}
	return nil
}

// samples gives all samples of a selector in a window that ends at a moment. A
// window has its end and not its beginning.
func (p *Prometheus) samples(ctx context.Context, selector string, window time.Duration, end time.Time) ([]promSeries, error) {
	return p.ask(ctx, "query", url.Values{"query": {fmt.Sprintf("%s[%dms]", selector, window.Milliseconds())}, "time": {stampOf(end)}})
}

func stampOf(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// Latest implements [Readings]: what came within a day. Most sites are answered by
// the last minutes; only who reports rarely, or is silent, is looked for further
// back.
func (p *Prometheus) Latest(ctx context.Context, site telemetry.Site) ([]Reading, error) {
	now := p.Now()
	groups := grouping{}
	all := fmt.Sprintf(`{site=%q,__name__=~%q}`, site, p.names(nil))
	searched := 10 * time.Minute
	if err := p.newest(ctx, groups, all, site, searched, now); err != nil {
		return nil, err
	}
	for _, window := range []time.Duration{2 * time.Hour, latestWithin} {
		missing, err := p.missing(ctx, groups, all, site, window, now, searched)
		if err != nil {
			return nil, err
		}
		for device, names := range missing {
			selector := fmt.Sprintf(`{site=%q,device=%q,__name__=~%q}`, site, device, strings.Join(names, "|"))
			if err := p.newest(ctx, groups, selector, site, window, now); err != nil {
				return nil, err
			}
		}
		searched = window
	}
	return groups.newest(), nil
}

// newest adds each series' newest sample in a window to the groups, and of quality
// all.
func (p *Prometheus) newest(ctx context.Context, groups grouping, selector string, site telemetry.Site, window time.Duration, now time.Time) error {
	found, err := p.samples(ctx, selector, window, now)
	if err != nil {
		return err
	}
	for _, s := range found {
		kind, metric, ok := p.split(s.Metric["__name__"])
		if !ok || len(s.Values) == 0 {
			continue
		}
		if metric != telemetry.QualityCode {
			s.Values = s.Values[len(s.Values)-1:]
		}
		for _, v := range s.Values {
			groups.add(site, telemetry.Device(s.Metric["device"]), kind, metric, v.sample)
		}
	}
	return nil
}

// missing gives the names of the series that may have samples in a window and are
// in no group yet, by device, but for those whose samples, older than what has been
// searched, would be too old beside the group's. It asks the store's index only.
func (p *Prometheus) missing(ctx context.Context, groups grouping, selector string, site telemetry.Site, window time.Duration, now time.Time, searched time.Duration) (map[telemetry.Device][]string, error) {
	var found []map[string]string
	if err := p.post(ctx, "series", url.Values{"match[]": {selector}, "start": {stampOf(now.Add(-window))}, "end": {stampOf(now)}}, &found); err != nil {
		return nil, err
	}
	out, flags := map[telemetry.Device][]string{}, map[telemetry.Device][]string{}
	for _, labels := range found {
		name, device := labels["__name__"], telemetry.Device(labels["device"])
		kind, metric, ok := p.split(name)
		if !ok {
			continue
		}
		group := groups[groupKey{site, device, kind}]
		switch {
		case now.Add(-searched).Before(group.newest().Add(-together)):
		case metric == telemetry.QualityCode: // what was said earlier is known of other values only
			flags[device] = append(flags[device], name)
		case !group.has(metric):
			out[device] = append(out[device], name)
		}
	}
	for device := range out {
		out[device] = append(out[device], flags[device]...)
	}
	return out, nil
}

// names is a regular expression of series' names: those of kinds, or of all.
func (p *Prometheus) names(kinds []telemetry.Kind) string {
	var out []string
	for _, k := range p.Catalogue.Kinds() {
		if len(kinds) == 0 || slices.Contains(kinds, k.Kind) {
			out = append(out, string(k.Kind)+"_.+")
		}
	}
	return strings.Join(out, "|")
}

// split finds kind and metric in a series' name.
func (p *Prometheus) split(name string) (telemetry.Kind, telemetry.Metric, bool) {
	for _, k := range p.Catalogue.Kinds() {
		if metric, ok := strings.CutPrefix(name, string(k.Kind)+"_"); ok {
			if metric == "quality" || k.Metric([]byte(metric)) != nil {
				return k.Kind, telemetry.Metric(metric), true
			}
		}
	}
	return "", "", false
}

// First implements [Readings]. It looks at the first hour and, where nothing came
// in it, at the first day.
func (p *Prometheus) First(ctx context.Context, device telemetry.Device, site telemetry.Site, from time.Time) (Reading, bool, error) {
	now := p.Now()
	for _, window := range []time.Duration{time.Hour, firstWithin} {
		end := from.Add(window)
		if end.After(now) {
			end = now
		}
		if !end.After(from) {
			return Reading{}, false, nil
		}
		selector := fmt.Sprintf(`{site=%q,device=%q,__name__=~%q}`, site, device, p.names(nil))
		found, err := p.samples(ctx, selector, end.Sub(from)+time.Millisecond, end)
		if err != nil {
			return Reading{}, false, err
		}
		groups := grouping{}
		for _, s := range found {
			if kind, metric, ok := p.split(s.Metric["__name__"]); ok && kind != telemetry.Status && len(s.Values) > 0 {
				groups.add(site, device, kind, metric, s.Values[0].sample)
			}
		}
		if r, ok := groups.first(); ok {
			return r, true, nil
		}
	}
	return Reading{}, false, nil
}

// Series implements [Readings].
func (p *Prometheus) Series(ctx context.Context, q SeriesQuery) ([]DeviceSeries, error) {
	type stamped map[time.Time]*SeriesPoint
	byDevice := map[telemetry.Device]stamped{}
	offset := p.offset(q)
	for _, f := range []struct {
		name string
		set  func(*SeriesPoint, float64)
	}{
		{"min", func(s *SeriesPoint, v float64) { s.Min = v }},
		{"avg", func(s *SeriesPoint, v float64) { s.Mean = v }},
		{"max", func(s *SeriesPoint, v float64) { s.Max = v }},
	} {
		found, err := p.steps(ctx, q, f.name, offset)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			d := telemetry.Device(s.Metric["device"])
			if byDevice[d] == nil {
				byDevice[d] = stamped{}
			}
			for _, v := range s.Values {
				at := v.time.Add(offset)
				if byDevice[d][at] == nil {
					byDevice[d][at] = &SeriesPoint{Time: at, Min: v.value, Mean: v.value, Max: v.value}
				}
				f.set(byDevice[d][at], v.value)
			}
		}
	}
	var out []DeviceSeries
	for d, points := range byDevice {
		s := DeviceSeries{Device: d}
		for _, v := range points {
			s.Points = append(s.Points, *v)
		}
		slices.SortFunc(s.Points, func(a, b SeriesPoint) int { return a.Time.Compare(b.Time) })
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b DeviceSeries) int { return strings.Compare(string(a.Device), string(b.Device)) })
	return out, nil
}

// steps asks for the smallest, mean or largest reading of each step: min, avg, max.
func (p *Prometheus) steps(ctx context.Context, q SeriesQuery, aggregate string, offset time.Duration) (out []promSeries, err error) {
	series := fmt.Sprintf("%s_%s{site=%q}", q.Kind, q.Metric, q.Site)
	query, parts := fmt.Sprintf("%s_over_time(%s[%dms]%s)", aggregate, series, q.Step.Milliseconds(), offsetText(offset)), []SeriesQuery{q}
	if aggregate == "avg" && telemetry.Energetic(q.Metric) {
		query, parts = q.promLevel(series, offsetText(offset)), q.parts()
	}
	for _, part := range parts {
		found, err := p.ask(ctx, "query_range", url.Values{"query": {query}, "start": {stampOf(part.From.Add(q.Step - offset))}, "end": {stampOf(part.To.Add(-offset))},
			"step": {strconv.FormatFloat(q.Step.Seconds(), 'f', -1, 64)}})
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// Samples implements [Readings].
func (p *Prometheus) Samples(ctx context.Context, q SeriesQuery) ([]DeviceSamples, error) {
	selector := fmt.Sprintf(`{site=%q,__name__=~"%s_(%s|%s)"}`, q.Site, q.Kind, q.Metric, telemetry.QualityCode)
	found, err := p.samples(ctx, selector, q.To.Sub(q.From), q.To)
	if err != nil {
		return nil, err
	}
	in := sampling{}
	for _, s := range found {
		if _, metric, ok := p.split(s.Metric["__name__"]); ok {
			for _, v := range s.Values {
				in.add(telemetry.Device(s.Metric["device"]), q, metric, v.sample)
			}
		}
	}
	return in.sorted(), nil
}

// settled is how old a moment must be for VictoriaMetrics to answer for it as it
// is: for younger ones (-search.latencyOffset, 30 s by default) it repeats the step
// before, and hides a gap.
const settled = 5 * time.Minute

// offset is how much earlier than meant a query is evaluated, so that all its
// moments are settled; the query looks ahead by as much.
func (p *Prometheus) offset(q SeriesQuery) time.Duration {
	return max(0, q.To.Sub(p.Now().Add(-settled)).Truncate(time.Second))
}

func offsetText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf(" offset -%dms", d.Milliseconds())
}
