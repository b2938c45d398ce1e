package alarm_test

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator/city"
)

// platform is store, ledger and engine over one folder, with a clock of its own.
type platform struct {
	t         *testing.T
	dir       string
	now       time.Time
	catalogue *telemetry.Catalogue
	only      func(id string) bool
	cadences  []rules.Cadence
	options   alarm.Options

	store  *embedded.Store
	ledger *ledger.Ledger
	engine *alarm.Engine
}

func start(t *testing.T, now time.Time, only string, o alarm.Options) *platform {
	t.Helper()
	p := &platform{t: t, dir: t.TempDir(), now: now, catalogue: telemetry.NewCatalogue(), options: o, only: func(id string) bool { return strings.HasPrefix(id, only) }}
	p.open()
	t.Cleanup(p.close)
	return p
}

func (p *platform) clock() time.Time { return p.now }

func (p *platform) open() {
	p.t.Helper()
	var err error
	if p.store, err = embedded.Open(p.t.Context(), embedded.Options{Dir: p.dir + "/store", Retention: 400 * 24 * time.Hour, Now: p.clock}); err != nil {
		p.t.Fatal(err)
	}
	if p.ledger, err = ledger.Open(p.t.Context(), ledger.Options{Dir: p.dir, Now: p.clock}); err != nil {
		p.t.Fatal(err)
	}
	o := p.options
	o.Store, o.Alarms, o.Now = p.store, p.ledger, p.clock
	if o.Webhook != nil {
		o.Webhook.Events = p.ledger
	}
	o.Rules = func(now time.Time) ([]byte, error) {
		return rules.Prometheus(slices.DeleteFunc(rules.All(rules.Options{At: now, Cadences: p.cadences}), func(r rules.Rule) bool { return !p.only(r.ID) }), "vi")
	}
	if p.engine, err = alarm.Open(p.t.Context(), o); err != nil {
		p.t.Fatal(err)
	}
}

func (p *platform) close() {
	for _, c := range []io.Closer{p.engine, p.ledger, p.store} {
		if err := c.Close(); err != nil {
			p.t.Error(err)
		}
	}
}

// level stores a reading of the river now.
func (p *platform) level(site telemetry.Site, v float64) { p.t.Helper(); p.levelAt(site, v, p.now) }

// levelAt stores a reading of the river that was measured at a moment.
func (p *platform) levelAt(site telemetry.Site, v float64, at time.Time) {
	p.t.Helper()
	spec := p.catalogue.Kind(telemetry.WaterLevel).Metric([]byte(telemetry.Level))
	err := p.store.Write(p.t.Context(), []telemetry.Point{{Time: at, Values: []telemetry.Value{{Spec: spec, Number: v}},
		Series: telemetry.Series{Kind: telemetry.WaterLevel, Locality: "nha-trang", Site: site, Device: "wl-1"}}})
	if err != nil {
		p.t.Fatal(err)
	}
}

// minutes lets time pass: each minute a reading every five, and a round.
func (p *platform) minutes(n int, level func(time.Time) float64) {
	p.t.Helper()
	for range n {
		if p.now.Minute()%5 == 0 && level != nil {
			p.level("dong-trang", level(p.now))
		}
		if err := p.engine.Evaluate(p.t.Context(), p.now); err != nil {
			p.t.Fatal(err)
		}
		p.now = p.now.Add(time.Minute)
	}
}

func steady(v float64) func(time.Time) float64 { return func(time.Time) float64 { return v } }

func (p *platform) firing() (ids []string) {
	for _, a := range p.engine.Firing() {
		ids = append(ids, a.Rule)
	}
	return ids
}

func (p *platform) all() []ingest.Alarm {
	p.t.Helper()
	all, err := p.ledger.Alarms(p.t.Context(), ingest.AlarmFilter{})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

func local(year, month, day, hour, minute int) time.Time {
	return time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.FixedZone("", 7*3600))
}

