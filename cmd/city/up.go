package city

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/damage"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/simulator"
)

// Up is `haidang up`: everything in one process.
type Up struct {
	sourceFlags
	Data string `default:"haidang-data" help:"Folder that holds journal, ledger and store." placeholder:"DIR"`
	listenFlags
	mqttFlags
	MQTTCredentials bool `name:"mqtt-credentials" help:"Ask every device for its credential; each may then publish only on its own topics."`
	journalFlags
	loadFlags
	Simulate int    `help:"Let this many simulated devices publish." placeholder:"N"`
	Seed     uint64 `default:"1" help:"With --simulate: the same seed gives the same devices and values." placeholder:"1"`
	terminal.LogFlags
}

// Help is kong's detailed help.
func (Up) Help() string {
	return `Examples:
  haidang up                                       MQTT on 127.0.0.1:1883, query at http://127.0.0.1:8080/prometheus
  haidang up --simulate 40                         the same, with forty simulated devices
  haidang up --broker tcp://127.0.0.1:1884         take messages from another MQTT broker
  haidang up --durability power --data /srv/city   nothing acknowledged is lost with the power, however slow the disk
  haidang up --mqtt-credentials --mqtt-device-rate 5 --mqtt-session-expiry 1d   ask devices who they are; bound each more closely
  INFLUX_TOKEN=… haidang up --store influx --influx-url http://127.0.0.1:8086 --influx-org city --influx-bucket city
  haidang up --http 0.0.0.0:443 --mqtt 0.0.0.0:8883 --mqtt-credentials --public-url https://haidang.example.vn --tls-cert fullchain.pem --tls-key privkey.pem

Beyond the loopback people log in and only registered devices are stored; the first start prints a link that makes the
first administrator.`
}

// check finds what is wrong before anything is opened, and settles where the
// city is reached from.
func (c *Up) check() (access.Exposure, error) {
	e := c.exposure()
	if err := errors.Join(c.loadFlags.check(), c.listenFlags.check(), c.mqttFlags.check(c.MQTTCredentials, "--mqtt-credentials")); err != nil {
		return e, err
	}
	switch {
	case c.MQTTCredentials && c.BrokerURL != "":
		return e, errors.New("--mqtt-credentials is for the program's own MQTT listener, and --broker names another: leave one of them out")
	case c.MQTTTLSCert+c.MQTTTLSKey != "" && c.BrokerURL != "":
		return e, errors.New("--mqtt-tls-cert is for the program's own MQTT listener, and --broker names another: leave one of them out")
	case c.BrokerURL == "":
		c.expose(&e, c.MQTTCredentials)
	}
	return e, errors.Join(e.Check(), c.admit(e))
}

// Run runs the city:
//
//	devices, simulator ─► door ───────────────────┐
//	                                              ├─► journal ─► loader ─► store ─► HTTP
//	other brokers ──────► gateways of their own ──┘                └─► ledger ──────┘
//
// Started from the right, stopped from the left, so that who produces has ended
// before who consumes.
func (c *Up) Run(ctx context.Context, out *terminal.Output) (err error) {
	began := time.Now()
	e, err := c.check()
	if err != nil {
		return err
	}
	here, err := openCity(cityOptions{c.Config, c.Data, c.Durability, c.DiskReserve, c.listenFlags, c.LogFlags, nil}, out)
	defer func() { err = errors.Join(err, here.close()) }()
	if err != nil {
		return err
	}
	if err := here.keep(ctx, c.loadFlags, true, c.hasDoor()); err != nil {
		return err
	}
	b, j, err := c.openBroker(ctx, here)
	if err != nil {
		return err
	}
	here.custody.broker = b
	keeper, asks := c.keeper(here)
	l, err := here.load(ctx, c.loadFlags, j, e, keeper.ended)
	if err != nil {
		return err
	}
	asks.control.Store(l.control)
	source := ingest.Broker{URL: c.BrokerURL, Username: c.BrokerUser, Password: c.BrokerPassword}
	apart := here.config.Gateways
	if c.hasDoor() {
		apart = here.config.WithBrokers()
	}
	gateways := newGateways(apart, source, j, here.log, here.metrics)
	canaries := l.canaries(here, gateways, nil, b)
	l.audit.Sides.Counts, l.audit.Sides.Brokers = map[string]*ingest.Count{}, map[string]func() ingest.BrokerWord{}
	for _, g := range gateways {
		if g.Count, err = here.openCount(g.Name, here.durability.power, l.ledger.Accounts()); err != nil {
			return err
		}
		l.audit.Sides.Counts[g.Name], l.audit.Sides.Brokers[g.Name] = g.Count, g.BrokerWord
	}
	var w *doorway
	if c.hasDoor() {
		if w, err = c.openDoor(ctx, here, l, keeper, asks, canaries); err != nil {
			return err
		}
		source = ingest.Broker{URL: w.URL(), Username: simulatorUser, Password: keeper.parts[simulatorUser].password}
	}
	checks := upChecks(b, w, gateways, l, canaries)
	here.srv.health(here.reg, here.findings, checks)
	here.srv.pages()
	if err := here.syncNames(); err != nil {
		return err
	}

	var parts actors
	l.run(&parts, here.srv)
	if len(gateways) > 0 {
		parts.add("gateways", runAll(gateways))
	}
	if w != nil {
		parts.add("door", w.run)
		parts.add("take-over", w.old.run)
	}
	parts.add("canaries", canaries.Run)
	parts.add("ears", l.ears(w, gateways, gatewayLocalities(&here.config)))
	if c.Simulate > 0 {
		sim, err := c.simulator(here.config, source, here.log)
		if err != nil {
			return err
		}
		parts.add("simulator", sim.Run)
	}
	parts.add("welcome", func(ctx context.Context) error {
		if awaitReady(ctx, checks) {
			c.welcome(out.Stdout, here, w, l.link, time.Since(began))
		}
		<-ctx.Done()
		return nil
	})
	return parts.run(ctx, stopGrace)
}

