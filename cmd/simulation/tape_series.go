package simulation

import (
	"bufio"
	"cmp"
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

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/tape"
)

// oneSeries is a line of a .jsonl file, as VictoriaMetrics exports and imports it.
type oneSeries struct {
	Metric     map[string]string `json:"metric"`
	Values     []seriesValue     `json:"values"`
	Timestamps []int64           `json:"timestamps"` // Unix milliseconds
}

// seriesValue is a number of such a line. VictoriaMetrics writes null where there
// is none, a gap, and "Infinity" where JSON has no word.
type seriesValue float64

// UnmarshalJSON implements json.Unmarshaler; to the standard library null would
// be no change, and so 0.
func (v *seriesValue) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		*v = seriesValue(math.NaN())
		return nil
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("read value: %s is no number", b)
	}
	*v = seriesValue(number)
	return nil
}

// seriesSink writes messages as series.
type seriesSink struct {
	w      *bufio.Writer
	codec  codec.Codec
	series map[string]*oneSeries
	names  []string // of series, in their order
	points int
}

// pointsAtOnce is how many points are kept before they are written; a series may
// have several lines.
const pointsAtOnce = 1 << 20

func newSeries(w io.Writer) *seriesSink {
	return &seriesSink{w: bufio.NewWriter(w), codec: codec.NewNative(telemetry.NewCatalogue(), codec.DefaultMaxPayload), series: map[string]*oneSeries{}}
}

// Write implements sink.
func (s *seriesSink) Write(m tape.Message) error {
	decoded, err := s.codec.Decode(codec.Message{Topic: m.Topic, Payload: m.Payload, Received: m.At, Retained: m.Retain})
	if err != nil || len(decoded.Readings) == 0 {
		return errNotHere
	}
	for _, r := range decoded.Readings {
		for _, v := range r.Values {
			name := fmt.Sprintf("%s_%s", r.Kind.Kind, v.Spec.Name)
			key := fmt.Sprintf("%s %s %s", name, r.Locality, r.Device)
			one := s.series[key]
			if one == nil {
				one = &oneSeries{Metric: map[string]string{"__name__": name, "locality": string(r.Locality), "device": string(r.Device)}}
				s.series[key] = one
				s.names = append(s.names, key)
			}
			one.Values, one.Timestamps = append(one.Values, seriesValue(v.Number)), append(one.Timestamps, r.Time.UnixMilli())
			s.points++
		}
	}
	if s.points >= pointsAtOnce {
		return s.flush()
	}
	return nil
}

func (s *seriesSink) flush() error {
	e := json.NewEncoder(s.w)
	for _, key := range s.names {
		if err := e.Encode(s.series[key]); err != nil {
			return fmt.Errorf("write series: %w", err)
		}
	}
	clear(s.series)
	s.names, s.points = s.names[:0], 0
	return nil
}

// Close implements sink.
func (s *seriesSink) Close() error {
	return errors.Join(s.flush(), s.w.Flush())
}

// gathered brings series together again to the messages they came from.
type gathered struct {
	catalogue *telemetry.Catalogue
	messages  map[gatheredKey]map[telemetry.Metric]float64
}

type gatheredKey struct {
	at       int64 // Unix milliseconds
	locality string
	kind     telemetry.Kind
	device   string
}

func newGathered() *gathered {
	return &gathered{telemetry.NewCatalogue(), map[gatheredKey]map[telemetry.Metric]float64{}}
}

// add adds a series' numbers; one that is none of ours is an error. What Hải Đăng has
// computed nobody sent, and whoever takes the messages computes it again.
func (g *gathered) add(s oneSeries) error {
	kind, metric, ok := split(s.Metric["__name__"], g.catalogue.Kinds())
	if !ok {
		if _, _, computed := split(s.Metric["__name__"], g.catalogue.Computed()); computed || strings.Contains(s.Metric["__name__"], ":") {
			return nil
		}
		return fmt.Errorf("series %q is not one of the catalogue's kinds and metrics", s.Metric["__name__"])
	}
	if s.Metric["locality"] == "" || s.Metric["device"] == "" {
		return fmt.Errorf("series %q has no locality or no device", s.Metric["__name__"])
	}
	if len(s.Values) != len(s.Timestamps) {
		return fmt.Errorf("series %q has %d values and %d timestamps", s.Metric["__name__"], len(s.Values), len(s.Timestamps))
	}
	for i, v := range s.Values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			continue // a gap is a gap
		}
		key := gatheredKey{s.Timestamps[i], s.Metric["locality"], kind, s.Metric["device"]}
		if g.messages[key] == nil {
			g.messages[key] = map[telemetry.Metric]float64{}
		}
		g.messages[key][metric] = float64(v)
	}
	return nil
}

// split takes a series' name apart: kinds have underscores too.
func split(name string, kinds []telemetry.KindSpec) (telemetry.Kind, telemetry.Metric, bool) {
	for i := range kinds {
		if metric, ok := strings.CutPrefix(name, string(kinds[i].Kind)+"_"); ok && kinds[i].Metric([]byte(metric)) != nil {
			return kinds[i].Kind, telemetry.Metric(metric), true
		}
	}
	return "", "", false
}

