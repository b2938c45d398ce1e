package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
)

type loaderCommand struct {
	Config        string `type:"existingfile" help:"YAML file that lists localities, gateways and their subscriptions; the same as the gateways have." placeholder:"FILE"`
	Journal       string `required:"" env:"HAIDANG_JOURNAL" help:"NATS server with JetStream that holds the journal." placeholder:"nats://HOST:4222"`
	Data          string `default:"haidang-data" help:"Folder that holds the ledger, and the store if it is embedded." placeholder:"DIR"`
	HTTP          string `name:"http" default:"127.0.0.1:8080" help:"Address of the HTTP listener; of the loopback only." placeholder:"127.0.0.1:8080"`
	Replicas      int    `help:"Servers of the JetStream cluster that hold each record: 1, 3 or 5." placeholder:"1"`
	JournalBudget size   `help:"Disk that the journal may take; 10GiB for a new one." placeholder:"10GiB"`
	Durability    string `enum:"process,power" default:"process" help:"What stored readings survive: the death of the process, or the loss of power. The journal's own durability is the NATS server's (sync_interval)." placeholder:"process"`
	storeFlags
	registryFlags
	accessFlags
	logFlags
}

// Help is kong's detailed help.
func (loaderCommand) Help() string {
	return `Examples:
  haidang loader --journal nats://127.0.0.1:4222 --data /srv/city
  INFLUX_TOKEN=… haidang loader --journal nats://127.0.0.1:4222 --store influx --influx-url http://127.0.0.1:8086 --influx-org city --influx-bucket city

There is one loader to a journal: it keeps the ledger.`
}

// Run runs a loader:  external journal ─► loader ─► store, ledger ─► HTTP
func (c *loaderCommand) Run(ctx context.Context, out *output) (err error) {
	began := time.Now()
	if err := errors.Join(c.storeFlags.check(), c.registryFlags.check()); err != nil {
		return err
	}
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	log := c.logger(out.stderr)
	var open openLog
	defer func() { err = errors.Join(err, open.close()) }()
	unlock, err := lockData(c.Data)
	if err != nil {
		return err
	}
	open.opened("data folder", unlock)
	srv, err := listen(c.HTTP)
	if err != nil {
		return err
	}
	j, err := openExternalJournal(ctx, c.Journal, c.JournalBudget, c.Replicas, log, &open)
	if err != nil {
		return err
	}
	reg := newRegistry()
	l, err := openLoading(ctx, cfg, c.storeFlags, c.registryFlags, j, c.Data, c.Durability == "power", log, c.libraryLogger(out.stderr), reg, ingest.NewMetrics(reg), &open)
	if err != nil {
		return err
	}
	control, link, err := l.registry.control(ctx, c.accessFlags, access.Exposure{HTTP: c.HTTP}, log, nil)
	if err != nil {
		return err
	}
	srv.guard(control)
	l.serve(srv)
	rest, err := l.serveRegistry(srv, control, log)
	if err != nil {
		return err
	}
	srv.health(reg, l.checks)
	srv.pages()
	var parts actors
	parts.add("HTTP", srv.run)
	parts.add("loader", l.loader.Run)
	l.registry.run(&parts, l.loader, control, rest)
	parts.add("welcome", func(ctx context.Context) error {
		if awaitReady(ctx, l.checks) {
			fmt.Fprintf(out.stdout, "loader is running (ready after %.1f s); ledger: %s/api/v1/ledger\n", time.Since(began).Seconds(), srv.url())
			if link.Secret != "" {
				fmt.Fprintf(out.stdout, "the first administrator is made, once, by %s\n", link.URL(srv.url()))
			}
		}
		<-ctx.Done()
		return nil
	})
	return parts.run(ctx, stopGrace)
}
