package city

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// Up is `haidang up`: everything in one process.
type Up struct {
	sourceFlags
	Data string `default:"haidang-data" help:"Folder that holds journal, ledger and store." placeholder:"DIR"`
	listenFlags
	mqttFlags
	journalFlags
	loadFlags
	Simulate int    `help:"Let this many simulated devices publish to the broker." placeholder:"N"`
	Seed     uint64 `default:"1" help:"With --simulate: the same seed gives the same devices and values." placeholder:"1"`
	terminal.LogFlags
}

// Help is kong's detailed help.
func (Up) Help() string {
	return `Examples:
  haidang up                                       broker on 127.0.0.1:1883, query at http://127.0.0.1:8080/prometheus
  haidang up --simulate 40                         the same, with forty simulated devices
  haidang up --broker tcp://127.0.0.1:1884         take messages from another MQTT broker
  haidang up --durability power --data /srv/city   nothing acknowledged is lost with the power, however slow the disk
  INFLUX_TOKEN=… haidang up --store influx --influx-url http://127.0.0.1:8086 --influx-org city --influx-bucket city
  haidang up --http 0.0.0.0:443 --mqtt 0.0.0.0:8883 --mqtt-credentials --public-url https://haidang.example.vn --tls-cert fullchain.pem --tls-key privkey.pem

Beyond the loopback people log in and only registered devices are stored; the first start prints a link that makes the
first administrator.`
}

// check finds what is wrong before anything is opened, and settles where the
// city is reached from.
func (c *Up) check() (access.Exposure, error) {
	e := c.exposure()
	if err := errors.Join(c.loadFlags.check(), c.listenFlags.check(), c.mqttFlags.check()); err != nil {
		return e, err
	}
	switch {
	case c.MQTTCredentials && c.BrokerURL != "":
		return e, errors.New("--mqtt-credentials is for the embedded broker, and --broker names another: leave one of them out")
	case c.MQTTTLSCert+c.MQTTTLSKey != "" && c.BrokerURL != "":
		return e, errors.New("--mqtt-tls-cert is for the embedded broker, and --broker names another: leave one of them out")
	case c.BrokerURL == "":
		c.expose(&e)
	}
	return e, errors.Join(e.Check(), c.admit(e))
}

// Run runs the city:
//
//	simulator ─► broker ─► gateways ─► journal ─► loader ─► store ─► HTTP
//	                                                └─► ledger ──────┘
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
	keeper := newDoorkeeper(here.config, !c.MQTTCredentials)
	if err := here.keep(ctx, c.loadFlags, true); err != nil {
		return err
	}
	b, j, err := c.openBroker(ctx, keeper, here)
	if err != nil {
		return err
	}
	here.custody.broker = b
	l, err := here.load(ctx, c.loadFlags, j, e, func(d telemetry.Device) { b.Disconnect(string(d)) })
	if err != nil {
		return err
	}
	passes := c.watchDevices(keeper, l, b)
	source := ingest.Broker{URL: c.BrokerURL, Username: c.BrokerUser, Password: c.BrokerPassword}
	if c.BrokerURL == "" {
		source = ingest.Broker{URL: b.MQTTURL()}
	}
	gateways := newGateways(here.config, source, passes, j, here.log, here.metrics)
	canaries := l.canaries(here, gateways, b)
	if err := c.countSides(ctx, b, gateways, l, here); err != nil {
		return err
	}
	checks := upChecks(b, gateways, l, canaries)
	here.srv.health(here.reg, here.findings, checks)
	here.srv.pages()
	if err := here.syncNames(); err != nil {
		return err
	}

	var parts actors
	l.run(&parts, here.srv)
	parts.add("gateways", runAll(gateways))
	parts.add("canaries", canaries.Run)
	parts.add("ears", l.ears(gateways, gatewayLocalities(&here.config)))
	parts.add("doorkeeper", keeper.admitAfter(gateways, here.log))
	if c.Simulate > 0 {
		if pass, ok := passes[simulatorUser]; ok {
			source.Username, source.Password = simulatorUser, pass.password
		}
		sim, err := c.simulator(here.config, source, here.log)
		if err != nil {
			return err
		}
		parts.add("simulator", sim.Run)
	}
	parts.add("welcome", func(ctx context.Context) error {
		if awaitReady(ctx, checks) {
			c.welcome(out.Stdout, here, source, b, l.link, time.Since(began))
		}
		<-ctx.Done()
		return nil
	})
	return parts.run(ctx, stopGrace)
}

// upChecks says whether all parts are well.
func upChecks(b *broker.Broker, gateways []*ingest.Gateway, l *guarded, canaries *ingest.Canaries) func(context.Context) []check {
	return func(ctx context.Context) []check {
		all := append([]check{{Name: "broker", Problem: text(b.Err())}}, gatewayChecks(gateways)...)
		return append(append(all, l.checks(ctx)...), canaryChecks(canaries)...)
	}
}

// watchDevices has the broker ask access control, if it is to, and returns what
// the parts of this process then show it.
func (c *Up) watchDevices(keeper *doorkeeper, l *guarded, b *broker.Broker) map[string]partPass {
	switch {
	case c.BrokerURL != "":
		return nil
	case !c.MQTTCredentials:
		return keeper.parts
	}
	keeper.control.Store(l.control)
	// What a device may do is decided when it connects: a changed one must again.
	l.registry.Subscribe(func(e devices.Event) {
		for _, d := range e.Devices {
			b.Disconnect(string(d))
		}
	})
	return keeper.parts
}

