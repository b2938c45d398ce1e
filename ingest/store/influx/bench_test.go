package influx_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store/influx"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// BenchmarkWrite writes batches of 1000 points of 10 values to a server that
// throws them away; one operation is one point.
func BenchmarkWrite(b *testing.B) {
	for name, gzip := range map[string]influx.Gzip{"plain": influx.GzipNever, "gzip": influx.GzipAlways} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					b.Error(err)
				}
				w.WriteHeader(http.StatusNoContent)
			}))
			defer server.Close()
			s := open(b, influx.Options{URL: server.URL, Gzip: gzip})
			m, now := storetest.NewMaker(b), storetest.Now()
			points := make([]telemetry.Point, 1000)
			for i := range points {
				v := float64(i) / 10
				points[i] = m.Air(i%100, now.Add(time.Duration(i)*time.Second), v, 12.4, v, 3, 4, 5.5, 6, 7, 8.25, v)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += len(points) {
				if err := s.Write(b.Context(), points); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