// take returns the messages in order of time and forgets them.
func (g *gathered) take() []tape.Message {
	keys := make([]gatheredKey, 0, len(g.messages))
	for k := range g.messages {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b gatheredKey) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.locality, b.locality), cmp.Compare(a.kind, b.kind), cmp.Compare(a.device, b.device))
	})
	out := make([]tape.Message, 0, len(keys))
	for _, k := range keys {
		out = append(out, g.message(k))
	}
	clear(g.messages)
	return out
}

// message is a native message with the values.
func (g *gathered) message(k gatheredKey) tape.Message {
	m := tape.Message{At: time.UnixMilli(k.at).UTC(), QoS: 1, Topic: fmt.Sprintf("kh/%s/%s/%s", k.locality, k.kind, k.device)}
	values := g.messages[k]
	if k.kind == telemetry.Status {
		m.Payload, m.Retain = []byte("offline"), true
		if values[telemetry.Online] == 1 {
			m.Payload = []byte("online")
		}
		return m
	}
	b := strconv.AppendInt([]byte(`{"ts":`), k.at, 10)
	for _, spec := range g.catalogue.Kind(k.kind).Metrics {
		if v, ok := values[spec.Name]; ok {
			b = append(fmt.Appendf(b, `,"%s":`, spec.Name), strconv.FormatFloat(v, 'f', -1, 64)...)
		}
	}
	m.Payload = append(b, '}')
	return m
}

// seriesSource reads a .jsonl file. A message's metrics are in many lines, so the
// file is read whole.
type seriesSource struct{ messages []tape.Message }

// maxSeries bounds such a file, because it is read whole.
const maxSeries = 1 << 30

func readSeries(name string, in io.Reader, size int64) (*seriesSource, error) {
	if size > maxSeries {
		return nil, fmt.Errorf("read %s: it is larger than 1 GiB, and is read whole: split it by time", name)
	}
	g, d := newGathered(), json.NewDecoder(in)
	for n := 1; ; n++ {
		var one oneSeries
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return &seriesSource{g.take()}, nil
		}
		if err == nil {
			err = g.add(one)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s, series %d: %w", name, n, err)
		}
	}
}

// Next implements source.
func (s *seriesSource) Next() (tape.Message, error) {
	if len(s.messages) == 0 {
		return tape.Message{}, io.EOF
	}
	m := s.messages[0]
	s.messages = s.messages[1:]
	return m, nil
}

// Close implements source.
func (s *seriesSource) Close() error { return nil }

// storeWindow is how much of the store is asked for at once.
const storeWindow = 10 * time.Minute

// openStore reads the city's store, window by window.
func (c *tapeConvert) openStore(ctx context.Context) (source, error) {
	from, to := time.Time(c.From), time.Time(c.To)
	if from.IsZero() {
		return nil, errors.New("--from is missing: say from when on the store is to be read")
	}
	if to.IsZero() {
		to = time.Now()
	}
	selector := `{locality!=""}`
	if c.Device != "" {
		selector = fmt.Sprintf(`{locality!="",device=%q}`, c.Device)
	}
	return newPages(ctx, func(ctx context.Context, n uint64) ([]tape.Message, uint64, error) {
		start := from.Add(time.Duration(n) * storeWindow)
		end := start.Add(storeWindow)
		next := n + 1
		if !end.Before(to) {
			end, next = to.Add(time.Millisecond), 0
		}
		messages, err := c.window(ctx, selector, start, end)
		return messages, next, err
	}), nil
}

// window is what the store has from start until just before end.
func (c *tapeConvert) window(ctx context.Context, selector string, start, end time.Time) ([]tape.Message, error) {
	// A range selector leaves its beginning out and takes its end in.
	last := end.Add(-time.Millisecond)
	q := url.Values{"query": {fmt.Sprintf("%s[%dms]", selector, end.Sub(start).Milliseconds())}, "time": {last.UTC().Format(time.RFC3339Nano)}}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string    `json:"metric"`
				Values [][2]json.RawMessage `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := c.Call(ctx, http.MethodGet, terminal.PrometheusPath+"/api/v1/query?"+q.Encode(), nil, &answer); err != nil {
		return nil, err
	}
	g := newGathered()
	for _, r := range answer.Data.Result {
		one := oneSeries{Metric: r.Metric}
		for _, v := range r.Values {
			at, err := strconv.ParseFloat(string(v[0]), 64)
			text, err2 := strconv.Unquote(string(v[1]))
			number, err3 := strconv.ParseFloat(text, 64)
			if err := errors.Join(err, err2, err3); err != nil {
				return nil, fmt.Errorf("read the store's answer: %w", err)
			}
			one.Values, one.Timestamps = append(one.Values, seriesValue(number)), append(one.Timestamps, int64(math.Round(at*1000)))
		}
		if err := g.add(one); err != nil {
			return nil, fmt.Errorf("read the store's answer: %w", err)
		}
	}
	return g.take(), nil
}
