package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Prometheus is a store that is asked in PromQL.
type Prometheus struct {
	// URL is what /api/v1/query comes after.
	URL    string
	Client *http.Client
	// Offset is how far whole steps lie from those of UTC: days begin at midnight in
	// Vietnam.
	Offset time.Duration
}

// Ask implements [Store].
func (p *Prometheus) Ask(ctx context.Context, q Query) (Answer, error) {
	if q.Values {
		return p.values(ctx, q)
	}
	// VictoriaMetrics would else move the times to whole steps of UTC.
	form := url.Values{"query": {q.Text}, "nocache": {"1"}}
	path := "query_range"
	if q.Now {
		path = "query"
		form.Set("time", seconds(q.To))
	} else {
		start := q.From.Add(p.Offset).Truncate(q.Step).Add(-p.Offset)
		form.Set("start", seconds(start))
		form.Set("end", seconds(q.To))
		form.Set("step", strconv.FormatFloat(q.Step.Seconds(), 'f', -1, 64))
	}
	var data struct {
		Result []struct {
			Value  *sample  `json:"value"`
			Values []sample `json:"values"`
		} `json:"result"`
	}
	if err := p.post(ctx, path, form, &data); err != nil {
		return Answer{}, err
	}
	var a Answer
	for _, s := range data.Result {
		a.Series++
		if s.Value != nil {
			s.Values = append(s.Values, *s.Value)
		}
		for _, v := range s.Values {
			if !math.IsNaN(float64(v)) {
				a.add(float64(v))
			}
		}
	}
	return a, nil
}

// labelValues is Grafana's own function for the values of a label.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

func (p *Prometheus) values(ctx context.Context, q Query) (Answer, error) {
	m := labelValues.FindStringSubmatch(q.Text)
	if m == nil {
		return Answer{}, fmt.Errorf("ask for values: %q is no label_values(series, label)", q.Text)
	}
	var found []string
	err := p.get(ctx, "label/"+m[2]+"/values", url.Values{"match[]": {m[1]}, "start": {seconds(q.From)}, "end": {seconds(q.To)}}, &found)
	return Answer{Series: 1, Numbers: len(found)}, err
}

// Reports implements [Store].
func (p *Prometheus) Reports(ctx context.Context, k telemetry.Kind, m telemetry.Metric, from, to time.Time) (bool, error) {
	var found []map[string]string
	err := p.get(ctx, "series", url.Values{"match[]": {string(k) + "_" + string(m)}, "start": {seconds(from)}, "end": {seconds(to)}}, &found)
	return len(found) > 0, err
}

// sample is the number of [seconds, "number"].
type sample float64

// UnmarshalJSON implements json.Unmarshaler.
func (s *sample) UnmarshalJSON(b []byte) error {
	var at float64
	var text string
	if err := json.Unmarshal(b, &[]any{&at, &text}); err != nil {
		return fmt.Errorf("read sample: %w", err)
	}
	v, err := strconv.ParseFloat(text, 64)
	*s = sample(v)
	return err
}

func (p *Prometheus) post(ctx context.Context, path string, form url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/v1/"+path, body(form))
	if err != nil {
		return fmt.Errorf("ask store: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(req, data)
}

func (p *Prometheus) get(ctx context.Context, path string, form url.Values, data any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/api/v1/"+path+"?"+form.Encode(), nil)
	if err != nil {
		return fmt.Errorf("ask store: %w", err)
	}
	return p.do(req, data)
}

func (p *Prometheus) do(req *http.Request, data any) error {
	var a struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	status, err := exchange(p.Client, req, &a)
	if err != nil {
		return err
	}
	if a.Status != "success" {
		return fmt.Errorf("ask store: %s: %s", status, a.Error)
	}
	if err := json.Unmarshal(a.Data, data); err != nil {
		return fmt.Errorf("read store's answer: %w", err)
	}
	return nil
}

func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}
