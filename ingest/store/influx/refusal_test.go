package influx_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/influx"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// conflict makes a measurement whose field pm25 is an integer, so that no float
// is taken for it in the shard of now.
func conflict(t *testing.T, server *realserver.InfluxServer, measurement string) {
	t.Helper()
	answer, err := http.Post(server.URL+"/write?db="+realserver.Database, "text/plain",
		strings.NewReader(measurement+",site=integer pm25=1i"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if answer.StatusCode != http.StatusNoContent {
		t.Fatalf("prepare conflict: %s", answer.Status)
	}
}

// batch makes n good points, in shards of now.
func batch(m *storetest.Maker, n int) []telemetry.Point {
	now := storetest.Now()
	points := make([]telemetry.Point, n)
	for i := range points {
		p := m.Air(i%7, now.Add(-time.Duration(i)*time.Second), float64(i), 0, float64(i)/2, 1)
		p.Values = append(p.Values[:1:1], p.Values[2:]...) // without pm25
		points[i] = p
	}
	return points
}

func withPM25(m *storetest.Maker, p telemetry.Point, v float64) telemetry.Point {
	p.Values = append(p.Values[:len(p.Values):len(p.Values)], telemetry.Value{Spec: m.Spec(telemetry.AirQuality, telemetry.PM25), Number: v})
	return p
}

func TestInfluxDBFieldConflict(t *testing.T) {
	server := realserver.InfluxDB(t)
	conflict(t, server, "air_quality")
	proxy := storetest.NewProxy(t, server.URL)
	s := open(t, influx.Options{URL: proxy.URL})
	for name, bad := range map[string][]int{"one": {37}, "some": {0, 1, 50, 99}, "alone": nil, "all": nil} {
		t.Run(name, func(t *testing.T) {
			m := storetest.NewMaker(t)
			good := batch(m, 100)
			switch name {
			case "alone":
				good, bad = good[:1], []int{0}
			case "all":
				for i := range good {
					bad = append(bad, i)
				}
			}
			points := append([]telemetry.Point(nil), good...)
			var want []store.Rejection
			for _, i := range bad {
				points[i] = withPM25(m, points[i], 12.5)
				want = append(want, store.Rejection{Point: i, Metric: telemetry.PM25})
			}
			before := proxy.Requests()
			err := s.Write(t.Context(), points)
			storetest.WantRejected(t, err, want...)
			if !strings.Contains(err.Error(), "conflict") {
				t.Errorf("error does not tell what the server said: %v", err)
			}
			storetest.WantStored(t, readInfluxQL(server), good...)
			if n := proxy.Requests() - before; n > 10 {
				t.Errorf("%d requests to find a field that the server names", n)
			}
			// Writing it again names the same again.
			storetest.WantRejected(t, s.Write(t.Context(), points), want...)
			storetest.WantStored(t, readInfluxQL(server), good...)
		})
	}
}

// TestDividesWithoutHints has an InfluxDB that refuses a whole body for one bad
// value in it and does not say for which.
func TestDividesWithoutHints(t *testing.T) {
	server := realserver.InfluxDB(t)
	proxy := storetest.NewProxy(t, server.URL)
	for status, text := range map[int]string{
		http.StatusBadRequest:          `{"error":"partial write: max-values-per-tag limit exceeded"}`,
		http.StatusUnprocessableEntity: `{"code":"unprocessable entity","message":"failure writing points to database: partial write: it does"}`,
	} {
		proxy.Set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
			body, err := io.ReadAll(r.Body)
			if err != nil || bytes.Contains(body, []byte("pm25=666")) {
				storetest.Answer(status, "application/json", text)(w, r, forward)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			forward.ServeHTTP(w, r)
		})
		m := storetest.NewMaker(t)
		s := open(t, influx.Options{URL: proxy.URL, MaxBody: 8 << 10})
		good := batch(m, 300)
		points := append([]telemetry.Point(nil), good...)
		var want []store.Rejection
		for _, i := range []int{3, 4, 150, 299} {
			points[i] = withPM25(m, points[i], 666)
			want = append(want, store.Rejection{Point: i, Metric: telemetry.PM25})
		}
		storetest.WantRejected(t, s.Write(t.Context(), points), want...)
		storetest.WantStored(t, readInfluxQL(server), good...)
	}
}

// TestFaultWhileDividing has the server fail in the middle of the search: what
// became of the rest is unknown, so nothing may be called rejected.
func TestFaultWhileDividing(t *testing.T) {
	server := realserver.InfluxDB(t)
	conflict(t, server, "air_quality")
	proxy := storetest.NewProxy(t, server.URL)
	s := open(t, influx.Options{URL: proxy.URL})
	m := storetest.NewMaker(t)
	good := batch(m, 50)
	points := append([]telemetry.Point(nil), good...)
	points[7] = withPM25(m, points[7], 1.5)
	requests := 0
	proxy.Set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if requests++; requests > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		forward.ServeHTTP(w, r)
	})
	err := s.Write(t.Context(), points)
	if rejected := new(store.RejectedError); err == nil || errors.As(err, &rejected) {
		t.Fatalf("error is %v, want a plain one", err)
	}
	proxy.Set(nil)
	storetest.WantRejected(t, s.Write(t.Context(), points), store.Rejection{Point: 7, Metric: telemetry.PM25})
	storetest.WantStored(t, readInfluxQL(server), good...)
}

