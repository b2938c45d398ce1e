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
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		Result []promSeries `json:"result"`
	} `json:"data"`
}

// promSeries is a series with its samples.
type promSeries struct {
	Metric map[string]string `json:"metric"`
	Values []promSample      `json:"values"`
}

// promSample is [seconds, "value"].
type promSample struct {
	time  time.Time
	value float64
}

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

// ask asks the store.
func (p *Prometheus) ask(ctx context.Context, path string, form url.Values) ([]promSeries, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("ask store: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask store: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read store's answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("read store's answer: it has more than %d bytes", maxAnswer)
	}
	var a promAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("read store's answer (status %d): %w", resp.StatusCode, err)
	}
	if a.Status != "success" {
		return nil, fmt.Errorf("ask store: %w", errors.New(clip(a.Error, 500)))
	}
	return a.Data.Result, nil
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
	var seen []string
	for _, window := range []time.Duration{10 * time.Minute, 2 * time.Hour, 25 * time.Hour} {
		selector := fmt.Sprintf(`{site=%q,__name__=~%q`, site, p.names(nil))
		if len(seen) > 0 {
			selector += fmt.Sprintf(`,__name__!~%q`, strings.Join(seen, "|"))
		}
		found, err := p.samples(ctx, selector+"}", window, now)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if kind, metric, ok := p.split(s.Metric["__name__"]); ok && len(s.Values) > 0 {
				last := s.Values[len(s.Values)-1]
				groups.add(site, telemetry.Device(s.Metric["device"]), kind, metric, last)
				seen = append(seen, s.Metric["__name__"])
			}
		}
		slices.Sort(seen)
		seen = slices.Compact(seen)
	}
	return groups.newest(), nil
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
	for _, window := range []time.Duration{time.Hour, 25 * time.Hour} {
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
				groups.add(site, device, kind, metric, s.Values[0])
			}
		}
		if r, ok := groups.first(); ok {
			return r, true, nil
		}
	}
	return Reading{}, false, nil
}

// grouping brings samples together to readings.
type grouping map[groupKey]map[telemetry.Metric]promSample

type groupKey struct {
	site   telemetry.Site
	device telemetry.Device
	kind   telemetry.Kind
}

func (g grouping) add(site telemetry.Site, device telemetry.Device, kind telemetry.Kind, metric telemetry.Metric, s promSample) {
	k := groupKey{site, device, kind}
	if g[k] == nil {
		g[k] = map[telemetry.Metric]promSample{}
	}
	g[k][metric] = s
}

// newest is each group's newest values, those of about the same time.
func (g grouping) newest() (out []Reading) {
	for k, values := range g {
		r := Reading{Site: k.site, Device: k.device, Kind: k.kind, Values: map[telemetry.Metric]float64{}}
		for _, s := range values {
			if s.time.After(r.Time) {
				r.Time = s.time
			}
		}
		for m, s := range values {
			if r.Time.Sub(s.time) <= together {
				r.Values[m] = s.value
			}
		}
		out = append(out, r)
	}
	return newer(out, nil)
}

// first is the first reading of all, with the values of exactly that moment.
func (g grouping) first() (r Reading, ok bool) {
	for k, values := range g {
		for _, s := range values {
			if !ok || s.time.Before(r.Time) {
				r, ok = Reading{Site: k.site, Device: k.device, Kind: k.kind, Time: s.time}, true
			}
		}
	}
	r.Values = map[telemetry.Metric]float64{}
	for m, s := range g[groupKey{r.Site, r.Device, r.Kind}] {
		if s.time.Equal(r.Time) {
			r.Values[m] = s.value
		}
	}
	return r, ok
}

// Series implements [Readings].
func (p *Prometheus) Series(ctx context.Context, q SeriesQuery) ([]DeviceSeries, error) {
	type stamped map[time.Time]*SeriesPoint
	byDevice := map[telemetry.Device]stamped{}
	for _, f := range []struct {
		name string
		set  func(*SeriesPoint, float64)
	}{
		{"min_over_time", func(s *SeriesPoint, v float64) { s.Min = v }},
		{"avg_over_time", func(s *SeriesPoint, v float64) { s.Mean = v }},
		{"max_over_time", func(s *SeriesPoint, v float64) { s.Max = v }},
	} {
		found, err := p.ask(ctx, "query_range", url.Values{
			"query": {fmt.Sprintf("%s(%s_%s{site=%q}[%dms])", f.name, q.Kind, q.Metric, q.Site, q.Step.Milliseconds())},
			"start": {stampOf(q.From.Add(q.Step))}, "end": {stampOf(q.To)}, "step": {strconv.FormatFloat(q.Step.Seconds(), 'f', -1, 64)}})
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			d := telemetry.Device(s.Metric["device"])
			if byDevice[d] == nil {
				byDevice[d] = stamped{}
			}
			for _, v := range s.Values {
				if byDevice[d][v.time] == nil {
					byDevice[d][v.time] = &SeriesPoint{Time: v.time, Min: v.value, Mean: v.value, Max: v.value}
				}
				f.set(byDevice[d][v.time], v.value)
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
