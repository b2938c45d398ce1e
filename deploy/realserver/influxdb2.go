package realserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// What an [InfluxDB2] server is set up with. The token guards nothing but a
// loopback port for the length of a test.
const (
	Influx2Org   = "khanh-hoa"
	Influx2Token = "only-for-tests"
)

// Influx2Server is a running InfluxDB 2 with the organisation [Influx2Org], the
// bucket [Database] and the token [Influx2Token], which may do everything.
type Influx2Server struct {
	*Server
}

// InfluxDB2 starts InfluxDB 2, from the file influxd2 in the folder that
// HAIDANG_TOOLS names or in the user's cache. Without it the test is skipped,
// with CI=true too: to build it one needs Rust's cargo, and not every machine
// has that.
func InfluxDB2(t testing.TB) *Influx2Server {
	t.Helper()
	binary := find(toolPaths("influxd2")...)
	if binary == "" {
		t.Skip("influxd 2.7 is not installed: building it needs cargo and github.com/influxdata/pkg-config; " +
			"build github.com/influxdata/influxdb v2.7.12 ./cmd/influxd and put it as influxd2 into the folder HAIDANG_TOOLS names")
	}
	s := &Influx2Server{launch(t, program{
		name:   "influxd2",
		scheme: "http",
		ports:  1,
		arguments: func(dir string, ports []int) ([]string, error) {
			return []string{
				fmt.Sprintf("--http-bind-address=127.0.0.1:%d", ports[0]),
				"--bolt-path=" + filepath.Join(dir, "influxd.bolt"),
				"--sqlite-path=" + filepath.Join(dir, "influxd.sqlite"),
				"--engine-path=" + filepath.Join(dir, "engine"),
				"--reporting-disabled",
				"--no-tasks",
			}, nil
		},
		ready: func(ctx context.Context, address string) error {
			return httpReady(ctx, "http://"+address+"/health", http.StatusOK)
		},
	}, binary)}
	s.setUp(t)
	return s
}

func (s *Influx2Server) setUp(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	body, err := json.Marshal(map[string]string{
		"username": InfluxAdmin, "password": InfluxPassword,
		"org": Influx2Org, "bucket": Database, "token": Influx2Token,
	})
	if err != nil {
		t.Fatalf("set up influxd2: %v", err)
	}
	if _, err := s.post(ctx, "/api/v2/setup", "application/json", string(body)); err != nil {
		t.Fatalf("set up influxd2: %v", err)
	}
}

// Flux runs a Flux script and returns its rows, each as column to text.
func (s *Influx2Server) Flux(ctx context.Context, script string) ([]map[string]string, error) {
	body, err := s.post(ctx, "/api/v2/query?org="+url.QueryEscape(Influx2Org), "application/vnd.flux", script)
	if err != nil {
		return nil, fmt.Errorf("query Flux: %w", err)
	}
	return fluxRows(string(body))
}

func (s *Influx2Server) post(ctx context.Context, path, contentType, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Token "+Influx2Token)
	return do(request)
}
