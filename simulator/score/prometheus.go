package score

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Prometheus reads a store that speaks the Prometheus HTTP API: the embedded one,
// or VictoriaMetrics. A range vector asked for at one moment gives raw samples.
type Prometheus struct {
	// URL is what /api/v1/query comes after.
	URL    string
	Client *http.Client
}

func (p *Prometheus) String() string { return "PromQL at " + redacted(p.URL) }

// Read implements [Store].
func (p *Prometheus) Read(ctx context.Context, q Query, yield func(s *Series, at int64, value float64)) error {
	name := kindsPattern(q.Kind) + "_.+"
	if q.Metric != "" {
		name = kindsPattern(q.Kind) + "_" + string(q.Metric)
	}
	selector := fmt.Sprintf(`{__name__=~%q`, name)
	if len(q.Devices) > 0 {
		quoted := make([]string, len(q.Devices))
		for i, d := range q.Devices {
			quoted[i] = regexp.QuoteMeta(string(d))
		}
		selector += fmt.Sprintf(`,device=~%q`, strings.Join(quoted, "|"))
	}
	// A window has its end and not its beginning.
	form := url.Values{
		"query": {fmt.Sprintf("%s}[%dms]", selector, q.To-q.From)},
		"time":  {strconv.FormatFloat(float64(q.To-1)/1000, 'f', 3, 64)},
		// VictoriaMetrics would else answer from what it has computed before.
		"nocache": {"1"},
	}
	return ask(ctx, p.Client, strings.TrimRight(p.URL, "/")+"/api/v1/query", form.Encode(), func(d *jsontext.Decoder) error {
		return readProm(d, yield)
	})
}

// kindsPattern matches a kind's name, or that of any.
func kindsPattern(k telemetry.Kind) string {
	if k != "" {
		return string(k)
	}
	var all []string
	for _, k := range telemetry.NewCatalogue().Kinds() {
		all = append(all, string(k.Kind))
	}
	return "(" + strings.Join(all, "|") + ")"
}

func readProm(d *jsontext.Decoder, yield func(s *Series, at int64, value float64)) error {
	status, problem, partial := "", "", false
	err := object(d, func(key string) (err error) {
		switch key {
		case "status":
			status, err = word(d)
		case "error":
			problem, err = word(d)
		case "isPartial":
			partial = d.PeekKind() == 't'
			err = d.SkipValue()
		case "data":
			err = object(d, func(key string) error {
				if key != "result" {
					return d.SkipValue()
				}
				return array(d, func() error { return readVector(d, yield) })
			})
		default:
			err = d.SkipValue()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case status != "success":
		return fmt.Errorf("it is %q: %s", status, problem)
	case partial:
		return errors.New("it is partial: a node of the store is away, and what it holds would be taken for lost")
	}
	return nil
}

// readVector reads one series with its samples. The labels come first.
func readVector(d *jsontext.Decoder, yield func(s *Series, at int64, value float64)) error {
	var s *Series
	return object(d, func(key string) error {
		switch key {
		case "metric":
			s = &Series{}
			name := ""
			err := object(d, func(label string) error {
				v, err := word(d)
				switch label {
				case "__name__":
					name = v
				case "locality":
					s.Locality = telemetry.Locality(v)
				case "site":
					s.Site = telemetry.Site(v)
				case "device":
					s.Device = telemetry.Device(v)
				}
				return err
			})
			s.Kind, s.Metric = splitName(name)
			return err
		case "values":
			if s == nil {
				return errors.New("values come before their labels")
			}
			return array(d, func() error {
				at, v, err := readSample(d)
				if err == nil && !math.IsNaN(v) { // a foreign writer's NaN is a gap
					yield(s, at, v)
				}
				return err
			})
		}
		return d.SkipValue()
	})
}

// readSample reads [seconds, "value"].
func readSample(d *jsontext.Decoder) (at int64, v float64, err error) {
	i := 0
	err = array(d, func() error {
		t, err := d.ReadToken()
		if err != nil {
			return err
		}
		switch i++; i {
		case 1:
			seconds, err := t.Float()
			at = int64(math.Round(seconds * 1000))
			return err
		case 2:
			v, err = strconv.ParseFloat(t.String(), 64)
			return err
		}
		return errors.New("a sample has more than a time and a value")
	})
	return at, v, err
}

// splitName finds kind and metric in a series' name.
func splitName(name string) (telemetry.Kind, telemetry.Metric) {
	for _, k := range telemetry.NewCatalogue().Kinds() {
		if m, ok := strings.CutPrefix(name, string(k.Kind)+"_"); ok {
			return k.Kind, telemetry.Metric(m)
		}
	}
	return "", telemetry.Metric(name)
}

// Retention implements [Store]: the embedded store says it where Prometheus does.
func (p *Prometheus) Retention(ctx context.Context) time.Duration {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(p.URL, "/")+"/api/v1/status/runtimeinfo", nil)
	if err != nil {
		return 0
	}
	resp, err := p.Client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	text := ""
	d := jsontext.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20))
	if err := object(d, func(key string) error {
		if key != "data" {
			return d.SkipValue()
		}
		return object(d, func(key string) (err error) {
			if key != "storageRetention" {
				return d.SkipValue()
			}
			text, err = word(d)
			return err
		})
	}); err != nil {
		return 0
	}
	keeps, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return keeps
}

// redacted is a URL without its password.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}