// The flood of November 2025 at Đồng Trăng, as the simulated city has it: báo động
// I, II and III are raised at the latest two readings and two rounds after the
// water was there, in this order, and cleared when it has gone.
func TestFloodOfNovember2025(t *testing.T) {
	realserver.Plain(t)
	c := city.New(1, city.Event{Kind: city.Flood, From: local(2025, 11, 15, 0, 0), To: local(2025, 12, 10, 0, 0), Strength: 1})
	var signal city.Signal
	for _, place := range city.Places() {
		if place.Site == "dong-trang" {
			for _, ch := range c.Channels(city.Station{Place: place, Every: 5 * time.Minute}, telemetry.WaterLevel) {
				if ch.Metric == telemetry.Level {
					signal = ch.Signal
				}
			}
		}
	}
	p := start(t, local(2025, 11, 16, 6, 0), "flood-bd", alarm.Options{})
	crossed := map[string]time.Time{}
	limit := map[string]float64{"flood-bd1-dong-trang": 8, "flood-bd2-dong-trang": 9.5, "flood-bd3-dong-trang": 11}
	p.minutes(40*60, func(at time.Time) float64 {
		v := signal.At(at)
		for id, l := range limit {
			if v >= l && crossed[id].IsZero() {
				crossed[id] = at
			}
		}
		return v
	})
	raised := map[string]time.Time{}
	for _, a := range p.all() {
		if at, ok := raised[a.Rule]; !ok || a.Raised.Before(at) {
			raised[a.Rule] = a.Raised
		}
	}
	if len(crossed) != 3 {
		t.Fatalf("the slice of the scenario has only %v", crossed)
	}
	for id, at := range crossed {
		if late := raised[id].Sub(at); raised[id].IsZero() || late < 10*time.Minute || late > 22*time.Minute {
			t.Errorf("%s: the water was there at %v, the alarm at %v", id, at, raised[id])
		} else {
			t.Logf("%s: %v after the first reading over the limit, of which ten minutes are the rule's", id, late)
		}
	}
	if len(raised) != 3 {
		t.Errorf("raised: %v", raised)
	}
	p.minutes(120, steady(5))
	if f := p.firing(); f != nil {
		t.Errorf("the water has gone, and %v are active", f)
	}
}

// A restart keeps active alarms, who acknowledged them, and what was pending; it
// raises nothing twice and clears nothing because no reading has come yet.
func TestRestart(t *testing.T) {
	var told []string
	p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{Changed: func(changed []ingest.Alarm) {
		for _, a := range changed {
			told = append(told, a.Rule+" "+map[bool]string{true: "active", false: "cleared"}[a.Active()]+" "+a.AcknowledgedBy)
		}
	}})
	p.minutes(20, steady(8.2))
	first := p.engine.Firing()
	if len(first) != 1 || first[0].Rule != "flood-bd1-dong-trang" {
		t.Fatalf("firing: %+v", first)
	}
	if _, err := p.engine.Acknowledge(t.Context(), first[0].ID, "lan", "đã báo xã"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.engine.Acknowledge(t.Context(), first[0].ID, "minh", ""); !errors.Is(err, ingest.ErrAcknowledged) {
		t.Errorf("acknowledged twice: %v", err)
	}
	if _, err := p.engine.Acknowledge(t.Context(), 99, "minh", ""); !errors.Is(err, ingest.ErrNoAlarm) {
		t.Errorf("no such alarm: %v", err)
	}
	p.minutes(6, steady(9.7)) // báo động II has been pending for a while
	p.close()
	p.open()
	p.minutes(3, nil)
	after := p.engine.Firing()
	if len(after) != 1 || after[0].ID != first[0].ID || after[0].AcknowledgedBy != "lan" || after[0].Note != "đã báo xã" || after[0].Raised != first[0].Raised {
		t.Errorf("after the restart: %+v", after)
	}
	p.minutes(5, steady(9.7)) // eight since the restart; the rule waits for ten
	if f := p.firing(); !slices.Equal(f, []string{"flood-bd2-dong-trang", "flood-bd1-dong-trang"}) {
		t.Errorf("what was pending before the restart did not go on: %v", f)
	}
	p.minutes(40, steady(7))
	if f := p.firing(); f != nil {
		t.Errorf("still active: %v", f)
	}
	slices.Sort(told)
	want := []string{"flood-bd1-dong-trang active ", "flood-bd1-dong-trang active lan", "flood-bd1-dong-trang cleared lan", "flood-bd2-dong-trang active ", "flood-bd2-dong-trang cleared "}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if all := p.all(); len(all) != 2 || all[0].Worst != 9.7 || all[0].Cleared.IsZero() {
		t.Errorf("the history: %+v", all)
	}
}

