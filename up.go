package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

type upCommand struct {
	sourceFlags
	Data string `default:"haidang-data" help:"Folder that holds journal, ledger and store." placeholder:"DIR"`
	HTTP string `name:"http" default:"127.0.0.1:8080" help:"Address of the HTTP listener; of the loopback only." placeholder:"127.0.0.1:8080"`
	MQTT string `name:"mqtt" default:"127.0.0.1:1883" help:"Address of the embedded MQTT broker; of the loopback only." placeholder:"127.0.0.1:1883"`
	journalFlags
	loadFlags
	MQTTCredentials bool   `name:"mqtt-credentials" help:"Have the embedded broker ask every device for its credential; each may then publish only on its own topics."`
	Simulate        int    `help:"Let this many simulated devices publish to the broker." placeholder:"N"`
	Seed            uint64 `default:"1" help:"With --simulate: the same seed gives the same devices and values." placeholder:"1"`
	logFlags
}

// Help is kong's detailed help.
func (upCommand) Help() string {
	return `Examples:
  haidang up                                       broker on 127.0.0.1:1883, query at http://127.0.0.1:8080/prometheus
  haidang up --simulate 40                         the same, with forty simulated devices
  haidang up --broker tcp://127.0.0.1:1884         take messages from another MQTT broker
  haidang up --durability power --data /srv/city   nothing acknowledged is lost even with the power
  INFLUX_TOKEN=… haidang up --store influx --influx-url http://127.0.0.1:8086 --influx-org city --influx-bucket city`
}

func (c *upCommand) check() error {
	if err := c.loadFlags.check(); err != nil {
		return err
	}
	switch {
	case c.MQTTCredentials && c.BrokerURL != "":
		return errors.New("--mqtt-credentials is for the embedded broker, and --broker names another: leave one of them out")
	case c.MQTTCredentials && c.Simulate > 0:
		return errors.New("--simulate does not go with --mqtt-credentials: the simulated devices have none")
	case c.BrokerURL == "":
		return checkLoopback("--mqtt", c.MQTT)
	}
	return nil
}

// Run runs the city:
//
//	simulator ─► broker ─► gateways ─► journal ─► loader ─► store ─► HTTP
//	                                                └─► ledger ──────┘
//
// Started from the right, stopped from the left, so that who produces has ended
// before who consumes.
func (c *upCommand) Run(ctx context.Context, out *output) (err error) {
	began := time.Now()
	if err := c.check(); err != nil {
		return err
	}
	here, err := openCity(cityOptions{c.Config, c.Data, c.HTTP, c.Durability, c.logFlags}, out)
	defer func() { err = errors.Join(err, here.close()) }()
	if err != nil {
		return err
	}
	keeper := newDoorkeeper(here.config)
	b, j, err := c.openBroker(ctx, keeper, here.log, &here.open)
	if err != nil {
		return err
	}
	l, err := here.load(ctx, c.loadFlags, j, access.Exposure{HTTP: c.HTTP, MQTT: c.MQTT, Authenticated: c.MQTTCredentials},
		func(d telemetry.Device) { b.Disconnect(string(d)) })
	if err != nil {
		return err
	}
	passes := c.watchDevices(keeper, l, b)
	source := ingest.Broker{URL: c.BrokerURL, Username: c.BrokerUser, Password: c.BrokerPassword}
	if c.BrokerURL == "" {
		source = ingest.Broker{URL: b.MQTTURL()}
	}
	gateways := newGateways(here.config, source, passes, j, here.log, here.metrics)
	checks := func(ctx context.Context) []check {
		all := append([]check{{Name: "broker", Problem: text(b.Err())}}, gatewayChecks(gateways)...)
		return append(all, l.checks(ctx)...)
	}
	here.srv.health(here.reg, checks)
	here.srv.pages()

	var parts actors
	l.run(&parts, here.srv)
	parts.add("gateways", runAll(gateways))
	if c.Simulate > 0 {
		sim, err := c.simulator(here.config, source, here.log)
		if err != nil {
			return err
		}
		parts.add("simulator", sim.Run)
	}
	parts.add("welcome", func(ctx context.Context) error {
		if awaitReady(ctx, checks) {
			c.welcome(out.stdout, here.srv, source, l.link, time.Since(began))
		}
		<-ctx.Done()
		return nil
	})
	return parts.run(ctx, stopGrace)
}

