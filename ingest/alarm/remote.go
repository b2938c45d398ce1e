package alarm

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

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
const maxAnswer = 16 << 20

// query implements [rules.QueryFunc].
func (r *Remote) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	// VictoriaMetrics would else answer from what it computed before later readings
	// came.
	form := url.Values{"query": {expr}, "time": {strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)}, "nocache": {"1"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(r.URL, "/")+"/api/v1/query", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("ask store: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if r.Token != "" {
		req.Header.Set("Authorization", "Token "+r.Token)
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask store: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read store's answer (%s): %w", resp.Status, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("store answers %s: %s", resp.Status, answer.Error)
	}
	out := make(promql.Vector, 0, len(answer.Data.Result))
	for _, s := range answer.Data.Result {
		v, err := strconv.ParseFloat(fmt.Sprint(s.Value[1]), 64)
		if err != nil {
			return nil, fmt.Errorf("read store's answer: %w", err)
		}
		out = append(out, promql.Sample{Metric: labels.FromMap(s.Metric), T: at.UnixMilli(), F: v})
	}
	return out, nil
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