// Absence clears nothing, through a restart after hours either: the alarm is stale
// since its last reading, until a reading says that the water has gone.
func TestLongAbsence(t *testing.T) {
	p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{})
	p.minutes(20, steady(8.2))
	last := p.now.Add(-5 * time.Minute)
	for range 2 {
		p.close()
		p.now = p.now.Add(9 * time.Hour)
		p.open()
		p.minutes(40, nil)
		if all := p.all(); len(all) != 1 || !all[0].Active() || all[0].Stale.Sub(last).Abs() > 10*time.Minute || all[0].Value != 8.2 {
			t.Fatalf("after hours without a reading: %+v", all)
		}
	}
	p.minutes(10, steady(8.1))
	if all := p.all(); len(all) != 1 || !all[0].Active() || !all[0].Stale.IsZero() || all[0].Value != 8.1 {
		t.Errorf("with readings over the limit again: %+v", all)
	}
	p.minutes(25, steady(7.9))
	if f := p.firing(); f != nil {
		t.Errorf("readings say that it is over, and %v are active", f)
	}
}

// What no reading can end, ends: with its limit, with its site or devices.
func TestHeldAlarmEnds(t *testing.T) {
	realserver.Plain(t)
	gone := false
	for name, end := range map[string]func(p *platform){
		"the limit": func(p *platform) { p.only = func(string) bool { return false } },
		"the site":  func(*platform) { gone = true },
	} {
		gone = false
		p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{Gone: func(site telemetry.Site, kind telemetry.Kind) bool {
			return gone && site == "dong-trang" && kind == telemetry.WaterLevel
		}})
		p.minutes(20, steady(8.2))
		p.minutes(9*60, nil)
		if f := p.firing(); len(f) != 1 {
			t.Fatalf("without a reading: %v", f)
		}
		end(p)
		p.minutes(20, nil)
		if f := p.firing(); f != nil {
			t.Errorf("%s has gone, and %v are active", name, f)
		}
	}
}

// ALERTS is in the store, for boards and for those who score.
func TestAlertsAreInTheStore(t *testing.T) {
	p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{})
	p.minutes(20, steady(8.2))
	w := httptest.NewRecorder()
	at := p.now.Add(-time.Minute).Unix()
	p.store.Handler("/prometheus").ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("/prometheus/api/v1/query?query=ALERTS&time=%d", at), nil))
	if body := w.Body.String(); !strings.Contains(body, `"alertstate":"firing"`) || !strings.Contains(body, `"site":"dong-trang"`) {
		t.Errorf("ALERTS: %s", body)
	}
}