// hasDoor says that devices come to this process itself.
func (c *Up) hasDoor() bool { return c.BrokerURL == "" }

// keeper makes who lets devices in, and what it asks.
func (c *Up) keeper(here *city) (*doorkeeper, *ownGrants) {
	asks := &ownGrants{}
	if !c.MQTTCredentials {
		return newDoorkeeper(here.config, nil, here.log), asks
	}
	return newDoorkeeper(here.config, asks, here.log), asks
}

// openDoor opens the door into the journal, with what it remembers of its clients.
func (c *Up) openDoor(ctx context.Context, here *city, l *guarded, keeper *doorkeeper, asks *ownGrants, canaries *ingest.Canaries) (*doorway, error) {
	sessions, err := here.openSessions(ctx, c.doorFlags)
	if err != nil {
		return nil, err
	}
	old, err := here.takeOver(ctx, l.journal, sessions, c.MQTTCredentials)
	if err != nil {
		return nil, err
	}
	count, err := here.countFile(l.ledger.Accounts())
	if err != nil {
		return nil, err
	}
	o := doorOptions{keeper: keeper, journal: l.journal, maxPayload: l.journal.MaxRecord() - topicRoom, sessions: sessions, count: count, canaries: canaries, asked: c.MQTTCredentials}
	if c.MQTTCredentials {
		o.refused = asks.refused
		l.registry.Subscribe(func(e devices.Event) { keeper.changed(e.Devices, l.registry.Snapshot()) })
	}
	w, err := here.openDoor(ctx, c.mqttFlags, o)
	if err != nil {
		return nil, err
	}
	w.old = old
	keeper.door.Store(w)
	// Rights may have ended while the city did not run.
	if err := keeper.forgetLapsed(ctx, sessions.Users()); err != nil {
		return nil, fmt.Errorf("look who may still come: %w", err)
	}
	l.intake.open(w)
	canaries.Routes = w.routes(here.config.DoorCanaries(), keeper.parts[canaryUser])
	l.audit.Sides.Counts[door.Name], l.audit.Sides.Door = count, w
	here.srv.mqtt = w.webSocket(here.srv, c.MQTTCredentials, !access.Loopback(c.HTTP) || c.published())
	return w, nil
}

// upChecks says whether all parts are well. w is nil where there is no door.
func upChecks(b *broker.Broker, w *doorway, gateways []*ingest.Gateway, l *guarded, canaries *ingest.Canaries) func(context.Context) []check {
	return func(ctx context.Context) []check {
		all := []check{{Name: "nats-server", Problem: text(b.Err())}}
		if w != nil {
			all = append(all, w.check())
		}
		all = append(all, gatewayChecks(gateways)...)
		return append(append(all, l.checks(ctx)...), canaryChecks(canaries)...)
	}
}

// countPath is a gateway's own count.
func (c *city) countPath(gateway string) string {
	return filepath.Join(c.data, "gateways", gateway+".count")
}

// openCount opens a gateway's own count, and tells if that was lost: it is damaged, or
// gone from the folder of counts although the ledger knows messages of the gateway.
func (c *city) openCount(gateway string, sync bool, accounts []ingest.Account) (*ingest.Count, error) {
	path := c.countPath(gateway)
	dir := filepath.Dir(path)
	known := slices.ContainsFunc(accounts, func(a ingest.Account) bool { return a.Gateway == gateway && a.Position > 0 })
	gone := known && isThere(dir) && !isThere(path)
	count, err := ingest.OpenCount(path, sync, time.Now)
	if err != nil {
		return nil, err
	}
	c.open.opened("count of gateway "+gateway, count.Close)
	switch err := count.Damage(); {
	case err != nil:
		c.custody.tell(damage.CountLost(gateway, "bị hỏng ("+err.Error()+")", "was damaged ("+err.Error()+")"))
	case gone:
		c.custody.tell(damage.CountLost(gateway, "đã mất", "was gone"))
	}
	return count, nil
}

