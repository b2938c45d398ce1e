package access

import (
	"context"
	"net/netip"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Cheapen lets tests log in often: the cost itself is measured by benchmarks.
func (c *Control) Cheapen() { c.hasher = newHasher(argon{memory: 64, passes: 1, threads: 1}) }

// Look does at once what Run does every few seconds.
func (c *Control) Look(ctx context.Context) error { return c.look(ctx, c.now().Add(-day)) }

// Verify checks a password against a hash; "" is nobody's.
func (c *Control) Verify(ctx context.Context, p Secret, phc string) (bool, error) {
	ok, _, err := c.hasher.verify(ctx, p, phc)
	return ok, err
}

// Hash hashes a password.
func (c *Control) Hash(ctx context.Context, p Secret) (string, error) { return c.hasher.hash(ctx, p) }

// Remembered is how much the limits and the journal hold in memory.
func (c *Control) Remembered() (limits, tallies, waiting int) {
	l := c.limits
	l.mu.Lock()
	limits = len(l.accounts.until.byKey) + len(l.unknown.until.byKey) + len(l.homes.until.byKey) + len(l.address.until.byKey)
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
)

// DeviceSecretIs is deviceSecretIs.
func DeviceSecretIs(s Secret, sealed string) bool { return deviceSecretIs(s, sealed) }

// DeviceOf is the device of a user name.
func DeviceOf(username string) telemetry.Device { return deviceOf(username) }

// Attempt counts a failed log-in to an account that is not there.
func (c *Control) Attempt(name string, from netip.Addr, later time.Duration) {
	if done, wait := c.limits.attempt(name, false, from, c.now().Add(later)); wait == 0 {
		done(false)
	}
}
