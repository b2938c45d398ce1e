package api

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
	"unicode"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// InfluxQL reads from a store that answers InfluxQL at /query: InfluxDB 1.8, and 2
// and 3 by their compatibility with it. A kind is a measurement, a metric a field,
// and site and device are tags.
type InfluxQL struct {
	// URL is what /query comes after.
	URL string
	// Database is the database, or in InfluxDB 2 the bucket of that name; Policy its
	// retention policy, empty for its default one.
	Database, Policy string
	// Client makes the requests, and shows the server who asks.
	Client    *http.Client
	Catalogue *telemetry.Catalogue
	Now       func() time.Time
}

// influxAnswer is what the server says, a result for each statement. InfluxDB 2 and
// 3 put what is wrong with the request into Message.
type influxAnswer struct {
	Results []influxResult `json:"results"`
	Error   string         `json:"error"`
	Message string         `json:"message"`
}

type influxResult struct {
	Series  []influxSeries `json:"series"`
	Error   string         `json:"error"`
	Partial bool           `json:"partial"`
}

// influxSeries is a table. Its first column is the time in Unix milliseconds.
type influxSeries struct {
	Name    string            `json:"name"`
	Tags    map[string]string `json:"tags"`
	Columns []string          `json:"columns"`
	Values  [][]influxNumber  `json:"values"`
	Partial bool              `json:"partial"`
}

// influxNumber is a cell; ok is false where it holds nothing, or no number.
type influxNumber struct {
	number json.Number
	ok     bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *influxNumber) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && (b[0] == '-' || '0' <= b[0] && b[0] <= '9') {
		n.number, n.ok = json.Number(b), true
	}
	return nil
}

// samples calls f for each number of a table.
func (s influxSeries) samples(f func(at time.Time, column string, v float64)) error {
	for _, row := range s.Values {
		if len(row) != len(s.Columns) || len(row) == 0 || s.Columns[0] != "time" {
			return errors.New("read store's answer: a row does not fit its columns")
		}
		ms, err := row[0].number.Int64()
		if err != nil {
			return fmt.Errorf("read store's answer: time: %w", err)
		}
		for i, cell := range row[1:] {
			if !cell.ok {
				continue
			}
			v, err := cell.number.Float64()
			if err != nil {
				return fmt.Errorf("read store's answer: number: %w", err)
			}
			f(time.UnixMilli(ms).UTC(), s.Columns[i+1], v)
		}
	}
	return nil
}

// ask asks the store and gives a result for each statement.
func (q *InfluxQL) ask(ctx context.Context, statements ...string) ([]influxResult, error) {
	form := url.Values{"db": {q.Database}, "epoch": {"ms"}, "q": {strings.Join(statements, ";")}}
	if q.Policy != "" {
		form.Set("rp", q.Policy)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, q.URL+"/query", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("ask store: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := q.Client.Do(req)
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
	var a influxAnswer
	err = json.Unmarshal(body, &a)
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("ask store: %w", q.refused(resp.Status, resp.StatusCode, a))
	}
	if err != nil {
		return nil, fmt.Errorf("read store's answer: %w", err)
	}
	if a.Error != "" {
		return nil, fmt.Errorf("ask store: %w", q.said(a.Error))
	}
	if len(a.Results) != len(statements) {
		return nil, fmt.Errorf("read store's answer: %d results for %d statements", len(a.Results), len(statements))
	}
	for _, r := range a.Results {
		if r.Error != "" {
			return nil, fmt.Errorf("ask store: %w", q.said(r.Error))
		}
		if r.Partial || slices.ContainsFunc(r.Series, func(s influxSeries) bool { return s.Partial }) {
			return nil, errors.New("read store's answer: the server has cut it short; raise its max-row-limit")
		}
	}
	return a.Results, nil
}

// refused says what an operator can do about an answer that is no success.
func (q *InfluxQL) refused(status string, code int, a influxAnswer) error {
	said := clip(strings.TrimSpace(a.Error+" "+a.Message), 500)
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the server answered %s (%s): give a token with --influx-token that may read %q (for InfluxDB 1.8 it is USER:PASSWORD)", status, said, q.Database)
	case http.StatusNotFound:
		return fmt.Errorf("the server answered %s (%s): correct --influx-bucket (%q), or name the server that answers queries with --query-url", status, said, q.Database)
	}
	return fmt.Errorf("the server answered %s (%s)", status, said)
}

// said is what the server said of a statement, with a remedy where there is one.
func (q *InfluxQL) said(text string) error {
	text = clip(text, 500)
	if strings.HasPrefix(text, "database not found") || strings.HasPrefix(text, "retention policy not found") {
		return fmt.Errorf("%s: create it, or correct --influx-bucket (%q)", text, q.Database)
	}
	return errors.New(text)
}

// quoted puts texts between quotes: ' for strings, " for identifiers. They come from
// outside. What no store takes as a name or a tag's value is refused and not
// escaped: the versions do not read a backslash or a control character alike, and
// nothing could be found under it.
func quoted(mark byte, texts ...string) ([]string, error) {
	m := string(mark)
	out := make([]string, 0, len(texts))
	for _, t := range texts {
		if !utf8.ValidString(t) || strings.ContainsFunc(t, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
			return nil, fmt.Errorf("quote %q: it has a character that cannot be stored", clip(t, 100))
		}
		out = append(out, m+strings.ReplaceAll(t, m, `\`+m)+m)
	}
	return out, nil
}
