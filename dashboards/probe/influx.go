package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Influx is a store that is asked in InfluxQL.
type Influx struct {
	// URL is what /query comes after.
	URL string
	// Database is the database, or in InfluxDB 2 the bucket of that name; Policy its
	// retention policy, empty for its default one.
	Database, Policy string
	Client           *http.Client
}

// influxSeries is a table of the answer; the first column is the time.
type influxSeries struct {
	Columns []string `json:"columns"`
	Values  [][]any  `json:"values"`
}

// Ask implements [Store].
func (i *Influx) Ask(ctx context.Context, q Query) (Answer, error) {
	found, err := i.query(ctx, q.Text)
	if err != nil {
		return Answer{}, err
	}
	var a Answer
	for _, s := range found {
		a.Series++
		for _, row := range s.Values {
			for c, cell := range row {
				wanted := c > 0 && (q.Table == "" || s.Columns[c] == q.Table)
				if v, number := cell.(float64); wanted && (number || q.Values) {
					a.add(v)
				}
			}
		}
	}
	return a, nil
}

// Reports implements [Store].
func (i *Influx) Reports(ctx context.Context, k telemetry.Kind, m telemetry.Metric, from, to time.Time) (bool, error) {
	found, err := i.query(ctx, fmt.Sprintf("SELECT count(%q) FROM %q WHERE time > %dms AND time <= %dms", m, k, from.UnixMilli(), to.UnixMilli()))
	return len(found) > 0, err
}

func (i *Influx) query(ctx context.Context, text string) ([]influxSeries, error) {
	form := url.Values{"db": {i.Database}, "epoch": {"ms"}, "q": {text}}
	if i.Policy != "" {
		form.Set("rp", i.Policy)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, i.URL+"/query", body(form))
	if err != nil {
		return nil, fmt.Errorf("ask store: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	var a struct {
		Results []struct {
			Series []influxSeries `json:"series"`
			Error  string         `json:"error"`
		} `json:"results"`
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	status, err := exchange(i.Client, req, &a)
	if err != nil {
		return nil, err
	}
	if said := a.Error + a.Message; said != "" || len(a.Results) != 1 {
		return nil, fmt.Errorf("ask store: %s: %s", status, said)
	}
	if a.Results[0].Error != "" {
		return nil, errors.New("ask store: " + a.Results[0].Error)
	}
	return slices.Clip(a.Results[0].Series), nil
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// exchange asks, and decodes the answer.
func exchange(client *http.Client, req *http.Request, out any) (status string, err error) {
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask store: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read store's answer: %w", err)
	case len(text) > maxAnswer:
		return "", fmt.Errorf("read store's answer: it has more than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return "", fmt.Errorf("read store's answer (%s): %w", res.Status, err)
	}
	return res.Status, nil
}

func body(form url.Values) io.Reader { return strings.NewReader(form.Encode()) }