// openBroker starts the embedded JetStream server and opens the journal in it.
func (c *Up) openBroker(ctx context.Context, here *city) (*broker.Broker, *journal.Journal, error) {
	log, open := here.log, &here.open
	b, err := broker.Start(ctx, broker.Options{
		Dir: filepath.Join(c.Data, "broker"), SyncAlways: here.durability.power, Reserve: uint64(c.DiskReserve), Logger: log,
	})
	if err != nil {
		return nil, nil, err
	}
	open.opened("broker", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return b.Close(ctx)
	})
	conn, err := b.Connect("journal")
	if err != nil {
		return nil, nil, err
	}
	open.opened("journal's connection", func() error { conn.Close(); return nil })
	j, err := journal.Open(ctx, journal.Options{
		Conn: conn, MaxBytes: int64(c.JournalBudget), Logger: log,
		Reserve: uint64(c.DiskReserve), FreeSpace: b.FreeSpace, Folder: b.Dir(), SyncNames: b.SyncNames,
	})
	if err != nil {
		return nil, nil, err
	}
	open.opened("journal", func() error { j.Close(); return nil })
	return b, j, nil
}

func (c *Up) simulator(cfg config.Config, source ingest.Broker, log *slog.Logger) (*simulator.Simulator, error) {
	return simulator.New(simulator.Options{
		Broker: source.URL, Username: source.Username, Password: source.Password,
		Localities: cfg.LocalityIDs(), Devices: c.Simulate, Seed: c.Seed, Prefix: simulatedPrefix, QoS: 1, Every: 10 * time.Second, Logger: log,
	})
}

// welcome tells who has just started the city where to look.
func (c *Up) welcome(out io.Writer, here *city, w *doorway, link access.NewLink, took time.Duration) {
	fmt.Fprintf(out, "\nHải Đăng %s is running (ready after %.1f s). Ctrl-C stops it in order.\n\n", terminal.Version, took.Seconds())
	s := here.srv
	row := func(name, value string) { fmt.Fprintf(out, "  %-11s %s\n", name, value) }
	row("Console", s.url())
	row("MQTT", c.welcomeMQTT(s, w)+"   topic kh/<locality>/<kind>/<device>")
	if w != nil && (c.MQTTCredentials || access.Loopback(c.HTTP) && !c.published()) {
		row("", "or by WebSocket: ws"+strings.TrimPrefix(s.url(), "http")+mqttPath)
	}
	if c.Store == "embedded" {
		row("Query", s.url()+terminal.PrometheusPath+"   (a Grafana data source of type Prometheus takes this URL)")
	} else {
		row("Store", terminal.Redact(c.InfluxURL)+"   bucket "+c.InfluxBucket+"   (point Grafana there; the console's charts read from it)")
	}
	row("Ledger", s.url()+"/api/v1/ledger   or: haidang audit --url "+s.url())
	row("Quarantine", s.url()+"/api/v1/quarantine   or: haidang quarantine list --url "+s.url())
	row("Health", s.url()+"/readyz   metrics: "+s.url()+"/metrics")
	row("Data", c.Data)
	row("Durability", here.durability.words())
	admission := fmt.Sprintf("open: any device on this machine is stored and registered provisionally, up to %d", c.AdmitLimit)
	if c.Admission == "registered" {
		admission = "registered: readings of unknown devices wait in quarantine"
	}
	row("Admission", admission)
	if link.Secret != "" {
		row("Log in", "this link makes the first administrator, once, until "+terminal.Moment(link.Expires)+":")
		row("", link.URL(s.url()))
	}
	for _, f := range here.findings.List() {
		row("FOUND", f.SummaryEN+": "+f.DescriptionEN+". "+f.RunbookEN)
	}
	if c.Simulate > 0 {
		wait := ""
		if c.Admission == "registered" {
			wait = "; until they are registered their readings wait in quarantine"
		}
		row("Simulated", fmt.Sprintf("%d devices, seed %d%s", c.Simulate, c.Seed, wait))
	}
	fmt.Fprintln(out)
}

// welcomeMQTT is where devices come.
func (c *Up) welcomeMQTT(s *server, w *doorway) string {
	if w == nil {
		return terminal.Redact(c.BrokerURL)
	}
	if address, ok := strings.CutPrefix(w.TLSURL(), "ssl://"); ok {
		if _, port, err := net.SplitHostPort(address); err == nil {
			if host, _, err := net.SplitHostPort(c.MQTT); err == nil {
				address = net.JoinHostPort(host, port)
			}
		}
		return "ssl://" + shownAddress(address, s.cert) + "   on this machine also " + w.URL()
	}
	if !access.Loopback(c.MQTT) {
		return "tcp://" + shownAddress(c.MQTT, nil) + ", not encrypted"
	}
	return w.URL()
}

// runAll runs gateways together.
func runAll(gateways []*ingest.Gateway) func(context.Context) error {
	return func(ctx context.Context) error {
		errs := make(chan error, len(gateways))
		for _, g := range gateways {
			go func() { errs <- g.Run(ctx) }()
		}
		var all []error
		for range gateways {
			all = append(all, <-errs)
		}
		return errors.Join(all...)
	}
}

// awaitReady waits until all is well; it reports false if ctx ended first.
func awaitReady(ctx context.Context, checks func(context.Context) []check) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ready := true
		for _, c := range checks(ctx) {
			ready = ready && c.Problem == ""
		}
		if ready {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
