package city

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
)

// Loader is `haidang loader`: the loader alone, from an external journal.
type Loader struct {
	Config  string `type:"existingfile" help:"YAML file that lists localities, gateways and their subscriptions; the same as the gateways have." placeholder:"FILE"`
	Journal string `required:"" env:"HAIDANG_JOURNAL" help:"NATS server with JetStream that holds the journal." placeholder:"nats://HOST:4222"`
	Data    string `default:"haidang-data" help:"Folder that holds the ledger, and the store if it is embedded." placeholder:"DIR"`
	listenFlags
	Replicas      int           `help:"Servers of the JetStream cluster that hold each record: 1, 3 or 5." placeholder:"1"`
	DiskReserve   terminal.Size `default:"512MiB" help:"Free disk of --data to keep: below half of it nothing more is stored." placeholder:"512MiB"`
	JournalBudget terminal.Size `help:"Disk that the journal may take; 10GiB for a new one." placeholder:"10GiB"`
	Durability    string        `enum:"auto,power,process" default:"auto" help:"What stored readings survive: power, the loss of power (synced to disk first); process, the death of the process; auto, power where syncs take no longer than 2 ms. The journal's own durability is the NATS server's (sync_interval)." placeholder:"auto"`
	loadFlags
	terminal.LogFlags
}

// Help is kong's detailed help.
func (Loader) Help() string {
	return `Examples:
  haidang loader --journal nats://127.0.0.1:4222 --data /srv/city
  INFLUX_TOKEN=… haidang loader --journal nats://127.0.0.1:4222 --store influx --influx-url http://127.0.0.1:8086 --influx-org city --influx-bucket city
  haidang loader --journal nats://127.0.0.1:4222 --http 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem

There is one loader to a journal: it keeps the ledger.`
}

// Run runs a loader:  external journal ─► loader ─► store, ledger ─► HTTP
func (c *Loader) Run(ctx context.Context, out *terminal.Output) (err error) {
	began := time.Now()
	e := c.exposure()
	if err := errors.Join(c.loadFlags.check(), c.listenFlags.check(), e.Check(), c.admit(e)); err != nil {
		return err
	}
	here, err := openCity(cityOptions{c.Config, c.Data, c.Durability, c.DiskReserve, c.listenFlags, c.LogFlags, nil}, out)
	defer func() { err = errors.Join(err, here.close()) }()
	if err != nil {
		return err
	}
	if err := here.keep(ctx, c.loadFlags, false, false); err != nil {
		return err
	}
	j, err := openExternalJournal(ctx, c.Journal, c.JournalBudget, c.Replicas, here.log, &here.open)
	if err != nil {
		return err
	}
	l, err := here.load(ctx, c.loadFlags, j, e, nil)
	if err != nil {
		return err
	}
	srv := here.srv
	canaries := l.canaries(here, nil, expectedCanaries(here.config), nil)
	checks := func(ctx context.Context) []check { return append(l.checks(ctx), canaryChecks(canaries)...) }
	srv.health(here.reg, here.findings, checks)
	srv.pages()
	if err := here.syncNames(); err != nil {
		return err
	}
	var parts actors
	l.run(&parts, srv)
	parts.add("canaries", canaries.Run)
	parts.add("ears", l.ears(nil, nil, nil))
	parts.add("welcome", func(ctx context.Context) error {
		if awaitReady(ctx, l.checks) {
			fmt.Fprintf(out.Stdout, "loader is running (ready after %.1f s); ledger: %s/api/v1/ledger\n", time.Since(began).Seconds(), srv.url())
			if l.link.Secret != "" {
				fmt.Fprintf(out.Stdout, "the first administrator is made, once, by %s\n", l.link.URL(srv.url()))
			}
		}
		<-ctx.Done()
		return nil
	})
	return parts.run(ctx, stopGrace)
}
