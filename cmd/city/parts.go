package city

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	devicesapi "github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/api"
	"github.com/haidang-iot/haidang/ingest/damage"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/store/embedded"
	"github.com/haidang-iot/haidang/ingest/store/influx"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// stopGrace is how long a process may take to stop in order.
	stopGrace = 10 * time.Second
	// topicRoom is what a journal record needs besides one payload: a topic has
	// at most 65,535 bytes.
	topicRoom = 66 << 10
)

// openLog remembers what is open, to close it in the reverse order.
type openLog struct {
	names  []string
	closes []func() error
}

func (o *openLog) opened(name string, close func() error) {
	o.names, o.closes = append(o.names, name), append(o.closes, close)
}

// close closes all, last opened first, and joins what went wrong.
func (o *openLog) close() error {
	var errs []error
	for i := len(o.closes) - 1; i >= 0; i-- {
		if err := o.closes[i](); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", o.names[i], err))
		}
	}
	o.closes = nil
	return errors.Join(errs...)
}

// openStore opens the store that the flags choose. The embedded one has a Prometheus
// API; it is nil where another was chosen.
func (c *city) openStore(ctx context.Context, f storeFlags) (store.Store, *embedded.Store, error) {
	if f.Store == "influx" {
		s, err := influx.New(influx.Options{URL: f.InfluxURL, Org: f.InfluxOrg, Bucket: f.InfluxBucket, Token: f.InfluxToken, Retention: time.Duration(f.Retention)})
		if err != nil {
			return nil, nil, err
		}
		c.open.opened("store", s.Close)
		return s, nil, nil
	}
	s, err := embedded.Open(ctx, embedded.Options{
		Dir: filepath.Join(c.data, "store"), Retention: time.Duration(f.Retention), SyncWrites: c.durability.power, Logger: c.library, Registerer: c.reg, Room: c.disk.Stop,
	})
	if err != nil {
		return nil, nil, err
	}
	c.open.opened("store", s.Close)
	return s, s, nil
}

// loading is a loader with what it works on.
type loading struct {
	loader   *ingest.Loader
	registry *registry
	ledger   *ledger.Ledger
	journal  *journal.Journal
	// durability is what its parts were opened with.
	durability durability
	audit      ingest.Audit
	history    *ingest.Recorder
	// prometheus is the store with a query API; nil if the store is external.
	prometheus *embedded.Store
	// readings is what devices' REST reads of the store.
	readings devicesapi.Readings
	figures  *ownFigures
	// note writes down who lets quarantined messages go, and why.
	note func(ctx context.Context, which, why string) error
	// intake lets in messages that come over HTTP.
	intake *intake
	// evaluated is the store as rules are evaluated over it; nil if it is external.
	evaluated alarm.Store
}

// openLoading opens store, ledger and registry and makes the loader that fills
// them.
func (c *city) openLoading(ctx context.Context, f storeFlags, rf registryFlags, bounds ingest.Bounds, j *journal.Journal) (*loading, error) {
	codecs, err := c.config.Codecs(telemetry.NewCatalogue())
	if err != nil {
		return nil, err
	}
	st, built, err := c.openStore(ctx, f)
	if err != nil {
		return nil, err
	}
	led, err := ledger.Open(ctx, ledger.Options{Dir: c.data, SyncCommits: c.durability.power, Now: time.Now, Room: c.disk.Stop, Damaged: func(err error) {
		c.findings.Report(damage.FileDamaged(ledgerPart, []string{err.Error()}))
	}})
	if err != nil {
		return nil, err
	}
	c.open.opened("ledger", led.Close)
	l := ingest.NewLoader(j, st, led)
	l.Codec, l.Retention, l.Logger, l.Metrics = codecs, time.Duration(f.Retention), c.log, c.metrics
	l.Bounds, l.Disk, l.Findings = bounds, c.disk, c.findings
	r, err := openRegistry(ctx, rf, c.config, c.data, c.log, &c.open)
	if err != nil {
		return nil, err
	}
	if err := r.restorePresence(ctx, led); err != nil {
		return nil, err
	}
	l.Admission, l.Listener, l.Cadence = r.admission, r, r.cadence
	c.reg.MustRegister(devices.NewPresenceCollector(r.presences))
	evaluated, _ := st.(alarm.Store)
	readings := c.openReadings(f, built, r.Catalogue)
	own, err := c.openFigures(f, st, readings, r)
	if err != nil {
		return nil, err
	}
	guard := store.NewGuard(st, own.reader, time.Now)
	guard.Visible = own.visible
	l.Store, l.Written = figures.Noting{Store: guard, Hours: own.hours}, guard.Written
	audit := ingest.Audit{Ledger: led, Journal: j, Store: &ingest.StoreAudit{Ledger: led, Counter: own.counter, Catalogue: r.Catalogue,
		Retention: l.Retention, Visible: own.visible, Findings: c.findings, Now: time.Now, Logger: c.log}}
	audit.Whole, audit.Localities = door.Name, r.admission.Localities
	audit.Sides = &ingest.Sides{Books: led, Journal: audit.Numbered, Findings: c.findings, Now: time.Now, Logger: c.log}
	c.reg.MustRegister(ingest.NewLedgerCollector(audit, time.Now))
	history := &ingest.Recorder{Audit: audit, History: led, Now: time.Now, Logger: c.log}
	return &loading{loader: l, registry: r, ledger: led, journal: j, durability: c.durability, audit: audit, history: history, prometheus: built,
		readings: readings, figures: own, evaluated: evaluated}, nil
}

