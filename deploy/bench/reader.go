package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// reader is a store as the bench asks it.
type reader interface {
	ready(ctx context.Context) error
	// count is how many messages are stored of the last day: each brings one value of seq.
	count(ctx context.Context) (int64, error)
	// latest is the newest pm25 of a device; 0 if there is none.
	latest(ctx context.Context, device string) (float64, error)
}

// promReader asks by PromQL: ours and VictoriaMetrics.
type promReader struct{ base, health string }

func (r promReader) ready(ctx context.Context) error { return httpOK(ctx, r.health) }

func (r promReader) count(ctx context.Context) (int64, error) {
	v, err := r.query(ctx, `sum(count_over_time({__name__=~"[a-z_]+_seq"}[1d]))`)
	return int64(v), err
}

func (r promReader) latest(ctx context.Context, device string) (float64, error) {
	return r.query(ctx, fmt.Sprintf("air_quality_pm25{device=%q}", device))
}

// query is the first number of an answer; 0 if there is none.
func (r promReader) query(ctx context.Context, expression string) (float64, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Value []json.RawMessage `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := ask(ctx, r.base+"/api/v1/query", url.Values{"query": {expression}, "nocache": {"1"}}, &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) == 0 || len(answer.Data.Result[0].Value) != 2 {
		return 0, nil
	}
	return strconv.ParseFloat(strings.Trim(string(answer.Data.Result[0].Value[1]), `"`), 64)
}

// influxReader asks by InfluxQL.
type influxReader struct{ base string }

func (r influxReader) ready(ctx context.Context) error { return httpOK(ctx, r.base+"/ping") }

func (r influxReader) count(ctx context.Context) (int64, error) {
	v, err := r.query(ctx, `SELECT count("seq") FROM /.*/ WHERE time > now() - 1d`)
	return int64(v), err
}

func (r influxReader) latest(ctx context.Context, device string) (float64, error) {
	return r.query(ctx, fmt.Sprintf(`SELECT last("pm25") FROM "air_quality" WHERE "device" = '%s'`, device))
}

// query is the sum of the second column of an answer.
func (r influxReader) query(ctx context.Context, statement string) (sum float64, err error) {
	var answer struct {
		Results []struct {
			Series []struct{ Values [][]json.RawMessage }
			Error  string
		}
		Error string
	}
	if err := ask(ctx, r.base+"/query", url.Values{"q": {statement}, "db": {"city"}, "epoch": {"ms"}}, &answer); err != nil {
		return 0, err
	}
	for _, result := range answer.Results {
		if result.Error != "" && !strings.Contains(result.Error, "database not found") {
			return 0, fmt.Errorf("query InfluxDB: %s", result.Error)
		}
		for _, s := range result.Series {
			for _, row := range s.Values {
				v, err := strconv.ParseFloat(string(row[1]), 64)
				if err != nil {
					return 0, fmt.Errorf("query InfluxDB: %w", err)
				}
				sum += v
			}
		}
	}
	return sum, nil
}

// floorReader asks the floor how much it has written.
type floorReader struct{ base string }

func (r floorReader) ready(ctx context.Context) error { return httpOK(ctx, r.base+"/count") }

func (r floorReader) count(ctx context.Context) (n int64, err error) {
	err = ask(ctx, r.base+"/count", nil, &n)
	return n, err
}

func (floorReader) latest(context.Context, string) (float64, error) { return 0, nil }

// ask posts a form and decodes JSON.
func ask(ctx context.Context, address string, form url.Values, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("ask %s: %s: %.200s", address, answer.Status, body)
	}
	return json.Unmarshal(body, into)
}
