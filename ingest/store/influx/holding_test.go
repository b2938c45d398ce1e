package influx_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/influx"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// held demands that a write is neither done nor rejected, and that the error has
// the words.
func held(t *testing.T, s store.Store, points []telemetry.Point, words ...string) {
	t.Helper()
	err := s.Write(t.Context(), points)
	if rejected := new(store.RejectedError); err == nil || errors.As(err, &rejected) {
		t.Fatalf("error is %v, want a plain one", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error does not mention %q: %v", w, err)
		}
	}
}

// What is no InfluxDB's word on the data rejects nothing, were it a 400: the same
// is held, and written once the fault is gone.
func TestHoldsWhatIsNoWordOnTheData(t *testing.T) {
	const page = "<html>\r\n<head><title>400 Bad Request</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
	server := realserver.InfluxDB(t)
	proxy := storetest.NewProxy(t, server.URL)
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		want                    []string
	}{
		{"a proxy's page", "text/html", page, 400, []string{"400 Bad Request nginx", "--influx-url", "proxy"}},
		{"a proxy's page of size", "text/html", strings.ReplaceAll(page, "400 Bad Request", "413 Request Entity Too Large"), 413, []string{"client_max_body_size"}},
		{"a proxy without a server", "text/html", strings.ReplaceAll(page, "400 Bad Request", "502 Bad Gateway"), 502, []string{"502", "proxy"}},
		{"a page that quotes", "text/html", "<html>partial write: dropped=1</html>", 400, []string{"--influx-url"}},
		{"no body", "", "", 400, []string{"400 Bad Request", "--influx-url"}},
		{"no body, 422", "", "", 422, []string{"422", "--influx-url"}},
		{"text", "text/plain", "partial write: field type conflict", 400, []string{"--influx-url"}},
		{"another JSON", "application/json", `{"detail":"partial write"}`, 400, []string{"--influx-url"}},
		{"a list", "application/json", `["partial write"]`, 400, []string{"--influx-url"}},
		{"broken JSON", "application/json", `{"error":"partial write`, 400, []string{"--influx-url"}},
		{"VictoriaMetrics", "text/plain", `remoteAddr: "127.0.0.1:40936"; requestURI: /api/v2/write; cannot read gzipped influx line protocol data: unexpected EOF`, 400, []string{"gzipped", "--influx-url"}},
		{"InfluxDB's gzip", "application/json", `{"error":"unexpected EOF"}`, 400, []string{"unexpected EOF", "--influx-bucket"}},
		{"InfluxDB's limit", "application/json", `{"error":"Request Entity Too Large"}`, 413, []string{"max-body-size"}},
		{"a bucket", "application/json", `{"code":"invalid","message":"bucket \"city\" not found"}`, 400, []string{"--influx-bucket"}},
		{"everything", "application/json", `{"code":"invalid","message":"partial write: points beyond retention policy dropped=5"}`, 400, []string{"refuses everything", "beyond retention", "--influx-bucket"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, influx.Options{URL: proxy.URL})
			m := storetest.NewMaker(t)
			points := batch(m, 5)
			for _, first := range []bool{true, false} { // as the first write, and after one that was taken
				proxy.Set(storetest.Answer(c.status, c.contentType, c.body))
				for range 2 {
					held(t, s, points, append(c.want, proxy.URL)...)
				}
				proxy.Set(nil)
				if err := s.Write(t.Context(), points); err != nil {
					t.Fatalf("first %t: %v", first, err)
				}
			}
			storetest.WantStored(t, readInfluxQL(server), points...)
		})
	}
}

// An HTTPS server spoken to in HTTP says 400, in plain words, or cuts the
// connection before they are read.
func TestHoldsBeforeAnHTTPSServer(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	s := open(t, influx.Options{URL: "http" + strings.TrimPrefix(server.URL, "https")})
	held(t, s, batch(storetest.NewMaker(t), 3), "--influx-url", "https://")
	proxy := storetest.NewProxy(t, "http://127.0.0.1:1")
	proxy.Set(storetest.Answer(400, "", "Client sent an HTTP request to an HTTPS server.\n"))
	held(t, open(t, influx.Options{URL: proxy.URL}), batch(storetest.NewMaker(t), 3), "Client sent an HTTP request to an HTTPS server", "--influx-url should begin with https://")
}

// A proxy that takes small bodies only gets small ones.
func TestFitsIntoAProxy(t *testing.T) {
	server := realserver.InfluxDB(t)
	proxy := storetest.NewProxy(t, server.URL)
	var refused int
	proxy.Set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if r.ContentLength > 4<<10 {
			refused++
			storetest.Answer(413, "text/html", "<html><h1>413 Request Entity Too Large</h1></html>")(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	})
	s := open(t, influx.Options{URL: proxy.URL, Gzip: influx.GzipNever})
	m := storetest.NewMaker(t)
	points := batch(m, 400)
	for range 2 {
		if err := s.Write(t.Context(), points); err != nil {
			t.Fatal(err)
		}
	}
	storetest.WantStored(t, readInfluxQL(server), points...)
	if refused > 10 {
		t.Errorf("%d bodies were too large: their size is not learnt", refused)
	}
}

// influx3 answers as InfluxDB 3 is documented to: a line that it cannot take is
// named by its number, at most 100 of them, and all others are written.
type influx3 struct {
	written map[string]bool
	bodies  int
	// column says whether the message names the column.
	column bool
}

func (f *influx3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(500)
		return
	}
	f.bodies++
	var named []string
	for i, line := range strings.Split(strings.TrimSpace(string(body)), "\n") {
		if !strings.Contains(line, "pm25=") {
			fields := strings.Fields(line)
			f.written[fields[0]+" "+fields[2]] = true
			continue
		}
		message := "invalid column type"
		if f.column {
			message = "invalid column type for column 'pm25', expected iox::column_type::field::integer, got iox::column_type::field::float"
		}
		if len(named) < 100 {
			named = append(named, `{"original_line":"`+strings.ReplaceAll(line, `"`, `\"`)+`","line_number":`+strconv.Itoa(i+1)+`,"error_message":"`+message+`"}`)
		}
	}
	if len(named) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	storetest.Answer(400, "application/json", `{"error":"partial write of line protocol occurred","data":[`+strings.Join(named, ",")+`]}`)(w, r, nil)
}

func TestInfluxDB3NamesLines(t *testing.T) {
	for _, column := range []bool{true, false} {
		f := &influx3{written: map[string]bool{}, column: column}
		server := httptest.NewServer(f)
		t.Cleanup(server.Close)
		s := open(t, influx.Options{URL: server.URL})
		m := storetest.NewMaker(t)
		good := batch(m, 400)
		points := append([]telemetry.Point(nil), good...)
		var want []store.Rejection
		for i := range points {
			if i == 0 || i >= 200 && i < 350 {
				points[i] = withPM25(m, points[i], 12.5)
				want = append(want, store.Rejection{Point: i, Metric: telemetry.PM25})
			}
		}
		err := s.Write(t.Context(), points)
		storetest.WantRejected(t, err, want...)
		if !strings.Contains(err.Error(), "partial write of line protocol occurred: invalid column type") && column {
			t.Errorf("error does not tell what the server said: %v", err)
		}
		if len(f.written) != len(good) {
			t.Errorf("%d lines written, want %d", len(f.written), len(good))
		}
		if f.bodies > 10 && column {
			t.Errorf("%d requests though the server names lines and columns", f.bodies)
		}
		server.Close()
	}
}