// serve adds the loader's operations and the store's query API to the server.
func (l *loading) serve(s *server, c *access.Control) {
	api.Ingest{Audit: l.audit, Quarantine: l.ledger, History: l.ledger, Redriver: l.loader, Journal: l.journal, Guard: scoped{c}, Now: time.Now,
		Bounds: l.loader.Bounds, Note: l.note, Places: l.registry.admission}.Register(s.api)
	l.intake = &intake{control: c}
	api.Door{Sender: l.intake.sender, NotTelemetry: isCommand, Now: time.Now}.Register(s.api)
	if l.prometheus != nil {
		s.handle(terminal.PrometheusPath+"/", l.prometheus.Handler(terminal.PrometheusPath))
		return
	}
	s.handlePublic(terminal.PrometheusPath+"/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Kho dữ liệu của thành phố ở bên ngoài (--store influx): hãy truy vấn tại địa chỉ của nó, VictoriaMetrics bằng PromQL, InfluxDB bằng InfluxQL.\n"+
			"This city's store is external (--store influx): query it at its own address, VictoriaMetrics with PromQL, InfluxDB with InfluxQL.\n"+
			"The readings of a site are at /api/v1/sites/ID/latest and /api/v1/sites/ID/series, whatever the store.", http.StatusNotFound)
	})
}

// checks says whether journal, ledger and store are well.
func (l *loading) checks(ctx context.Context) []check {
	journal := check{Name: "journal"}
	if _, err := l.audit.Journal.State(ctx); err != nil {
		journal.Problem = err.Error()
	}
	st := check{Name: "store"}
	if err := l.loader.StoreError(); err != nil {
		st.Problem = err.Error()
	}
	disk := check{Name: "disk", Problem: text(l.loader.DiskError())}
	return []check{journal, st, disk, l.durability.check()}
}

// clientID names a gateway's session at its broker.
func clientID(gateway string) string { return "haidang-" + gateway }

// newGateways makes gateways; broker is where they connect if the configuration names
// none of their own.
func newGateways(all []config.GatewayConfig, broker ingest.Broker, j *journal.Journal, log *slog.Logger, metrics *ingest.Metrics) []*ingest.Gateway {
	var out []*ingest.Gateway
	for _, c := range all {
		b := broker
		if c.Broker != "" {
			b = ingest.Broker{URL: c.Broker, Username: c.Username}
			if c.PasswordEnv != "" {
				b.Password = os.Getenv(c.PasswordEnv)
			}
		}
		b.ClientID = clientID(c.Name)
		g := ingest.NewGateway(c.Name, b, c.Subscribed(), j)
		g.Logger, g.Metrics = log, metrics
		g.NoCanary = !c.SendsCanary()
		g.MaxPayload = min(g.MaxPayload, j.MaxRecord()-topicRoom)
		out = append(out, g)
	}
	return out
}

// gatewayChecks says which gateways take messages.
func gatewayChecks(gateways []*ingest.Gateway) []check {
	var out []check
	for _, g := range gateways {
		s := g.State()
		out = append(out, check{Name: "gateway " + s.Gateway, Problem: s.Detail})
	}
	return out
}
