// Package city wires a city of its parts, in one process (up) or several (gateway,
// loader): it opens them in order, serves them over HTTP and stops them in the
// reverse order.
package city

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/journal"
	"github.com/haidang-iot/haidang/ingest/sqlitefile"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// city is what `up` and `loader` have in common before anything runs: the
// configuration, the data folder, the listener, and what is open.
type city struct {
	config     config.Config
	data       string
	durability durability
	log        *slog.Logger
	// library is for parts that narrate their normal work.
	library *slog.Logger
	reg     *prometheus.Registry
	metrics *ingest.Metrics
	// findings are what is wrong with the process itself.
	findings *ingest.Findings
	custody  *custody
	// disk is what holds the data folder; whoever writes there asks it first.
	disk   *ingest.Disk
	listen listenFlags
	srv    *server
	open   openLog
}

// cityOptions are the flags that a city is made of.
type cityOptions struct {
	config, data, durability string
	reserve                  terminal.Size
	listen                   listenFlags
	terminal.LogFlags
	// measure is how long a sync takes in a folder; nil measures it.
	measure func(dir string) (time.Duration, error)
}

// openCity reads the configuration, locks the data folder and takes the HTTP
// address. The caller closes what is open, also after an error.
func openCity(o cityOptions, out *terminal.Output) (*city, error) {
	c := &city{data: o.data, listen: o.listen, log: o.Logger(out.Stderr), library: o.LibraryLogger(out.Stderr), reg: terminal.NewMetrics()}
	limitMemory(c.log)
	c.metrics, c.findings = ingest.NewMetrics(c.reg), ingest.NewFindings(time.Now)
	c.reg.MustRegister(c.findings)
	var err error
	if c.config, err = config.Load(o.config); err != nil {
		return c, err
	}
	unlock, err := config.Lock(o.data)
	if err != nil {
		return c, err
	}
	c.open.opened("data folder", unlock)
	c.disk = &ingest.Disk{Dir: o.data, Reserve: uint64(o.reserve), Free: func() (uint64, error) { return broker.FreeSpace(o.data) }}
	freed, err := c.disk.DropBallast()
	if err != nil {
		return c, err
	}
	if freed > 0 {
		c.log.Warn("the disk is full: the space that was held for a start like this one is given back", "bytes", freed, "dir", o.data)
	}
	measure := o.measure
	if measure == nil {
		measure = measureSync
	}
	c.durability = chooseDurability(o.durability, o.data, measure)
	c.durability.register(c.reg)
	c.log.Info("durability: " + c.durability.words())
	if c.srv, err = o.listen.open(c.log); err != nil {
		return c, err
	}
	c.srv.full = c.disk.Hold
	watchCertificate(c.reg, "http", c.srv.cert)
	c.srv.listener.metrics.register(c.reg, c.srv.listener)
	return c, nil
}

// keep looks at the data folder before anything in it is opened.
func (c *city) keep(ctx context.Context, f loadFlags, hasBroker, hasDoor bool) error {
	k := newCustody(c.data, f, hasBroker, c.findings, c.log)
	if hasDoor {
		k.keepSessions(f.backupFlags)
	}
	return c.begin(ctx, k)
}

// begin has a custody look at the data folder.
func (c *city) begin(ctx context.Context, k *custody) error {
	c.custody = k
	c.custody.sync = c.durability.power
	for _, p := range c.custody.parts {
		p.Backups.Reserve = c.disk.Reserve
		p.Backups.FreeSpace = func() (uint64, error) { return broker.FreeSpace(p.Backups.Dir) }
	}
	return c.custody.begin(ctx)
}

// syncNames makes durable which files and folders there are, once everything is open and
// before anything is acknowledged: to sync a new file does not have to keep its name.
func (c *city) syncNames() error {
	if !c.durability.power {
		return nil
	}
	if err := errors.Join(broker.SyncFolders(c.data), sqlitefile.SyncFolder(filepath.Dir(filepath.Clean(c.data)))); err != nil {
		return fmt.Errorf("make the names of the data folder %s durable: %w", c.data, err)
	}
	return nil
}

// close closes all that was opened.
func (c *city) close() error { return c.open.close() }

// guarded is a loading that is served to those who may ask.
type guarded struct {
	*loading
	custody *custody
	control *access.Control
	rest    *api.API
	alarms  *alarms
	// link makes the first administrator; its secret is empty if there is one.
	link access.NewLink
}

// load opens store, ledger and registry and serves them. ended is called when a
// device's credential has ended.
func (c *city) load(ctx context.Context, f loadFlags, j *journal.Journal, e access.Exposure, ended func(telemetry.Device)) (*guarded, error) {
	l, err := c.openLoading(ctx, f.storeFlags, f.registryFlags, f.bounds(), j)
	if err != nil {
		return nil, err
	}
	g := &guarded{loading: l, custody: c.custody}
	c.custody.audit = l.audit
	if err := c.custody.opened(ctx, j); err != nil {
		return nil, err
	}
	o := access.Options{Logger: c.log, OnEnded: ended}
	if c.srv.public != nil {
		o.Words = []string{c.srv.public.Hostname()}
	}
	if o.Proxies, err = c.listen.proxies(); err != nil {
		return nil, err
	}
	if o.OIDC, err = f.oidc(c.srv.url()); err != nil {
		return nil, err
	}
	if g.control, g.link, err = l.registry.control(ctx, f.accessFlags, e, o); err != nil {
		return nil, err
	}
	c.srv.guard(g.control)
	l.note = func(ctx context.Context, which, why string) error {
		return g.control.Discarded(ctx, access.Actor(ctx).String(), which, why)
	}
	l.serve(c.srv, g.control)
	if g.alarms, err = c.openAlarms(ctx, f, g); err != nil {
		return nil, err
	}
	g.figures.standings.alarms, g.figures.platform.Alarms = g.alarms.sites, g.alarms.figures
	g.rest, err = l.serveRegistry(c.srv, g.control, f.accessFlags, c.log)
	return g, err
}

// run adds what a loader consists of to the process.
func (g *guarded) run(parts *actors, srv *server) {
	parts.add("HTTP", srv.run)
	parts.add("ballast", keepBallast(g.loader.Disk, g.loader.Logger))
	g.custody.run(parts)
	parts.add("ledger's history", g.history.Run) // before the loader, to end after it
	parts.add("presence", g.registry.keepPresence(g.ledger))
	parts.add("store's audit", g.audit.Store.Run)
	parts.add("audit of all sides", g.audit.Sides.Run)
	g.figures.run(parts)
	g.alarms.run(parts)
	parts.add("loader", g.loader.Run)
	g.registry.run(parts, g.loading, g.control, g.rest)
}

// keepBallast holds some space for a start on a full disk.
func keepBallast(disk *ingest.Disk, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		for failed := false; ; {
			err := disk.HoldBallast()
			if err != nil && !failed {
				log.Warn("no space can be held for a start on a full disk; trying again each minute", "error", err)
			}
			failed = err != nil
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}
}

// loadFlags are the flags of what a loader opens.
type loadFlags struct {
	storeFlags
	registryFlags
	accessFlags
	alarmFlags
	quarantineFlags
	backupFlags
}

func (f loadFlags) check() error {
	return errors.Join(f.storeFlags.check(), f.registryFlags.check(), f.accessFlags.check(), f.alarmFlags.check(), f.bounds().Check())
}
