package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	day = 24 * time.Hour

	defaultIdle    = 12 * time.Hour
	defaultSession = 14 * day
	defaultKeep    = 400 * day
	linkLife       = day
	// touchEvery is how exactly the last use of sessions and tokens is kept: a
	// write for every request would cost a sync to disk each.
	touchEvery = 5 * time.Minute
	pruneEvery = time.Hour
	lookEvery  = 2 * time.Second
)

// Options are what a [Control] needs. Only Store is necessary.
type Options struct {
	Store  Store
	Now    func() time.Time
	Logger *slog.Logger
	// Idle is how long an unused session lasts (12 h), Session how long any does
	// (14 days), Keep how long the journal is kept (400 days).
	Idle, Session, Keep time.Duration
	// Proxies are the addresses of reverse proxies whose X-Forwarded-For and
	// X-Forwarded-Proto are believed.
	Proxies []netip.Prefix
	// Words are names of this place, such as its host's: no good passwords here.
	Words []string
	// OIDC lets people of an OpenID Connect issuer in; nil is none.
	OIDC *OIDC
	// Names are the localities' names, for what people are told; nil tells their ids.
	Names devices.Names
	// OnEnded is called when a device's credential was revoked or has run out,
	// also by another process, within seconds: its connections are to be ended.
	OnEnded func(telemetry.Device)
}

// Control decides. Its methods may be called by many goroutines.
type Control struct {
	store   Store
	now     func() time.Time
	log     *slog.Logger
	o       Options
	hasher  *hasher
	limits  *limits
	journal *journal
	oidc    *provider
	mode    atomic.Int32

	mu      sync.Mutex
	touched *recent[string, time.Time] // when the last use was last written
	told    map[int64]time.Time        // credentials whose end OnEnded knows

	doorbell doorbell
	holds    holds
}

// New makes a Control. Until [Control.Start] has been called it is guarded.
func New(o Options) (*Control, error) {
	if o.Store == nil {
		return nil, errors.New("make access control: it needs a store")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		given *time.Duration
		usual time.Duration
	}{{&o.Idle, defaultIdle}, {&o.Session, defaultSession}, {&o.Keep, defaultKeep}} {
		if *d.given <= 0 {
			*d.given = d.usual
		}
	}
	o.Words = slices.Clip(o.Words)
	c := &Control{store: o.Store, o: o, log: o.Logger, hasher: newHasher(defaultArgon()), limits: newLimits(),
		touched: newRecent[string, time.Time](limitsKept), told: map[int64]time.Time{},
		doorbell: doorbell{last: map[telemetry.Device]knock{}, strange: newRecent[telemetry.Device, Event](limitsKept)}, holds: holds{open: map[*hold]struct{}{}}}
	c.now = func() time.Time { return o.Now().UTC().Truncate(time.Millisecond) }
	c.journal = newJournal(o.Store, c.now, o.Logger)
	c.mode.Store(int32(Guarded))
	if o.OIDC != nil {
		p, err := newProvider(*o.OIDC)
		if err != nil {
			return nil, fmt.Errorf("configure OIDC: %w", err)
		}
		c.oidc = p
	}
	return c, nil
}

// Run writes the journal of refusals, ends requests whose asker may no longer ask
// and connections whose credential has ended, and forgets what is too old, until
// ctx ends.
func (c *Control) Run(ctx context.Context) error {
	look, prune := time.NewTicker(lookEvery), time.NewTicker(pruneEvery)
	defer look.Stop()
	defer prune.Stop()
	var following sync.WaitGroup
	following.Go(func() { c.followHolds(ctx) })
	defer following.Wait()
	c.prune(ctx)
	since := c.now()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return c.journal.close(last)
		case <-prune.C:
			c.prune(ctx)
		case <-look.C:
			if err := c.look(ctx, since); err != nil && ctx.Err() == nil {
				c.log.Warn("cannot look after access; trying again", "error", err)
			}
		}
	}
}

// look does what is done every few seconds.
func (c *Control) look(ctx context.Context, since time.Time) error {
	return errors.Join(c.journal.flush(ctx), c.endConnections(ctx, since), c.closeIfOwned(ctx))
}

// closeIfOwned ends open mode when another process has made an account.
func (c *Control) closeIfOwned(ctx context.Context) error {
	if c.Mode() != Open {
		return nil
	}
	n, err := c.people(ctx)
	if err == nil && n > 0 {
		c.guard()
	}
	return err
}

// endConnections tells of credentials that ended after since. It looks back some
// minutes each time, because another process's clock may differ.
func (c *Control) endConnections(ctx context.Context, since time.Time) error {
	if c.o.OnEnded == nil {
		return nil
	}
	now := c.now()
	const back = 2 * time.Minute
	if from := now.Add(-back); since.Before(from) {
		since = from
	}
	var ended []Credential
	err := c.store.Read(ctx, func(r Reader) (err error) {
		ended, err = r.Ended(ctx, since, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("read ended credentials: %w", err)
	}
	for _, e := range ended {
		if c.tell(e.ID, now) {
			c.o.OnEnded(e.Device)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, at := range c.told {
		if now.Sub(at) > 2*back {
			delete(c.told, id)
		}
	}
	return nil
}

// tell reports whether the end of a credential was not known yet.
func (c *Control) tell(id int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.told[id]; known {
		return false
	}
	c.told[id] = now
	return true
}

func (c *Control) prune(ctx context.Context) {
	now := c.now()
	err := c.store.Write(ctx, func(tx Tx) error { return tx.Prune(ctx, now, now.Add(-c.o.Keep)) })
	if err != nil && ctx.Err() == nil {
		c.log.Warn("cannot forget old sessions and journal entries; trying again", "error", err)
	}
}

// due reports whether a last use should be written now, and if so takes it that
// it is.
func (c *Control) due(key string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.touched.get(key); ok && now.Sub(at) < touchEvery {
		return false
	}
	c.touched.put(key, now)
	return true
}

// people counts the accounts that are not disabled.
func (c *Control) people(ctx context.Context) (n int, err error) {
	err = c.store.Read(ctx, func(r Reader) error {
		all, err := r.Accounts(ctx)
		for _, a := range all {
			if a.Disabled.IsZero() {
				n++
			}
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count accounts: %w", err)
	}
	return n, nil
}
