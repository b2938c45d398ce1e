package alarm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/metadata"
)

// Remote has a store outside of this process, VictoriaMetrics, answer rules.
// ALERTS is not written there.
type Remote struct {
	// URL is what /api/v1/query comes after; Token is shown as "Authorization:
	// Token …", empty shows nothing.
	URL    string
	Token  string
	Client *http.Client
}

// maxAnswer bounds an answer in bytes.
const maxAnswer = 64 << 20

// query implements [rules.QueryFunc].
func (r *Remote) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	var answer []struct {
		Metric model.Metric
		Value  model.SamplePair
	}
	if err := r.ask(ctx, "/api/v1/query", url.Values{"query": {expr}, "time": {seconds(at)}}, &answer); err != nil {
		return nil, err
	}
	out := make(promql.Vector, 0, len(answer))
	for _, s := range answer {
		out = append(out, promql.Sample{Metric: labelsOf(s.Metric), T: at.UnixMilli(), F: float64(s.Value.Value)})
	}
	return out, nil
}

// steps answers a rule's expression at every step from a moment to another, both
// included: what query says there, by Unix milliseconds.
func (r *Remote) steps(ctx context.Context, expr string, from, to time.Time, step time.Duration) (map[int64]promql.Vector, error) {
	var answer []struct {
		Metric model.Metric
		Values []model.SamplePair
	}
	form := url.Values{"query": {expr}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', 3, 64)}}
	if err := r.ask(ctx, "/api/v1/query_range", form, &answer); err != nil {
		return nil, err
	}
	out := map[int64]promql.Vector{}
	for _, s := range answer {
		metric := labelsOf(s.Metric)
		for _, v := range s.Values {
			out[int64(v.Timestamp)] = append(out[int64(v.Timestamp)], promql.Sample{Metric: metric, T: int64(v.Timestamp), F: float64(v.Value)})
		}
	}
	return out, nil
}

// ask posts a question and decodes the result of its answer.
func (r *Remote) ask(ctx context.Context, path string, form url.Values, result any) error {
	var data struct{ Result json.RawMessage }
	if err := r.get(ctx, path, form, &data); err != nil {
		return err
	}
	if err := json.Unmarshal(data.Result, result); err != nil {
		return fmt.Errorf("read store's answer: %w", err)
	}
	return nil
}

// get posts a question and decodes the data of its answer.
func (r *Remote) get(ctx context.Context, path string, form url.Values, data any) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	// VictoriaMetrics would else answer from what it computed before later readings
	// came, and round the steps.
	form.Set("nocache", "1")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(r.URL, "/")+path, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("ask store: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r.Token != "" {
		req.Header.Set("Authorization", "Token "+r.Token)
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return fmt.Errorf("ask store: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	body := http.MaxBytesReader(nil, resp.Body, maxAnswer)
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return fmt.Errorf("read store's answer (%s): %w", resp.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("store answers %s: %s", resp.Status, answer.Error)
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		return fmt.Errorf("read store's answer: %w", err)
	}
	return nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func labelsOf(m model.Metric) labels.Labels {
	b := labels.NewScratchBuilder(len(m))
	for name, value := range m {
		b.Add(string(name), string(value))
	}
	b.Sort()
	return b.Labels()
}

// nothing takes what rules compute and has nothing to say.
type nothing struct{}

func (nothing) Querier(int64, int64) (storage.Querier, error) { return storage.NoopQuerier(), nil }
func (nothing) Appender(context.Context) storage.Appender     { return nothing{} }
func (nothing) Commit() error                                 { return nil }
func (nothing) Rollback() error                               { return nil }
func (nothing) SetOptions(*storage.AppendOptions)             {}
func (nothing) Append(storage.SeriesRef, labels.Labels, int64, float64) (storage.SeriesRef, error) {
	return 0, nil
}
func (nothing) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, nil
}
func (nothing) AppendHistogram(storage.SeriesRef, labels.Labels, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, nil
}
func (nothing) AppendHistogramSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64, *histogram.Histogram, *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return 0, nil
}
func (nothing) AppendSTZeroSample(storage.SeriesRef, labels.Labels, int64, int64) (storage.SeriesRef, error) {
	return 0, nil
}
func (nothing) UpdateMetadata(storage.SeriesRef, labels.Labels, metadata.Metadata) (storage.SeriesRef, error) {
	return 0, nil
}