// A store that fails clears nothing, and after three rounds that is an alarm.
func TestStoreFails(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{Registerer: registry})
	p.minutes(20, steady(8.2))
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		if p.engine.Evaluate(t.Context(), p.now) == nil {
			t.Fatal("no error although the store is closed")
		}
		p.now = p.now.Add(time.Minute)
	}
	if f := p.firing(); !slices.Equal(f, []string{alarm.EvaluationRule, "flood-bd1-dong-trang"}) {
		t.Errorf("firing: %v", f)
	}
	want := `
# HELP haidang_alarms_firing Active alarms by severity; acknowledged ones count too.
# TYPE haidang_alarms_firing gauge
haidang_alarms_firing{severity="danger"} 1
haidang_alarms_firing{severity="extreme"} 0
haidang_alarms_firing{severity="warning"} 0
haidang_alarms_firing{severity="watch"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "haidang_alarms_firing"); err != nil {
		t.Error(err)
	}
}

// receiver is a webhook's other end.
type receiver struct {
	mu     sync.Mutex
	refuse int
	events []ingest.AlarmEvent
	bad    []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse > 0 {
		r.refuse--
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	want := alarm.Sign([]byte("secret"), req.Header.Get(alarm.TimestampHeader), body)
	if !hmac.Equal([]byte(want), []byte(req.Header.Get(alarm.SignatureHeader))) {
		r.bad = append(r.bad, req.Header.Get(alarm.SignatureHeader))
	}
	var e ingest.AlarmEvent
	if err := json.Unmarshal(body, &e); err != nil {
		r.bad = append(r.bad, err.Error())
	}
	r.events = append(r.events, e)
}

func (r *receiver) got() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		out = append(out, e.ID+" "+e.Alarm.Rule+" "+e.Alarm.AcknowledgedBy)
	}
	return out
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

func run(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// An alarm whose water has gone is kept on for a quarter of an hour and no longer,
// whenever within it the process is started again.
func TestRestartWhileKept(t *testing.T) {
	ends := func(restart int) time.Time {
		p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{})
		p.minutes(20, steady(8.2))
		for minute := range 40 {
			if minute == restart {
				p.close()
				p.open()
			}
			p.minutes(1, steady(7))
		}
		all := p.all()
		if len(all) != 1 || all[0].Active() {
			t.Fatalf("restarted in minute %d: %+v", restart, all)
		}
		return all[0].Cleared
	}
	want := ends(-1)
	for _, minute := range []int{2, 8, 14} {
		if got := ends(minute); got.Sub(want).Abs() > time.Minute {
			t.Errorf("restarted %d minutes after the water had gone, the alarm is cleared at %v, else at %v", minute, got, want)
		}
	}
}

// A real Alertmanager shows the alarm, and its end.
func TestAlertmanager(t *testing.T) {
	server := realserver.Alertmanager(t)
	a, err := alarm.NewAlertmanager([]string{server.URL}, "http://127.0.0.1:8080/alarms", slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	run(t, a.Run)
	// It judges ends by its own clock.
	p := start(t, time.Now().Truncate(time.Minute).Add(-20*time.Minute), "flood-bd", alarm.Options{Alertmanager: a})
	p.minutes(21, steady(8.2))
	ask := func() string {
		resp, err := http.Get(server.URL + "/api/v2/alerts?active=true")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	await(t, "the alarm at the Alertmanager", func() bool {
		p.minutes(1, nil) // each round tells again what the last may have lost
		p.now = p.now.Add(-time.Minute)
		return strings.Contains(ask(), "flood-bd1-dong-trang")
	})
	for _, want := range []string{`"severity":"watch"`, `"site":"dong-trang"`, "Báo động I", `"basis":"law"`, "http://127.0.0.1:8080/alarms"} {
		if !strings.Contains(ask(), want) {
			t.Errorf("the Alertmanager lacks %s: %s", want, ask())
		}
	}
	// A limit that is no more in force ends its alarm at once.
	p.now, p.only = time.Now(), func(string) bool { return false }
	p.minutes(1, nil)
	await(t, "the alarm's end at the Alertmanager", func() bool { return !strings.Contains(ask(), "flood-bd1-dong-trang") })
}

// A share is told in percent, as its limit and unit are.
func TestShareIsToldInPercent(t *testing.T) {
	p := start(t, local(2026, 11, 22, 6, 0), "disk-10", alarm.Options{})
	kind := p.catalogue.Kind(telemetry.Platform)
	for range 5 {
		var values []telemetry.Value
		for m, v := range map[telemetry.Metric]float64{telemetry.DiskFree: 8e9, telemetry.DiskSize: 100e9} {
			values = append(values, telemetry.Value{Spec: kind.Metric([]byte(m)), Number: v})
		}
		series := telemetry.Series{Kind: telemetry.Platform, Locality: "platform", Site: "platform", Device: "haidang"}
		if err := p.store.Write(t.Context(), []telemetry.Point{{Time: p.now, Series: series, Values: values}}); err != nil {
			t.Fatal(err)
		}
		p.minutes(1, nil)
	}
	if f := p.engine.Firing(); len(f) != 1 || math.Abs(f[0].Value-8) > 1e-9 || math.Abs(f[0].Worst-8) > 1e-9 || f[0].Unit != "%" || f[0].Threshold != "< 10 %" {
		t.Errorf("firing: %+v", f)
	}
}
