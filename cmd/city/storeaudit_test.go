package city

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/storetest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// damaged is a store of which a test deletes some values, with its own means.
type damaged struct {
	store    store.Store
	reader   store.Reader
	counter  store.Counter
	visible  time.Duration
	settle   func()
	destroy  func() // deletes all of device a1's PM2.5, or all that the store has
	wantLost int64  // of what storeAudited writes
}

// damages are all stores, by their names.
func damages() map[string]func(*testing.T) *damaged {
	outside := func(t *testing.T, url, token string, lost int64) *damaged {
		r := openReadable(t, external(url, token))
		reader := externalReader{r.readings.(*api.External)}
		// A second is as good as ten here: what is to be shown is flushed.
		return &damaged{r.store, reader, reader, time.Second, func() {}, nil, lost}
	}
	return map[string]func(*testing.T) *damaged{
		"embedded": damagedEmbedded,
		"VictoriaMetrics": func(t *testing.T) *damaged {
			server := realserver.VictoriaMetricsCaching(t)
			d := outside(t, server.URL, "", 4)
			d.settle = func() { must(t, server.Flush(t.Context())) }
			d.destroy = func() {
				post(t, server.URL+"/api/v1/admin/tsdb/delete_series?match[]="+url.QueryEscape(`air_quality_pm25{device="a1"}`), "")
			}
			return d
		},
		"InfluxDB 1.8": func(t *testing.T) *damaged {
			server := realserver.InfluxDB(t)
			d := outside(t, server.URL, "", 8) // DELETE knows no fields
			d.destroy = func() {
				_, err := server.InfluxQL(t.Context(), `DELETE FROM "air_quality" WHERE "device" = 'a1'`)
				must(t, err)
			}
			return d
		},
		"InfluxDB 2": func(t *testing.T) *damaged {
			server := realserver.InfluxDB2(t)
			d := outside(t, server.URL, realserver.Influx2Token, 8)
			d.destroy = func() {
				post(t, server.URL+"/api/v2/delete?org="+realserver.Influx2Org+"&bucket="+realserver.Database,
					fmt.Sprintf(`{"start":"2020-01-01T00:00:00Z","stop":%q,"predicate":"device=\"a1\""}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
			}
			return d
		},
	}
}

// damagedEmbedded loses its log, as a disk loses it.
func damagedEmbedded(t *testing.T) *damaged {
	dir := t.TempDir()
	s, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Retention: 400 * 24 * time.Hour})
	must(t, err)
	d := &damaged{s, s, s, 0, func() {}, nil, 12}
	d.destroy = func() {
		must(t, s.Close())
		for _, name := range []string{"wal", "wbl", "chunks_head"} {
			must(t, os.RemoveAll(filepath.Join(dir, name)))
		}
		s, err = embedded.Open(t.Context(), embedded.Options{Dir: dir, Retention: 400 * 24 * time.Hour})
		must(t, err)
		d.counter = s
	}
	t.Cleanup(func() { must(t, s.Close()) })
	return d
}

// What a store loses is found by its own count, whatever store it is, and so is a
// ledger that says more than was written.
func TestStoreIsHeldAgainstLedger(t *testing.T) {
	for name, open := range damages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storeAudited(t, open(t))
		})
	}
}

func storeAudited(t *testing.T, d *damaged) {
	dir := t.TempDir()
	led, err := ledger.Open(t.Context(), ledger.Options{Dir: dir})
	must(t, err)
	t.Cleanup(func() { must(t, led.Close()) })
	guard := store.NewGuard(d.store, d.reader, time.Now)
	guard.Visible = d.visible
	audit := &ingest.StoreAudit{Ledger: led, Counter: d.counter, Catalogue: telemetry.NewCatalogue(), Retention: 400 * 24 * time.Hour,
		Visible: d.visible, Findings: ingest.NewFindings(time.Now), Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	compare := func() ingest.StoreReport {
		t.Helper()
		d.settle()
		audit.Counter = d.counter
		r, err := audit.Compare(t.Context(), time.Now().Add(-48*time.Hour), time.Now().Add(time.Hour), true)
		must(t, err)
		return r
	}
	m, now := storetest.NewMaker(t), time.Now().Add(-5*time.Hour).Truncate(time.Hour)
	var points []telemetry.Point
	for device := range 2 { // 4 points of two values, and 4 of one
		for i := range 4 {
			p := m.Air(device+1, now.Add(time.Duration(i)*30*time.Minute-time.Millisecond), float64(i), 2)
			p.Series.Device = telemetry.Device(fmt.Sprintf("a%d", device+1))
			if device == 1 {
				p.Values = p.Values[:1]
			}
			points = append(points, p)
		}
	}
	for range 2 { // the second time nothing is new
		must(t, guard.Write(t.Context(), points))
		must(t, led.Commit(t.Context(), ingest.Commit{Written: guard.Written()}))
		r := compare()
		if r.Expected != 12 || r.Counted != 12 || r.Missing != 0 || len(r.Hours) != 3 {
			t.Fatalf("after a write: %+v", r)
		}
	}

	d.destroy()
	r := compare()
	if r.Missing != d.wantLost || r.Expected != 12 || r.Counted != 12-d.wantLost {
		t.Errorf("%d values are gone: %+v", d.wantLost, r)
	}
	f := audit.Findings.List()
	if len(f) != 1 || f[0].Rule != "store-loss" || f[0].Value != float64(d.wantLost) || !f[0].Lasting || !strings.Contains(f[0].DescriptionEN, fmt.Sprint(d.wantLost)) {
		t.Fatalf("%d values are gone: findings are %+v", d.wantLost, f)
	}
	// Acknowledged it is settled, and only more of it is told.
	e, err := alarm.Open(t.Context(), alarm.Options{Findings: audit.Findings, Alarms: led, Settle: ingest.Audit{Store: audit}.Settling})
	must(t, err)
	must(t, e.Evaluate(t.Context(), time.Now()))
	_, err = e.Acknowledge(t.Context(), e.Firing()[0].ID, "lan", "deleted by us")
	must(t, err)
	if r := compare(); r.Missing != d.wantLost || r.Settled != d.wantLost || r.Unsettled != 0 || len(audit.Findings.List()) > 0 {
		t.Errorf("after the acknowledgement: %+v and %+v", r, audit.Findings.List())
	}
	if all := led.Settlements(); len(all) != 1 || all[0].What != ingest.LackValues || all[0].Lost != d.wantLost || all[0].Why != "deleted by us" {
		t.Errorf("settled are %+v", all)
	}

	db, err := sql.Open("sqlite", filepath.Join(dir, ledger.FileName))
	must(t, err)
	_, err = db.Exec("UPDATE hour SET written = written + 7 WHERE hour = (SELECT MIN(hour) FROM hour)")
	must(t, errors.Join(err, db.Close()))
	if r := compare(); r.Missing != d.wantLost+7 || r.Unsettled != 7 || len(audit.Findings.List()) != 1 || audit.Findings.List()[0].Value != 7 {
		t.Errorf("the ledger says 7 more: %+v and %+v", r, audit.Findings.List())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// post asks a store to delete.
func post(t *testing.T, address, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, address, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Authorization", "Token "+realserver.Influx2Token)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		t.Fatalf("POST %s: %s", address, answer.Status)
	}
}
