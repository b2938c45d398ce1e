package realserver

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Database is the database an [InfluxDB] server has when it is ready; written
// to as the bucket of the same name.
const Database = "haidang"

// InfluxServer is a running InfluxDB 1.8, with Flux enabled, no authentication
// and the database [Database], whose retention is infinite.
type InfluxServer struct {
	*Server
}

// InfluxDB starts InfluxDB 1.8.
func InfluxDB(t testing.TB) *InfluxServer {
	t.Helper()
	return startInflux(t, "")
}

// The names and passwords of an [InfluxDBWithAuth] server. They guard nothing
// but a loopback port for the length of a test.
const (
	InfluxAdmin    = "admin"
	InfluxPassword = "only-for-tests"
)

// InfluxDBWithAuth starts InfluxDB 1.8 that demands a user and a password:
// [InfluxAdmin] and [InfluxPassword] is all it knows.
func InfluxDBWithAuth(t testing.TB) *InfluxServer {
	t.Helper()
	return startInflux(t, "  auth-enabled = true\n")
}

func startInflux(t testing.TB, httpConfig string) *InfluxServer {
	t.Helper()
	binary := find(toolPaths("influxd")...)
	if binary == "" {
		missing(t, "influxd 1.8",
			"`make test` builds it; by hand, `go install github.com/influxdata/influxdb/cmd/influxd@v1.8.3` with GOBIN set to a folder on PATH or named by HAIDANG_TOOLS")
	}
	s := &InfluxServer{launch(t, program{
		name:   "influxd",
		scheme: "http",
		ports:  2,
		arguments: func(dir string, ports []int) ([]string, error) {
			path := filepath.Join(dir, "influxd.conf")
			text := influxConfig(dir, ports) + httpConfig
			return []string{"run", "-config", path}, os.WriteFile(path, []byte(text), 0o600)
		},
		ready: func(ctx context.Context, address string) error {
			return httpReady(ctx, "http://"+address+"/ping", http.StatusNoContent)
		},
	}, binary)}
	if httpConfig != "" {
		s.mustQuery(t, "CREATE USER "+InfluxAdmin+" WITH PASSWORD '"+InfluxPassword+"' WITH ALL PRIVILEGES")
	}
	s.mustQuery(t, "CREATE DATABASE "+Database)
	return s
}

func influxConfig(dir string, ports []int) string {
	return fmt.Sprintf(`reporting-disabled = true
bind-address = "127.0.0.1:%d"
[meta]
  dir = %q
[data]
  dir = %q
  wal-dir = %q
  series-id-set-cache-size = 100
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[logging]
  suppress-logo = true
[http]
  bind-address = "127.0.0.1:%d"
  flux-enabled = true
  log-enabled = false
`, ports[1], filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), ports[0])
}

// toolPaths lists where a tool that Debian does not package may be: the folder
// HAIDANG_TOOLS names, the user's cache, PATH.
func toolPaths(name string) []string {
	var paths []string
	if dir := os.Getenv("HAIDANG_TOOLS"); dir != "" {
		paths = append(paths, filepath.Join(dir, name))
	}
	if dir, err := os.UserCacheDir(); err == nil {
		paths = append(paths, filepath.Join(dir, "haidang-tools", name))
	}
	return append(paths, name)
}

// InfluxResult is the part of InfluxQL's answer that holds rows.
type InfluxResult struct {
	Series []struct {
		Name    string            `json:"name"`
		Tags    map[string]string `json:"tags"`
		Columns []string          `json:"columns"`
		Values  [][]any           `json:"values"`
	} `json:"series"`
	Error string `json:"error"`
}

// InfluxQL runs one statement on [Database] and returns its result. Times are
// Unix milliseconds; numbers are [json.Number]s, so that none loses a digit.
func (s *InfluxServer) InfluxQL(ctx context.Context, statement string) (InfluxResult, error) {
	form := url.Values{"q": {statement}, "db": {Database}, "epoch": {"ms"}}
	body, err := s.post(ctx, "/query", "application/x-www-form-urlencoded", "application/json", form.Encode())
	if err != nil {
		return InfluxResult{}, fmt.Errorf("query InfluxQL: %w", err)
	}
	var answer struct {
		Results []InfluxResult `json:"results"`
		Error   string         `json:"error"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return InfluxResult{}, fmt.Errorf("decode InfluxQL answer: %w", err)
	}
	if answer.Error != "" {
		return InfluxResult{}, fmt.Errorf("query InfluxQL: %s", answer.Error)
	}
	if len(answer.Results) != 1 {
		return InfluxResult{}, fmt.Errorf("query InfluxQL: %d results for one statement", len(answer.Results))
	}
	if e := answer.Results[0].Error; e != "" {
		return InfluxResult{}, fmt.Errorf("query InfluxQL: %s", e)
	}
	return answer.Results[0], nil
}

// Flux runs a Flux script and returns its rows, each as column to text.
func (s *InfluxServer) Flux(ctx context.Context, script string) ([]map[string]string, error) {
	body, err := s.post(ctx, "/api/v2/query", "application/vnd.flux", "application/csv", script)
	if err != nil {
		return nil, fmt.Errorf("query Flux: %w", err)
	}
	return fluxRows(string(body))
}

// fluxRows reads Flux's CSV: tables follow one another, parted by an empty line,
// each with annotations (which begin with #) and a header row.
func fluxRows(text string) ([]map[string]string, error) {
	var rows []map[string]string
	for table := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if strings.TrimSpace(table) == "" {
			continue
		}
		reader := csv.NewReader(strings.NewReader(table))
		reader.Comment = '#'
		lines, err := reader.ReadAll()
		if err != nil {
			return nil, fmt.Errorf("decode Flux answer: %w", err)
		}
		if len(lines) == 0 {
			continue
		}
		header := lines[0]
		for _, line := range lines[1:] {
			row := make(map[string]string, len(header))
			for i, column := range header {
				row[column] = line[i]
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (s *InfluxServer) post(ctx context.Context, path, contentType, accept, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", accept)
	request.SetBasicAuth(InfluxAdmin, InfluxPassword)
	return do(request)
}

func (s *InfluxServer) mustQuery(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	if _, err := s.InfluxQL(ctx, statement); err != nil {
		t.Fatalf("prepare influxd: %v", err)
	}
}

// do makes the request and returns the body of its answer, or an error that
// quotes it where the answer is no success.
func do(request *http.Request) ([]byte, error) {
	client := &http.Client{Timeout: readyWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s: %s", answer.Status, body)
	}
	return body, nil
}

// httpReady asks once, and is content with the status code only.
func httpReady(ctx context.Context, url string, status int) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != status {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}