// countSides has the broker's door and the gateways count, each for itself.
func (c *Up) countSides(ctx context.Context, b *broker.Broker, gateways []*ingest.Gateway, l *guarded, here *city) error {
	sides := l.audit.Sides
	sides.Counts, sides.Brokers = map[string]*ingest.Count{}, map[string]func() ingest.BrokerWord{}
	var entrances []broker.Entrance
	for _, g := range gateways {
		count, err := here.openCount(g.Name, l.ledger.Accounts())
		if err != nil {
			return err
		}
		g.Count, sides.Counts[g.Name], sides.Brokers[g.Name] = count, count, g.BrokerWord
		if b.MQTTURL() == "" || g.Broker.URL != b.MQTTURL() {
			continue // a broker of its own
		}
		e := broker.Entrance{Gateway: g.Name, ClientID: g.Broker.ClientID}
		for _, s := range g.Subscriptions {
			e.Filters = append(e.Filters, s.Filter)
		}
		entrances = append(entrances, e)
	}
	if len(entrances) == 0 {
		return nil
	}
	door, err := b.OpenDoor(ctx, entrances)
	if err != nil {
		return err
	}
	here.open.opened("broker's door", func() error { door.Close(); return nil })
	sides.Door = door
	return nil
}

// openCount opens a gateway's own count, and tells if that was lost: it is damaged, or
// gone from the folder of counts although the ledger knows messages of the gateway.
func (c *city) openCount(gateway string, accounts []ingest.Account) (*ingest.Count, error) {
	dir := filepath.Join(c.data, "gateways")
	path := filepath.Join(dir, gateway+".count")
	known := slices.ContainsFunc(accounts, func(a ingest.Account) bool { return a.Gateway == gateway && a.Position > 0 })
	gone := known && isThere(dir) && !isThere(path)
	count, err := ingest.OpenCount(path, c.durability.power, time.Now)
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

// ackWait is how long the embedded broker waits for a gateway's acknowledgement
// before it sends again, and so how much later comes what a killed process had
// under way.
const ackWait = 10 * time.Second

// openBroker starts the embedded broker and opens the journal in it.
func (c *Up) openBroker(ctx context.Context, keeper *doorkeeper, here *city) (*broker.Broker, *journal.Journal, error) {
	log, open := here.log, &here.open
	o := broker.Options{
		Dir: filepath.Join(c.Data, "broker"), SyncAlways: here.durability.power,
		Reserve: uint64(c.DiskReserve), AckWait: ackWait, Logger: log,
	}
	if c.BrokerURL == "" {
		if err := c.listenMQTT(&o, here); err != nil {
			return nil, nil, err
		}
	}
	o.Authenticator = keeper
	if c.MQTTCredentials {
		o.OnRefused = keeper.refused
	}
	b, err := broker.Start(ctx, o)
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
		// Less than the broker's: what that has taken must be able to leave it.
		Reserve: uint64(c.DiskReserve) / 4 * 3, FreeSpace: b.FreeSpace, Folder: b.Dir(), SyncNames: b.SyncNames,
	})
	if err != nil {
		return nil, nil, err
	}
	open.opened("journal", func() error { j.Close(); return nil })
	return b, j, nil
}

// listenMQTT sets how the broker listens.
func (c *Up) listenMQTT(o *broker.Options, here *city) error {
	cert, err := c.mqttFlags.certificate(here.srv.cert, here.log)
	if err != nil {
		return err
	}
	o.MQTTAddr, o.MaxConnections, o.PlainBeyond = c.MQTT, c.MQTTMaxConnections, c.MQTTPlain
	if cert != nil {
		o.TLS = cert.TLS()
		watchCertificate(here.reg, "mqtt", cert)
	}
	if c.MQTTPlain && !access.Loopback(c.MQTT) {
		here.log.Warn("devices beyond this machine may come unencrypted: their secrets and readings cross the network for all to read (--mqtt-plain)", "mqtt", c.MQTT)
	}
	return nil
}

func (c *Up) simulator(cfg config.Config, source ingest.Broker, log *slog.Logger) (*simulator.Simulator, error) {
	return simulator.New(simulator.Options{
		Broker: source.URL, Username: source.Username, Password: source.Password,
		Localities: cfg.LocalityIDs(), Devices: c.Simulate, Seed: c.Seed, Prefix: simulatedPrefix, QoS: 1, Every: 10 * time.Second, Logger: log,
	})
}

// welcome tells who has just started the city where to look.
func (c *Up) welcome(w io.Writer, here *city, source ingest.Broker, b *broker.Broker, link access.NewLink, took time.Duration) {
	fmt.Fprintf(w, "\nHải Đăng %s is running (ready after %.1f s). Ctrl-C stops it in order.\n\n", terminal.Version, took.Seconds())
	s := here.srv
	row := func(name, value string) { fmt.Fprintf(w, "  %-11s %s\n", name, value) }
	row("Console", s.url())
	mqtt := terminal.Redact(source.URL)
	if address, ok := strings.CutPrefix(b.TLSURL(), "ssl://"); ok {
		mqtt = "ssl://" + shownAddress(address, s.cert) + "   on this machine also " + mqtt
	} else if c.BrokerURL == "" && !access.Loopback(c.MQTT) {
		mqtt = "tcp://" + shownAddress(c.MQTT, nil) + ", not encrypted"
	}
	row("MQTT", mqtt+"   topic kh/<locality>/<kind>/<device>")
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
	fmt.Fprintln(w)
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
