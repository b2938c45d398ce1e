package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// balance is a line of the ledger, report the whole.
type balance struct {
	Gateway                                                                               string
	Received, Stored, Duplicate, Quarantined, Partial, Discarded, Canary, Queued, Missing int64
}

type report struct {
	Balanced bool
	Gateways []balance
}

// total adds up the gateways.
func (r report) total() balance {
	sum := balance{Gateway: "all"}
	for _, b := range r.Gateways {
		sum.Discarded += b.Discarded
		sum.Received += b.Received
		sum.Stored += b.Stored
		sum.Duplicate += b.Duplicate
		sum.Quarantined += b.Quarantined
		sum.Partial += b.Partial
		sum.Canary += b.Canary
		sum.Queued += b.Queued
		sum.Missing += b.Missing
	}
	return sum
}

// ledger asks for the ledger over HTTP.
func ledger(p *process) (report, bool) {
	var r report
	code, body := p.get("/api/v1/ledger")
	return r, code == 200 && json.Unmarshal([]byte(body), &r) == nil
}

// audit runs `haidang audit`, as its user would, and fails where that finds
// anything missing.
func audit(t *testing.T, p *process) report {
	t.Helper()
	out := run(t, time.Minute, "audit", "--url", p.url, "--json")
	var r report
	if err := json.Unmarshal([]byte(out.stdout), &r); err != nil {
		t.Fatalf("audit: %v\n%s%s", err, out.stdout, out.stderr)
	}
	if out.code != 0 || !r.Balanced || r.total().Missing != 0 {
		t.Errorf("audit ends with %d:\n%s%s", out.code, out.stdout, out.stderr)
	}
	return r
}

// samples are the values of one metric, by device and time in Unix milliseconds.
// A store that holds two of one time has them both.
type samples map[string]map[int64][]float64

func (s samples) add(device string, at int64, value float64) {
	if s[device] == nil {
		s[device] = map[int64][]float64{}
	}
	s[device][at] = append(s[device][at], value)
}

func (s samples) count() (n int) {
	for _, series := range s {
		n += len(series)
	}
	return n
}

// reader reads a metric of some kinds back from a store.
type reader func(t *testing.T, kind, metric string) samples

// prove ends the publisher and holds ledger and store against what it knows:
// each reading is there exactly once and nothing else, and the ledger balances.
// p is the process that has the ledger.
func prove(t *testing.T, p *process, pub *publisher, read reader) {
	t.Helper()
	proveAll(t, p, read, pub)
}

// proveAll is prove of several publishers.
func proveAll(t *testing.T, p *process, read reader, pubs ...*publisher) {
	t.Helper()
	var readings []reading
	acked := 0
	for _, pub := range pubs {
		readings = append(readings, pub.finish()...)
		acked += pub.acked()
	}
	began := time.Now()
	var sum balance
	// What a killed gateway had not acknowledged, a broker sends again only
	// after 30 s.
	eventually(t, patience, "everything is stored", func() bool {
		r, ok := ledger(p)
		if ok {
			sum = r.total()
		}
		return ok && sum.Queued == 0 && sum.Stored >= int64(len(readings))
	})
	t.Logf("all is stored %.1f s after the last PUBACK: %+v", time.Since(began).Seconds(), sum)
	sum = audit(t, p).total()
	if sum.Stored != int64(len(readings)) || sum.Quarantined != 0 || sum.Partial != 0 || sum.Received < int64(acked) {
		t.Errorf("%d readings were made and all acknowledged; the ledger has %+v", len(readings), sum)
	}
	// What a kill has sent twice is proven to be the same: no number is in doubt.
	for _, rule := range []string{"numbers-given-twice", "journal-behind", "journal-replaced", "ledger-older", "messages-lost"} {
		if n, _ := gauge(p, "haidang_findings", `rule="`+rule+`"`); n > 0 {
			t.Errorf("%s is found %v times", rule, n)
		}
	}
	compare(t, readings, read)
}

// compare holds the store against the readings.
func compare(t *testing.T, readings []reading, read reader) {
	t.Helper()
	have := map[string]samples{}
	for _, metric := range []string{"seq", "temperature"} {
		have[metric] = samples{}
		for _, kind := range []string{"air_quality", "weather"} {
			maps.Copy(have[metric], read(t, kind, metric))
		}
		if n := have[metric].count(); n != len(readings) {
			t.Errorf("the store has %d values of %s, not %d", n, metric, len(readings))
		}
	}
	wrong := 0
	for _, r := range readings {
		for metric, want := range map[string]float64{"seq": float64(r.seq), "temperature": r.temperature()} {
			got := have[metric][r.sensor.device][r.at]
			if slices.Equal(got, []float64{want}) {
				continue
			}
			if wrong++; wrong < 10 {
				t.Errorf("%s of reading %d of %s at %d: the store has %v, not once %v", metric, r.seq, r.sensor.device, r.at, got, want)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d values of %d readings are not in the store exactly once", wrong, len(readings))
	}
}

// promQL reads through a Prometheus API below the URL.
func promQL(url string) reader {
	return func(t *testing.T, kind, metric string) samples {
		t.Helper()
		p := &process{url: url}
		code, body := p.get("/api/v1/query?query=" + kind + "_" + metric + "[3h]&time=" + strconv.FormatInt(time.Now().Unix()+60, 10))
		var answer struct {
			Data struct {
				Result []struct {
					Metric map[string]string
					Values [][2]any
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &answer); code != 200 || err != nil {
			t.Fatalf("query: %d %v %.500s", code, err, body)
		}
		out := samples{}
		for _, series := range answer.Data.Result {
			checkTags(t, series.Metric)
			for _, v := range series.Values {
				value, err := strconv.ParseFloat(v[1].(string), 64)
				if err != nil {
					t.Fatal(err)
				}
				out.add(series.Metric["device"], int64(v[0].(float64)*1000+0.5), value)
			}
		}
		return out
	}
}

// embedded reads from the store inside the process.
func embedded(p *process) reader { return promQL(p.url + "/prometheus") }

// gauge adds up the values of a metric in the process's /metrics whose labels
// contain all the words. It reports false where nobody answers or none is there.
func gauge(p *process, name string, words ...string) (sum float64, found bool) {
	code, body := p.get("/metrics")
	if code != 200 {
		return 0, false
	}
	for line := range strings.Lines(body) {
		end := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		if end < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		have, labels, _ := strings.Cut(line[:end], "{")
		if have != name || !hasAll(labels, words) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[end:]), 64)
		if err != nil {
			return 0, false
		}
		sum, found = sum+v, true
	}
	return sum, found
}

// mustGauge is gauge of a process that is known to answer.
func mustGauge(t *testing.T, p *process, name string, words ...string) float64 {
	t.Helper()
	v, ok := gauge(p, name, words...)
	if !ok {
		t.Fatalf("/metrics of %s has no %s %v", p.name, name, words)
	}
	return v
}

func (b balance) String() string {
	return fmt.Sprintf("received %d = stored %d + duplicate %d + quarantined %d + canary %d + queued %d; missing %d",
		b.Received, b.Stored, b.Duplicate, b.Quarantined, b.Canary, b.Queued, b.Missing)
}