// watchDevices has the broker ask access control, if it is to, and returns what
// the gateways then show it.
func (c *upCommand) watchDevices(keeper *doorkeeper, l *guarded, b *broker.Broker) map[string]gatewayPass {
	if !c.MQTTCredentials {
		return nil
	}
	keeper.control.Store(l.control)
	// What a device may do is decided when it connects: a changed one must again.
	l.registry.Subscribe(func(e devices.Event) {
		for _, d := range e.Devices {
			b.Disconnect(string(d))
		}
	})
	return keeper.gateways
}

// ackWait is how long the embedded broker waits for a gateway's acknowledgement
// before it sends again, and so how much later comes what a killed process had
// under way.
const ackWait = 10 * time.Second

// openBroker starts the embedded broker and opens the journal in it.
func (c *upCommand) openBroker(ctx context.Context, keeper *doorkeeper, log *slog.Logger, open *openLog) (*broker.Broker, *journal.Journal, error) {
	o := broker.Options{
		Dir: filepath.Join(c.Data, "broker"), MQTTAddr: c.MQTT, SyncAlways: c.Durability == "power",
		Reserve: uint64(c.DiskReserve), AckWait: ackWait, Logger: log,
	}
	if c.BrokerURL != "" {
		o.MQTTAddr = ""
	}
	if c.MQTTCredentials {
		o.Authenticator, o.OnRefused = keeper, keeper.refused
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
		Reserve: uint64(c.DiskReserve), FreeSpace: b.FreeSpace, Folder: b.Dir(),
	})
	if err != nil {
		return nil, nil, err
	}
	open.opened("journal", func() error { j.Close(); return nil })
	return b, j, nil
}

func (c *upCommand) simulator(cfg Config, source ingest.Broker, log *slog.Logger) (*simulator.Simulator, error) {
	return simulator.New(simulator.Options{
		Broker: source.URL, Username: source.Username, Password: source.Password,
		Localities: cfg.localities(), Devices: c.Simulate, Seed: c.Seed, QoS: 1, Every: 10 * time.Second, Logger: log,
	})
}

// welcome tells who has just started the city where to look.
func (c *upCommand) welcome(w io.Writer, s *server, source ingest.Broker, link access.NewLink, took time.Duration) {
	fmt.Fprintf(w, "\nHải Đăng %s is running (ready after %.1f s). Ctrl-C stops it in order.\n\n", version, took.Seconds())
	row := func(name, value string) { fmt.Fprintf(w, "  %-11s %s\n", name, value) }
	row("Console", s.url())
	row("MQTT", redact(source.URL)+"   topic kh/<locality>/<kind>/<device>")
	if c.Store == "embedded" {
		row("Query", s.url()+prometheusPath+"   (a Grafana data source of type Prometheus takes this URL)")
	} else {
		row("Store", redact(c.InfluxURL)+"   bucket "+c.InfluxBucket+"   (point Grafana there; the console's charts read from it)")
	}
	row("Ledger", s.url()+"/api/v1/ledger   or: haidang audit --url "+s.url())
	row("Quarantine", s.url()+"/api/v1/quarantine   or: haidang quarantine list --url "+s.url())
	row("Health", s.url()+"/readyz   metrics: "+s.url()+"/metrics")
	row("Data", c.Data+"   durability: "+c.Durability)
	admission := fmt.Sprintf("open: any device on this machine is stored and registered provisionally, up to %d", c.AdmitLimit)
	if c.Admission == "registered" {
		admission = "registered: readings of unknown devices wait in quarantine"
	}
	row("Admission", admission)
	if link.Secret != "" {
		row("Log in", "this link makes the first administrator, once, until "+link.Expires.Local().Format("2006-01-02 15:04")+":")
		row("", link.URL(s.url()))
	}
	if c.Simulate > 0 {
		row("Simulated", fmt.Sprintf("%d devices, seed %d", c.Simulate, c.Seed))
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

// redact is a URL without its password.
func redact(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
