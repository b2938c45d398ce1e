package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// city is the real thing in one process: journal, ledger and embedded
// store, with a loader between them and the gateways a test starts.
type city struct {
	t         *testing.T
	dir       string
	broker    *broker.Broker
	journal   *journal.Journal
	ledger    *ledger.Ledger
	store     *embedded.Store
	admission *openAdmission
	loader    *ingest.Loader
	registry  *prometheus.Registry
	metrics   *ingest.Metrics
	mosquitto string // see foreign
	// epoch and position are those of the gateway "nha-trang", when the test appends
	// itself.
	epoch    ingest.Epoch
	position uint64
}

// newCity opens the parts; nothing runs yet.
func newCity(t *testing.T) *city {
	t.Helper()
	c := &city{t: t, dir: t.TempDir(), registry: prometheus.NewRegistry()}
	c.metrics = ingest.NewMetrics(c.registry)
	c.openBroker()
	var err error
	c.ledger, err = ledger.Open(t.Context(), ledger.Options{Dir: c.dir})
	c.must(err)
	t.Cleanup(func() { c.ledger.Close() })
	c.store, err = embedded.Open(t.Context(), embedded.Options{Dir: c.dir + "/store", Retention: 400 * 24 * time.Hour})
	c.must(err)
	t.Cleanup(func() { c.store.Close() })
	c.admission = newOpenAdmission([]telemetry.Locality{"nha-trang", "cam-ranh"}, 1000)
	c.loader = c.newLoader(store.NewGuard(c.store, c.store, time.Now))
	return c
}

// openBroker opens the broker and the journal in it. It may be called again once they
// are closed.
func (c *city) openBroker() {
	c.t.Helper()
	var err error
	c.broker, err = broker.Start(c.t.Context(), broker.Options{Dir: c.dir + "/broker"})
	c.must(err)
	b := c.broker
	c.t.Cleanup(func() { b.Close(context.Background()) })
	conn, err := c.broker.Connect("journal")
	c.must(err)
	c.t.Cleanup(conn.Close)
	c.journal, err = journal.Open(c.t.Context(), journal.Options{Conn: conn})
	c.must(err)
	c.t.Cleanup(c.journal.Close)
}

// foreign is the URL of a broker that is another program, for gateways.
func (c *city) foreign() string {
	c.t.Helper()
	if c.mosquitto == "" {
		c.mosquitto = realserver.Mosquitto(c.t, realserver.MosquittoOptions{}).URL
	}
	return c.mosquitto
}

func (c *city) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *city) newLoader(s store.Store) *ingest.Loader {
	l := ingest.NewLoader(c.journal, s, c.ledger)
	l.Codec = codecOf(c.t, telemetry.NewCatalogue())
	l.Admission, l.Metrics, l.Logger = c.admission, c.metrics, slog.New(slog.NewTextHandler(c.t.Output(), nil))
	return l
}

// load runs the loader until the test or the returned function ends it.
func (c *city) load() (stop func()) {
	return c.run(c.loader.Run)
}

// run runs a part until the test or the returned function ends it.
func (c *city) run(part func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := part(ctx); err != nil {
			c.t.Error(err)
		}
	}()
	var stopped atomic.Bool
	stop = func() {
		if !stopped.Swap(true) {
			cancel()
			<-done
		}
	}
	c.t.Cleanup(stop)
	return stop
}

// append puts messages into the journal as the gateway nha-trang would.
func (c *city) append(messages ...ingest.Message) {
	c.t.Helper()
	for i := range messages {
		m := &messages[i]
		if m.FullSize == 0 {
			m.FullSize = len(m.Payload)
		}
		if m.Received.IsZero() {
			m.Received = time.Now()
		}
	}
	epoch, _, err := c.journal.Position(c.t.Context(), "nha-trang")
	c.must(err)
	if epoch != c.epoch {
		c.epoch, c.position = epoch, 0
	}
	r := ingest.Record{Gateway: "nha-trang", Epoch: epoch, First: c.position, Messages: messages}
	c.must(c.journal.Append(c.t.Context(), r))
	c.position = r.End()
}

// report is the audit now.
func (c *city) report() ingest.Report {
	c.t.Helper()
	r, err := ingest.Audit{Ledger: c.ledger, Journal: c.journal}.Report(c.t.Context(), time.Now())
	c.must(err)
	return r
}

// settled waits until all that was received is accounted for, and returns the
// gateway's balance.
func (c *city) settled(gateway string, received uint64) ingest.Balance {
	c.t.Helper()
	var last ingest.Balance
	c.eventually(fmt.Sprintf("gateway %s has %d messages accounted for", gateway, received), func() bool {
		for _, b := range c.report().Gateways {
			if b.Gateway == gateway {
				last = b
			}
		}
		return last.Received >= received && last.Queued == 0
	})
	if d := c.report().Differences; len(d) > 0 {
		c.t.Errorf("the rows do not add up to their accounts: %+v", d)
	}
	return last
}

// eventually waits for a condition, with a deadline.
func (c *city) eventually(what string, ok func() bool) {
	c.t.Helper()
	c.within(30*time.Second, what, ok)
}

func (c *city) within(limit time.Duration, what string, ok func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			c.t.Fatalf("after %v still not: %s; ledger: %+v", limit, what, c.report().Gateways)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// samples reads a metric's raw samples, time in ms → value, over PromQL.
func (c *city) samples(selector string) map[int64]float64 {
	c.t.Helper()
	q := url.Values{"query": {selector + "[500d]"}, "time": {strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)}}
	req := httptest.NewRequest("GET", "/prometheus/api/v1/query?"+q.Encode(), nil)
	w := httptest.NewRecorder()
	c.store.Handler("/prometheus").ServeHTTP(w, req)
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Values [][2]any
			}
		}
	}
	c.must(json.Unmarshal(w.Body.Bytes(), &answer))
	if answer.Error != "" {
		c.t.Fatal(answer.Error)
	}
	out := map[int64]float64{}
	for _, series := range answer.Data.Result {
		for _, v := range series.Values {
			at := int64(v[0].(float64)*1000 + 0.5)
			if _, twice := out[at]; twice {
				c.t.Errorf("%s has two samples at %d", selector, at)
			}
			number, err := strconv.ParseFloat(v[1].(string), 64)
			c.must(err)
			out[at] = number
		}
	}
	return out
}

// quarantine lists what is in quarantine.
func (c *city) quarantine() []ingest.Quarantined {
	c.t.Helper()
	rows, _, err := c.ledger.Quarantine(c.t.Context(), ingest.QuarantineFilter{})
	c.must(err)
	return rows
}

func codecOf(t *testing.T, cat *telemetry.Catalogue) func(string, string) codec.Codec {
	t.Helper()
	cd, err := codec.New(codec.NativeName, cat)
	if err != nil {
		t.Fatal(err)
	}
	return func(string, string) codec.Codec { return cd }
}
