package access

import (
	"context"
	"net/netip"
	"time"
)

// Cheapen lets tests log in often: the cost itself is measured by benchmarks.
func (c *Control) Cheapen() { c.hasher = newHasher(argon{memory: 64, passes: 1, threads: 1}) }

// Look does at once what Run does every few seconds.
func (c *Control) Look(ctx context.Context) error { return c.look(ctx, c.now().Add(-day)) }

// Verify checks a password against a hash; "" is nobody's.
func (c *Control) Verify(ctx context.Context, p Secret, phc string) (bool, error) {
	ok, _, err := c.hasher.verify(ctx, p, phc, seat{known: true})
	return ok, err
}

// Hash hashes a password.
func (c *Control) Hash(ctx context.Context, p Secret) (string, error) { return c.hasher.hash(ctx, p) }

// Remembered is how much the limits and the journal hold in memory.
func (c *Control) Remembered() (limits, tallies, waiting int) {
	l := c.limits
	l.mu.Lock()
	limits = len(l.guessers.byKey) + len(l.address.until.byKey)
	l.mu.Unlock()
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	return limits, len(c.journal.tallies), len(c.journal.waiting)
}

// Names of what is not exported, for tests from outside.
var (
	ParseToken  = parseToken
	ParseSecret = parseSecret
	ParseFlow   = parseFlow
	NextPage    = nextPage
	DigestOf    = digest
	Clip        = clip
	SealDevice  = sealDevice
	Familiarize = familiarize
	FamiliarOf  = familiar
)

// DeviceSecretIs is deviceSecretIs.
func DeviceSecretIs(s Secret, sealed string) bool { return deviceSecretIs(s, sealed) }

// Attempt counts a failed log-in to an account that is not there.
func (c *Control) Attempt(name string, from netip.Addr, later time.Duration) {
	if done, wait := c.limits.attempt(name, "", from, c.now().Add(later)); wait == 0 {
		done(failed)
	}
}

// AuthenticateHTTP is authenticateHTTP.
func (c *Control) AuthenticateHTTP(ctx context.Context, from netip.Addr, username string, secret Secret) (Grant, error) {
	return c.authenticateHTTP(ctx, from, username, secret)
}

// EndHolds is one round of ending what may not go on.
func (c *Control) EndHolds(ctx context.Context) error { return c.endHolds(ctx) }

// Turnstile is who may hash, for tests of its order.
type Turnstile struct{ turnstile }

// Enter waits as [Control.LogIn] does.
func (t *Turnstile) Enter(ctx context.Context, known bool, from netip.Addr) (leave func(), err error) {
	return t.enter(ctx, seat{known, from})
}

// Waiting is how many wait.
func (t *Turnstile) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.known) + len(t.queue)
}