func TestInfluxDBRetention(t *testing.T) {
	server := realserver.InfluxDB(t)
	if _, err := server.InfluxQL(t.Context(), "CREATE RETENTION POLICY short ON "+realserver.Database+" DURATION 24h REPLICATION 1 DEFAULT"); err != nil {
		t.Fatal(err)
	}
	proxy := storetest.NewProxy(t, server.URL)
	m, now := storetest.NewMaker(t), storetest.Now()
	points := batch(m, 50)
	var want []store.Rejection
	for _, i := range []int{0, 20, 21, 22} {
		points[i] = m.Air(1, now.Add(-72*time.Hour-time.Duration(i)*time.Second), 1, 2)
		want = append(want, store.Rejection{Point: i})
	}
	s := open(t, influx.Options{URL: proxy.URL})
	storetest.WantRejected(t, s.Write(t.Context(), points), want...)

	before := proxy.Requests()
	known := open(t, influx.Options{URL: proxy.URL, Retention: 24 * time.Hour})
	storetest.WantRejected(t, known.Write(t.Context(), points), want...)
	if n := proxy.Requests() - before; n != 1 {
		t.Errorf("%d requests though the retention is known", n)
	}
	good := append(append([]telemetry.Point(nil), points[1:20]...), points[23:]...)
	storetest.WantStored(t, readInfluxQL(server), good...)

	var old []telemetry.Point
	want = nil
	for i := range 500 {
		old = append(old, m.Air(9, now.Add(-72*time.Hour-time.Duration(i)*time.Second), 1, 2, 3))
		want = append(want, store.Rejection{Point: i})
	}
	before = proxy.Requests()
	storetest.WantRejected(t, s.Write(t.Context(), old), want...)
	if n := proxy.Requests() - before; n != 2 { // one of them shows that it still takes what it took
		t.Errorf("%d requests for a batch of which nothing is taken", n)
	}
}

func TestMendableErrorsNameSettingAndRemedy(t *testing.T) {
	server := realserver.InfluxDBWithAuth(t)
	proxy := storetest.NewProxy(t, server.URL)
	const secret = "s3cr3t-of-the-operator"
	right := realserver.InfluxAdmin + ":" + realserver.InfluxPassword
	for _, c := range []struct {
		name    string
		options influx.Options
		fault   storetest.Fault
		want    []string
	}{
		{"wrong token", influx.Options{Token: "admin:" + secret}, nil, []string{"401", "--influx-token", "USER:PASSWORD"}},
		{"no token", influx.Options{}, nil, []string{"401", "--influx-token"}},
		{"unknown bucket", influx.Options{Bucket: "nowhere", Token: right}, nil, []string{"404", "nowhere", "--influx-bucket", "create"}},
		{"unknown retention policy", influx.Options{Bucket: realserver.Database + "/nowhere", Token: right}, nil, []string{"--influx-bucket", "nowhere"}},
		{"forbidden", influx.Options{Token: secret}, storetest.Answer(403, "application/json", `{"code":"forbidden","message":"insufficient permissions"}`), []string{"403", "insufficient permissions", "--influx-token", realserver.Database}},
		{"organisation", influx.Options{Org: "nobody", Token: secret}, storetest.Answer(400, "application/json", `{"code":"invalid","message":"organization name \"nobody\" not found"}`), []string{"nobody", "--influx-org"}},
		{"limit", influx.Options{Token: secret}, storetest.Answer(429, "application/json", `{"code":"too many requests","message":"limit"}`), []string{"429", "tried again"}},
		{"a web page", influx.Options{Token: secret}, storetest.Answer(200, "text/html", "<html>Grafana</html>"), []string{"200", "--influx-url"}},
		{"a login page", influx.Options{Token: secret}, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			if r.URL.Path == "/login" {
				return
			}
			http.Redirect(w, r, "/login", http.StatusFound)
		}, []string{"302", "--influx-url"}},
		{"another server", influx.Options{Token: secret}, storetest.Answer(405, "text/plain", "Method Not Allowed"), []string{"405", "--influx-url"}},
		{"cut", influx.Options{Token: secret}, storetest.Break, []string{"--influx-url", "runs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			proxy.Set(c.fault)
			c.options.URL = proxy.URL
			s := open(t, c.options)
			m := storetest.NewMaker(t)
			err := s.Write(t.Context(), batch(m, 3))
			if rejected := new(store.RejectedError); err == nil || errors.As(err, &rejected) {
				t.Fatalf("error is %v, want a plain one", err)
			}
			for _, w := range append(c.want, proxy.URL) {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error does not mention %q: %v", w, err)
				}
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), realserver.InfluxPassword) {
				t.Errorf("error tells the secret: %v", err)
			}
		})
	}
	proxy.Set(nil)
	s := open(t, influx.Options{URL: proxy.URL, Token: right})
	m := storetest.NewMaker(t)
	points := batch(m, 3)
	if err := s.Write(t.Context(), points); err != nil {
		t.Fatalf("with the right token: %v", err)
	}
	storetest.WantStored(t, readInfluxQL(server), points...)
}

func TestNewNamesTheWrongSetting(t *testing.T) {
	for _, c := range []struct {
		options influx.Options
		want    string
	}{
		{influx.Options{Bucket: "b"}, "--influx-url"},
		{influx.Options{URL: "127.0.0.1:8086", Bucket: "b"}, "--influx-url"},
		{influx.Options{URL: "localhost", Bucket: "b"}, "--influx-url"},
		{influx.Options{URL: "http://me:s3cr3t@localhost", Bucket: "b"}, "--influx-token"},
		{influx.Options{URL: "http://me:s3cr3t@local host", Bucket: "b"}, "--influx-url"},
		{influx.Options{URL: "http://localhost/?org=x", Bucket: "b"}, "--influx-org"},
		{influx.Options{URL: "http://localhost:8086"}, "--influx-bucket"},
	} {
		_, err := influx.New(c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v does not mention %s", c.options, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("error tells the secret: %v", err)
		}
	}
}
