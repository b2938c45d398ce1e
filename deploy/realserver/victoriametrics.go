package realserver

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// VictoriaServer is a running single-node VictoriaMetrics that keeps data for a
// hundred years and counts samples of one series and one millisecond once.
type VictoriaServer struct {
	*Server
}

// VictoriaMetrics starts Debian's VictoriaMetrics. Its InfluxDB write API is at
// URL/api/v2/write, its Prometheus API at URL/api/v1/….
func VictoriaMetrics(t testing.TB) *VictoriaServer {
	t.Helper()
	// Its caches assume that nothing arrives late; tests send late data and ask at
	// once.
	return startVictoria(t, "-search.disableCache", "-search.latencyOffset=0s")
}

// VictoriaMetricsCaching starts VictoriaMetrics with caches and latency offset as
// its operators run it, to prove what asks it.
func VictoriaMetricsCaching(t testing.TB) *VictoriaServer {
	t.Helper()
	return startVictoria(t)
}

func startVictoria(t testing.TB, options ...string) *VictoriaServer {
	t.Helper()
	binary := find("victoria-metrics")
	if binary == "" {
		missing(t, "victoria-metrics", "apt-get install victoria-metrics")
	}
	return &VictoriaServer{launch(t, program{
		name:   "victoria-metrics",
		scheme: "http",
		ports:  1,
		arguments: func(dir string, ports []int) ([]string, error) {
			return append([]string{
				fmt.Sprintf("-httpListenAddr=127.0.0.1:%d", ports[0]),
				"-storageDataPath=" + filepath.Join(dir, "data"),
				"-retentionPeriod=100y",
				"-dedup.minScrapeInterval=1ms",
				"-memory.allowedBytes=256MB",
				"-loggerLevel=WARN",
			}, options...), nil
		},
		ready: func(ctx context.Context, address string) error {
			return httpReady(ctx, "http://"+address+"/health", http.StatusOK)
		},
	}, binary)}
}

// Flush makes all that was written visible to queries at once, which the server
// otherwise does within seconds.
func (s *VictoriaServer) Flush(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/internal/force_flush", nil)
	if err != nil {
		return fmt.Errorf("flush VictoriaMetrics: %w", err)
	}
	if _, err := do(request); err != nil {
		return fmt.Errorf("flush VictoriaMetrics: %w", err)
	}
	return nil
}

// Vector is one series of a PromQL answer.
type Vector struct {
	Metric map[string]string
	Values []PromSample
}

// PromSample is one sample of a [Vector].
type PromSample struct {
	Time  int64 // Unix milliseconds
	Value float64
}

// Query evaluates a PromQL expression at a moment. A range vector's values are
// its raw samples.
func (s *VictoriaServer) Query(ctx context.Context, expression string, at time.Time) ([]Vector, error) {
	form := url.Values{"query": {expression}, "time": {strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v1/query", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("query PromQL: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, err := do(request)
	if err != nil {
		return nil, fmt.Errorf("query PromQL: %w", err)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string   `json:"metric"`
				Value  json.RawMessage     `json:"value"`
				Values [][]json.RawMessage `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("decode PromQL answer: %w", err)
	}
	vectors := make([]Vector, 0, len(answer.Data.Result))
	for _, r := range answer.Data.Result {
		if len(r.Value) > 0 {
			var pair []json.RawMessage
			if err := json.Unmarshal(r.Value, &pair); err != nil {
				return nil, fmt.Errorf("decode PromQL answer: %w", err)
			}
			r.Values = append(r.Values, pair)
		}
		v := Vector{Metric: r.Metric}
		for _, pair := range r.Values {
			sample, err := promSample(pair)
			if err != nil {
				return nil, fmt.Errorf("decode PromQL sample: %w", err)
			}
			v.Values = append(v.Values, sample)
		}
		vectors = append(vectors, v)
	}
	return vectors, nil
}

// promSample reads the pair of seconds and number as text.
func promSample(pair []json.RawMessage) (PromSample, error) {
	if len(pair) != 2 {
		return PromSample{}, fmt.Errorf("%d parts, want 2", len(pair))
	}
	var seconds float64
	var text string
	if err := json.Unmarshal(pair[0], &seconds); err != nil {
		return PromSample{}, err
	}
	if err := json.Unmarshal(pair[1], &text); err != nil {
		return PromSample{}, err
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return PromSample{}, err
	}
	return PromSample{Time: int64(math.Round(seconds * 1000)), Value: v}, nil
}
