package influx_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/influx"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open makes a store that the test's end closes.
func open(t testing.TB, o influx.Options) *influx.Store {
	t.Helper()
	if o.Bucket == "" {
		o.Bucket = realserver.Database
	}
	s, err := influx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// server is what the conformance suite needs of a real server.
type server interface {
	Stop()
	Kill()
	Start()
}

// subject puts a store with a proxy before a server.
func subject(t *testing.T, s server, url string, o influx.Options) storetest.Subject {
	proxy := storetest.NewProxy(t, url)
	o.URL = proxy.URL
	return storetest.Subject{
		Store: open(t, o),
		Proxy: proxy,
		WithTimeout: func(d time.Duration) store.Store {
			impatient := o
			impatient.Timeout = d
			return open(t, impatient)
		},
		Outage: func(during func()) {
			s.Stop()
			during()
			s.Start()
		},
	}
}

func TestInfluxDBConformance(t *testing.T) {
	server := realserver.InfluxDB(t)
	for name, gzip := range map[string]influx.Gzip{"plain": influx.GzipNever, "gzip": influx.GzipAlways} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Subject {
				s := subject(t, server, server.URL, influx.Options{Gzip: gzip, MaxBody: 300_000})
				s.Read = readInfluxQL(server)
				return s
			})
		})
	}
	t.Run("flux", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Subject {
			s := subject(t, server, server.URL, influx.Options{Bucket: realserver.Database + "/autogen"})
			s.Read = readFlux(server.Flux)
			s.Restart = restart(server, s.Store)
			return s
		})
	})
}

// readInfluxQL reads a series with InfluxQL.
func readInfluxQL(server *realserver.InfluxServer) func(context.Context, telemetry.Series) ([]storetest.Sample, error) {
	return func(ctx context.Context, s telemetry.Series) ([]storetest.Sample, error) {
		result, err := server.InfluxQL(ctx, fmt.Sprintf(
			`SELECT * FROM "%s" WHERE locality='%s' AND site='%s' AND device='%s'`, s.Kind, s.Locality, s.Site, s.Device))
		if err != nil {
			return nil, err
		}
		var samples []storetest.Sample
		for _, series := range result.Series {
			for _, row := range series.Values {
				ms, err := row[0].(json.Number).Int64()
				if err != nil {
					return nil, err
				}
				for i, column := range series.Columns {
					number, ok := row[i].(json.Number)
					if i == 0 || !ok {
						continue
					}
					v, err := number.Float64()
					if err != nil {
						return nil, err
					}
					samples = append(samples, storetest.Sample{Time: ms, Metric: telemetry.Metric(column), Value: v})
				}
			}
		}
		return samples, nil
	}
}

// readFlux reads a series with Flux.
func readFlux(query func(context.Context, string) ([]map[string]string, error)) func(context.Context, telemetry.Series) ([]storetest.Sample, error) {
	return func(ctx context.Context, s telemetry.Series) ([]storetest.Sample, error) {
		rows, err := query(ctx, fmt.Sprintf(
			`from(bucket: %q) |> range(start: 0, stop: 2100-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == %q and r.locality == %q and r.site == %q and r.device == %q)`,
			realserver.Database, s.Kind, s.Locality, s.Site, s.Device))
		if err != nil {
			return nil, err
		}
		var samples []storetest.Sample
		for _, row := range rows {
			at, err := time.Parse(time.RFC3339Nano, row["_time"])
			if err != nil {
				return nil, err
			}
			v, err := strconv.ParseFloat(row["_value"], 64)
			if err != nil {
				return nil, err
			}
			samples = append(samples, storetest.Sample{Time: at.UnixMilli(), Metric: telemetry.Metric(row["_field"]), Value: v})
		}
		return samples, nil
	}
}

func TestVictoriaMetricsConformance(t *testing.T) {
	server := realserver.VictoriaMetrics(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		s := subject(t, server, server.URL, influx.Options{Bucket: "any"})
		s.Read = readPrometheus(server)
		s.Rounds = true
		return s
	})
}

// readPrometheus reads a series over the Prometheus API: a range vector's raw
// samples.
func readPrometheus(server *realserver.VictoriaServer) func(context.Context, telemetry.Series) ([]storetest.Sample, error) {
	return func(ctx context.Context, s telemetry.Series) ([]storetest.Sample, error) {
		if err := server.Flush(ctx); err != nil {
			return nil, err
		}
		selector := fmt.Sprintf(`{__name__=~"%s_.*",locality=%q,site=%q,device=%q}[200d]`, s.Kind, s.Locality, s.Site, s.Device)
		vectors, err := server.Query(ctx, selector, time.Now().Add(time.Hour))
		if err != nil {
			return nil, err
		}
		var samples []storetest.Sample
		for _, v := range vectors {
			name := v.Metric["__name__"]
			delete(v.Metric, "__name__")
			if len(v.Metric) != 3 {
				return nil, fmt.Errorf("series %s has labels %v, want three", name, v.Metric)
			}
			for _, sample := range v.Values {
				samples = append(samples, storetest.Sample{
					Time: sample.Time, Metric: telemetry.Metric(name[len(s.Kind)+1:]), Value: sample.Value,
				})
			}
		}
		return samples, nil
	}
}

func TestVictoriaMetricsNamesSeriesAsPromQLDoes(t *testing.T) {
	server := realserver.VictoriaMetrics(t)
	s := open(t, influx.Options{URL: server.URL, Bucket: "any"})
	m, now := storetest.NewMaker(t), storetest.Now()
	p := m.Air(1, now, 1, 12.5)
	if err := s.Write(t.Context(), []telemetry.Point{p}); err != nil {
		t.Fatal(err)
	}
	storetest.WantStored(t, readPrometheus(server), p)
	vectors, err := server.Query(t.Context(), `air_quality_pm25{locality="nha-trang"}`, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 1 || vectors[0].Values[0].Value != 12.5 {
		t.Errorf("air_quality_pm25 is %+v", vectors)
	}
}

func TestInfluxDB2Conformance(t *testing.T) {
	server := realserver.InfluxDB2(t)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		s := subject(t, server, server.URL, influx.Options{Org: realserver.Influx2Org, Token: realserver.Influx2Token})
		s.Read = readFlux(server.Flux)
		s.Restart = restart(server, s.Store)
		return s
	})
}

// restart kills the server, which must have on disk all it has acknowledged.
func restart(s server, current store.Store) func() store.Store {
	return func() store.Store {
		s.Kill()
		s.Start()
		return current
	}
}
