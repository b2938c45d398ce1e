package realserver_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

func TestMosquittoKeepsSessions(t *testing.T) {
	for name, end := range map[string]func(*realserver.Server){
		"stopped": (*realserver.Server).Stop,
		"killed":  (*realserver.Server).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			s := realserver.Mosquitto(t, realserver.MosquittoOptions{SaveEveryChange: true})
			subscribe := mosquitto(t, s, "mosquitto_sub", "-i", "keeper", "-c", "-q", "1", "-t", "kh/#")
			// -E leaves once the subscription is acknowledged.
			if out, err := subscribe("-E"); err != nil {
				t.Fatalf("subscribe: %v: %s", err, out)
			}
			if out, err := mosquitto(t, s, "mosquitto_pub", "-q", "1", "-t", "kh/x", "-m", "hello")(); err != nil {
				t.Fatalf("publish: %v: %s", err, out)
			}
			awaitSaved(t, s, "hello")
			address := s.URL
			end(s)
			if s.Running() {
				t.Fatal("it still runs")
			}
			s.Start()
			if s.URL != address {
				t.Errorf("URL is %s after the restart, was %s", s.URL, address)
			}
			out, err := subscribe("-C", "1", "-W", "20")
			if err != nil || strings.TrimSpace(out) != "hello" {
				t.Errorf("the session's message after the restart: %q, %v", out, err)
			}
		})
	}
}

// awaitSaved waits until the broker's file holds the text: a kill may come while
// it is being written.
func awaitSaved(t *testing.T, s *realserver.Server, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		saved, _ := os.ReadFile(filepath.Join(s.Dir, "mosquitto.db"))
		if bytes.Contains(saved, []byte(text)) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%q is not in the broker's file", text)
		case <-tick.C:
		}
	}
}

// mosquitto makes a call of one of Mosquitto's clients.
func mosquitto(t *testing.T, s *realserver.Server, client string, arguments ...string) func(...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(client)
	if err != nil {
		t.Skip("mosquitto-clients is not installed: apt-get install mosquitto-clients")
	}
	host, port, _ := strings.Cut(s.Address, ":")
	return func(more ...string) (string, error) {
		all := append([]string{"-h", host, "-p", port}, arguments...)
		out, err := exec.Command(path, append(all, more...)...).CombinedOutput()
		return string(out), err
	}
}

func TestInfluxDBKeepsData(t *testing.T) {
	s := realserver.InfluxDB(t)
	answer, err := http.Post(s.URL+"/write?db="+realserver.Database, "text/plain", strings.NewReader("m,a=b f=1.5 1000000000"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	s.Kill()
	s.Start()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := s.InfluxQL(ctx, "SELECT f FROM m")
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Series) != 1 || len(result.Series[0].Values) != 1 {
		t.Fatalf("after a kill: %+v", result)
	}
	rows, err := s.Flux(ctx, `from(bucket:"haidang") |> range(start:0) |> filter(fn:(r) => r._measurement == "m")`)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0]["_value"] != "1.5" || rows[0]["a"] != "b" {
		t.Errorf("Flux rows: %v", rows)
	}
}

func TestInfluxDBWithAuthRefusesStrangers(t *testing.T) {
	s := realserver.InfluxDBWithAuth(t)
	answer, err := http.Get(s.URL + "/query?q=SHOW+DATABASES")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger is answered %s", answer.Status)
	}
}

func TestVictoriaMetricsRestarts(t *testing.T) {
	s := realserver.VictoriaMetrics(t)
	s.Stop()
	if _, err := http.Get(s.URL + "/health"); err == nil {
		t.Error("it answers after Stop")
	}
	s.Start()
	if err := s.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}
