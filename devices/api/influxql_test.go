package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// influxStore gives every request the same answer. The real servers are asked by
// the tests of cmd/city.
func influxStore(t *testing.T, status int, answer string) *api.InfluxQL {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	return &api.InfluxQL{URL: s.URL, Database: "city", Client: s.Client(), Catalogue: telemetry.NewCatalogue(), Now: time.Now}
}

func TestInfluxQLErrors(t *testing.T) {
	series := func(s string) string { return `{"results":[{"statement_id":0,"series":[` + s + `]}]}` }
	for name, c := range map[string]struct {
		status int
		answer string
		want   string
	}{
		"wrong token":      {401, `{"code":"unauthorized","message":"unauthorized access"}`, "--influx-token"},
		"no such database": {200, `{"results":[{"statement_id":0,"error":"database not found: city"}]}`, "--influx-bucket"},
		"no such page":     {404, `not found`, "--query-url"},
		"refused":          {400, `{"error":"error parsing query"}`, "error parsing query"},
		"top-level error":  {200, `{"error":"timeout"}`, "timeout"},
		"a web page":       {200, `<html>`, "read store's answer"},
		"no result":        {200, `{}`, "0 results"},
		"cut short":        {200, series(`{"name":"noise","columns":["time"],"values":[],"partial":true}`), "max-row-limit"},
		"a row too short":  {200, series(`{"name":"noise","columns":["time","min"],"values":[[1]]}`), "columns"},
		"no time":          {200, series(`{"name":"noise","columns":["time","min"],"values":[["x",1]]}`), "time"},
		"time of a float":  {200, series(`{"name":"noise","columns":["time","min"],"values":[[1.5,1]]}`), "time"},
		"a huge number":    {200, series(`{"name":"noise","columns":["time","min"],"values":[[1,1e999]]}`), "number"},
		"endless":          {200, `{"results":[` + strings.Repeat(" ", 33<<20), "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			q := influxStore(t, c.status, c.answer)
			_, err := q.Series(t.Context(), api.SeriesQuery{Site: "s", Kind: telemetry.Noise, Metric: telemetry.LAeq, Step: time.Minute})
			if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1000 {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// Columns that others wrote into the same measurement, and cells of text, are no
// readings.
func TestInfluxQLTakesOnlyTheCatalogue(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	q := influxStore(t, 200, fmt.Sprintf(`{"results":[{"series":[{"name":"noise","tags":{"device":"d","site":"s"},"columns":["time","laeq","lamax","smell","note"],"values":[[%d,61.5,null,3,"x"]]},
		{"name":"smells","tags":{"device":"d"},"columns":["time","laeq"],"values":[[%[1]d,1]]}]}]}`, now.UnixMilli()))
	r, ok, err := q.First(t.Context(), "d", "s", now.Add(-time.Hour))
	if err != nil || !ok || r.Kind != telemetry.Noise || len(r.Values) != 1 || r.Values[telemetry.LAeq] != 61.5 || !r.Time.Equal(now) {
		t.Errorf("%+v, %v, %v", r, ok, err)
	}
}

// unquote reads a quoted text from the beginning of a statement as InfluxQL's
// scanner does (influxql.ScanString), and gives what follows.
func unquote(statement string) (text, rest string, err error) {
	var b strings.Builder
	mark := rune(statement[0])
	for i := 1; i < len(statement); {
		r, n := utf8.DecodeRuneInString(statement[i:])
		i += n
		switch r {
		case mark:
			return b.String(), statement[i:], nil
		case '\n', 0: // InfluxQL takes a zero for the end
			return "", "", fmt.Errorf("a text that does not end on its line")
		case '\\':
			r, n = utf8.DecodeRuneInString(statement[i:])
			i += n
			switch r {
			case 'n':
				b.WriteByte('\n')
			case '\\', '"', '\'':
				b.WriteRune(r)
			default:
				return "", "", fmt.Errorf("a bad escape")
			}
		default:
			b.WriteRune(r)
		}
	}
	return "", "", fmt.Errorf("a text that does not end")
}

func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "tran-phu", `'`, `"`, `\`, `\'`, `a'; DROP DATABASE haidang --`, "a\nb", "a\x00b", "Trần Phú", "\xff", "\u2028", "\u0085", strings.Repeat("'", 300)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, mark := range []byte{'\'', '"'} {
			quoted, err := api.Quoted(mark, first, second)
			if err != nil {
				if telemetry.CheckID(first) == nil && telemetry.CheckID(second) == nil {
					t.Errorf("refused identifiers %q, %q: %v", first, second, err)
				}
				continue
			}
			rest := quoted[0] + " " + quoted[1]
			for _, want := range []string{first, second} {
				have, after, err := unquote(strings.TrimPrefix(rest, " "))
				if err != nil || have != want {
					t.Fatalf("%q is quoted as %s and read as %q, %v", want, rest, have, err)
				}
				rest = after
			}
			if rest != "" {
				t.Errorf("%q is left over of %q", rest, quoted)
			}
		}
	})
}
