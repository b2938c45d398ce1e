package city

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/journal"
)

// Gateway is `haidang gateway`: gateways alone, into an external journal.
type Gateway struct {
	sourceFlags
	Journal       string        `required:"" env:"HAIDANG_JOURNAL" help:"NATS server with JetStream that holds the journal." placeholder:"nats://HOST:4222"`
	Only          []string      `help:"Run only these of the configured gateways." placeholder:"NAME"`
	HTTP          string        `name:"http" default:"127.0.0.1:8081" help:"Address for /healthz, /readyz and /metrics; of the loopback only." placeholder:"127.0.0.1:8081"`
	Replicas      int           `default:"1" help:"Servers of the JetStream cluster that hold each record: 1, 3 or 5." placeholder:"1"`
	JournalBudget terminal.Size `help:"Disk that the journal may take; 10GiB for a new one." placeholder:"10GiB"`
	terminal.LogFlags
}

// Help is kong's detailed help.
func (Gateway) Help() string {
	return `Examples:
  haidang gateway --broker tcp://127.0.0.1:1883 --journal nats://127.0.0.1:4222
  haidang gateway --broker tcp://127.0.0.1:1883 --journal nats://127.0.0.1:4222 --only nha-trang

A gateway's name is its session at the broker: run each in one process only.`
}

// Run runs gateways:  broker ─► gateways ─► external journal
func (c *Gateway) Run(ctx context.Context, out *terminal.Output) (err error) {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	if err := c.choose(&cfg); err != nil {
		return err
	}
	log := c.Logger(out.Stderr)
	var open openLog
	defer func() { err = errors.Join(err, open.close()) }()
	// Nobody is asked who they are here, so nobody beyond this machine may ask.
	if !access.Loopback(c.HTTP) {
		return fmt.Errorf("--http is %q: a gateway tells health and metrics to anybody who asks, so give HOST:PORT of the loopback, such as 127.0.0.1:8081, and have a program on this machine fetch them", c.HTTP)
	}
	srv, err := listen(c.HTTP)
	if err != nil {
		return err
	}
	srv.log = log
	j, err := openExternalJournal(ctx, c.Journal, c.JournalBudget, c.Replicas, log, &open)
	if err != nil {
		return err
	}
	reg, findings := terminal.NewMetrics(), ingest.NewFindings(time.Now)
	reg.MustRegister(findings)
	source := ingest.Broker{URL: c.BrokerURL, Username: c.BrokerUser, Password: c.BrokerPassword}
	gateways := newGateways(cfg.Gateways, source, j, log, ingest.NewMetrics(reg))
	canaries := ingest.NewCanaries(gateways, j, findings)
	canaries.Localities, canaries.Logger = gatewayLocalities(&cfg), log
	checks := func(ctx context.Context) []check {
		_, err := j.State(ctx)
		return append(append(gatewayChecks(gateways), check{Name: "journal", Problem: text(err)}), canaryChecks(canaries)...)
	}
	srv.health(reg, findings, checks)
	var parts actors
	parts.add("HTTP", srv.run)
	parts.add("gateways", runAll(gateways))
	parts.add("canaries", canaries.Run)
	parts.add("welcome", func(ctx context.Context) error {
		began := time.Now()
		if awaitReady(ctx, checks) {
			fmt.Fprintf(out.Stdout, "gateways are taking messages (ready after %.1f s); health: %s/readyz\n", time.Since(began).Seconds(), srv.url())
		}
		<-ctx.Done()
		return nil
	})
	return parts.run(ctx, stopGrace)
}

// choose keeps the gateways that --only names, and sees that each has a broker.
func (c *Gateway) choose(cfg *config.Config) error {
	for _, name := range c.Only {
		if !slices.ContainsFunc(cfg.Gateways, func(g config.GatewayConfig) bool { return g.Name == name }) {
			var names []string
			for _, g := range cfg.Gateways {
				names = append(names, g.Name)
			}
			return fmt.Errorf("--only %s: there is no such gateway; the configuration has %s", name, strings.Join(names, ", "))
		}
	}
	if len(c.Only) > 0 {
		cfg.Gateways = slices.DeleteFunc(cfg.Gateways, func(g config.GatewayConfig) bool { return !slices.Contains(c.Only, g.Name) })
	}
	for _, g := range cfg.Gateways {
		if g.Broker == "" && c.BrokerURL == "" {
			return fmt.Errorf("gateway %s has no broker: give --broker, or broker in the configuration", g.Name)
		}
	}
	return nil
}

// openExternalJournal opens the journal in a NATS server elsewhere.
func openExternalJournal(ctx context.Context, url string, budget terminal.Size, replicas int, log *slog.Logger, open *openLog) (*journal.Journal, error) {
	j, err := journal.Open(ctx, journal.Options{URL: url, MaxBytes: int64(budget), Replicas: replicas, Logger: log})
	if err != nil {
		return nil, err
	}
	open.opened("journal", func() error { j.Close(); return nil })
	return j, nil
}
