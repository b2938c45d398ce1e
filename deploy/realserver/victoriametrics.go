package realserver

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
)

// VictoriaServer is a running single-node VictoriaMetrics that keeps data for a
// hundred years and counts samples of one series and one millisecond once.
type VictoriaServer struct {
	*Server
}

// VictoriaMetrics starts Debian's VictoriaMetrics. Its InfluxDB write API is at
// URL/api/v2/write, its Prometheus API at URL/api/v1/….
func VictoriaMetrics(t testing.TB) *VictoriaServer {
	t.Helper()
	binary := find("victoria-metrics")
	if binary == "" {
		missing(t, "victoria-metrics", "apt-get install victoria-metrics")
	}
	return &VictoriaServer{launch(t, program{
		name:   "victoria-metrics",
		scheme: "http",
		ports:  1,
		arguments: func(dir string, ports []int) ([]string, error) {
			return []string{
				fmt.Sprintf("-httpListenAddr=127.0.0.1:%d", ports[0]),
				"-storageDataPath=" + filepath.Join(dir, "data"),
				"-retentionPeriod=100y",
				"-dedup.minScrapeInterval=1ms",
				// Its caches assume that nothing arrives late; tests send late
				// data and ask at once.
				"-search.disableCache",
				"-search.latencyOffset=0s",
				"-memory.allowedBytes=256MB",
			}, nil
		},
		ready: func(ctx context.Context, address string) error {
			return httpReady(ctx, "http://"+address+"/health", http.StatusOK)
		},
	}, binary)}
}

// Flush makes all that was written visible to queries at once, which the server
// otherwise does within seconds.
func (s *VictoriaServer) Flush(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/internal/force_flush", nil)
	if err != nil {
		return fmt.Errorf("flush VictoriaMetrics: %w", err)
	}
	if _, err := do(request); err != nil {
		return fmt.Errorf("flush VictoriaMetrics: %w", err)
	}
	return nil
}
