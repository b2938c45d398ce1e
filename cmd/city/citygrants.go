package city

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/door"
)

const (
	// askAgain is how often the city is asked again about who is let in; a revoked device
	// is disconnected that much later.
	askAgain = 30 * time.Second
	// goodFor is for how long what the city has said holds while it is away.
	goodFor = 15 * time.Minute
	// askTogether is how many devices one request asks about, askSessions about how many
	// sessions.
	askTogether, askSessions = 200, 1000
	// grantsKept bounds what is remembered.
	grantsKept = 100000
)

// cityGrants asks a running city who a device is, and remembers what it was told. What the
// city does not answer is a refusal, but for who was let in a short while ago. Secrets
// are in memory only, for as long as they are good.
type cityGrants struct {
	url    string
	secret access.Secret
	client *http.Client
	// end ends the connections of an identity.
	end func(identity string)
	// sessions ends, of all sessions, those whose rights have ended; nil is none.
	sessions func(context.Context) error
	log      *slog.Logger
	now      func() time.Time
	key      []byte // of what secrets are remembered by

	mu      sync.Mutex
	good    map[[32]byte]*remembered
	refusal []access.Refusal
	err     error
}

// remembered is what the city has said of a user name and secret.
type remembered struct {
	ask   access.Asked
	grant door.Grant
	said  time.Time
	used  time.Time
}

func newCityGrants(url string, secret access.Secret, client *http.Client, end func(string), log *slog.Logger) *cityGrants {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return &cityGrants{url: strings.TrimRight(url, "/") + access.DoorPath, secret: secret, client: client, end: end, log: log,
		now: time.Now, key: key, good: map[[32]byte]*remembered{}}
}

func (g *cityGrants) keyOf(username, password string) (k [32]byte) {
	m := hmac.New(sha256.New, g.key)
	fmt.Fprintf(m, "%d %s%s", len(username), username, password)
	m.Sum(k[:0])
	return k
}

// Authenticate implements grants.
func (g *cityGrants) Authenticate(ctx context.Context, login door.Login) (door.Grant, error) {
	k, now := g.keyOf(login.Username, string(login.Password)), g.now()
	g.mu.Lock()
	known := g.good[k]
	if known != nil && now.Sub(known.said) < askAgain {
		known.used = now
		g.mu.Unlock()
		return known.grant, nil
	}
	g.mu.Unlock()
	ask := access.Asked{ClientID: login.ClientID, Username: login.Username, Password: access.Secret(login.Password), PeerHost: login.Remote.Addr().Unmap().String()}
	answer, err := g.ask(ctx, access.DoorQuestion{Ask: []access.Asked{ask}})
	switch {
	case err != nil && known != nil && now.Sub(known.said) < goodFor:
		g.log.Warn("the city does not answer; a device is let in by what it said before", "device", known.grant.Identity, "said", known.said, "error", err)
		return known.grant, nil
	case err != nil:
		return door.Grant{}, fmt.Errorf("the city does not say who this is: %w: %w", door.ErrUnavailable, err)
	case answer.Grants[0].Refused != "":
		g.forget(k)
		return door.Grant{}, access.Refused(answer.Grants[0].Refused)
	}
	grant := grantOf(answer.Grants[0])
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.good) < grantsKept {
		g.good[k] = &remembered{ask: ask, grant: grant, said: now, used: now}
	}
	return grant, nil
}

func grantOf(a access.DoorGrant) door.Grant {
	return door.Grant{Identity: a.Identity, Publish: a.Publish, Subscribe: a.Subscribe}
}

func (g *cityGrants) forget(k [32]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.good, k)
}

// refused keeps what the door refused, to be told to the city.
func (g *cityGrants) refused(r door.Refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.refusal) < askTogether {
		g.refusal = append(g.refusal, refusalOf(r))
	}
}

// Err is why the city does not answer; nil if it does.
func (g *cityGrants) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Run asks again until ctx ends.
func (g *cityGrants) Run(ctx context.Context) error {
	tick, tell := time.NewTicker(askAgain), time.NewTicker(2*time.Second)
	defer tick.Stop()
	defer tell.Stop()
	_, _ = g.ask(ctx, access.DoorQuestion{}) // Err tells
	g.lookAtSessions(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			g.again(ctx)
			g.lookAtSessions(ctx)
		case <-tell.C:
			g.tell(ctx)
		}
	}
}

func (g *cityGrants) lookAtSessions(ctx context.Context) {
	if g.sessions != nil {
		_ = g.sessions(ctx) // Err tells; it is tried again
	}
}

// Lapsed implements grants.
func (g *cityGrants) Lapsed(ctx context.Context, identities []string) (lapsed []string, err error) {
	for some := range slices.Chunk(identities, askSessions) {
		a, err := g.ask(ctx, access.DoorQuestion{Sessions: some})
		if err != nil {
			return nil, err
		}
		lapsed = append(lapsed, a.Lapsed...)
	}
	return lapsed, nil
}

// tell tells the city of refusals.
func (g *cityGrants) tell(ctx context.Context) {
	g.mu.Lock()
	all := g.refusal
	g.refusal = nil
	failing := g.err != nil
	g.mu.Unlock()
	if len(all) > 0 || failing {
		_, _ = g.ask(ctx, access.DoorQuestion{Refused: all}) // Err tells; they are in the log
	}
}

// again asks about all who are remembered; who may no longer, or otherwise, is
// disconnected.
func (g *cityGrants) again(ctx context.Context) {
	g.mu.Lock()
	var keys [][32]byte
	now := g.now()
	for k, r := range g.good {
		if now.Sub(r.used) > 24*time.Hour {
			delete(g.good, k) // it asks anew when it comes
			continue
		}
		keys = append(keys, k)
	}
	g.mu.Unlock()
	for len(keys) > 0 && ctx.Err() == nil {
		n := min(len(keys), askTogether)
		g.confirm(ctx, keys[:n])
		keys = keys[n:]
	}
}

func (g *cityGrants) confirm(ctx context.Context, keys [][32]byte) {
	var q access.DoorQuestion
	var asked [][32]byte
	g.mu.Lock()
	for _, k := range keys {
		if r := g.good[k]; r != nil {
			asked, q.Ask = append(asked, k), append(q.Ask, r.ask)
		}
	}
	g.mu.Unlock()
	answer, err := g.ask(ctx, q)
	var ended []string
	now := g.now()
	g.mu.Lock()
	for i, k := range asked {
		r := g.good[k]
		switch {
		case r == nil:
		case err != nil && now.Sub(r.said) >= goodFor, err == nil && answer.Grants[i].Refused != "":
			delete(g.good, k)
			ended = append(ended, r.grant.Identity)
		case err == nil:
			fresh := grantOf(answer.Grants[i])
			if !sameGrant(fresh, r.grant) {
				ended = append(ended, r.grant.Identity)
			}
			r.grant, r.said = fresh, now
		}
	}
	g.mu.Unlock()
	for _, identity := range ended {
		g.end(identity)
	}
}

func sameGrant(a, b door.Grant) bool {
	return a.Identity == b.Identity && strings.Join(a.Publish, "\n") == strings.Join(b.Publish, "\n") && strings.Join(a.Subscribe, "\n") == strings.Join(b.Subscribe, "\n")
}

// ask asks the city, which answers each in order.
func (g *cityGrants) ask(ctx context.Context, q access.DoorQuestion) (a access.DoorAnswer, err error) {
	defer func() {
		if ctx.Err() != nil {
			return
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if err != nil && g.err == nil {
			g.log.Error("the city does not say who devices are; asking again", "error", err)
		}
		g.err = err
	}()
	body, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("ask --access: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(bounded, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("ask --access: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+string(g.secret))
	resp, err := g.client.Do(req)
	if err != nil {
		return a, fmt.Errorf("ask --access: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return a, fmt.Errorf("ask --access: %s: the city needs the same HAIDANG_DOOR_SECRET", resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(&a); err != nil {
		return a, fmt.Errorf("read answer of --access: %w", err)
	}
	if len(a.Grants) != len(q.Ask) {
		return a, errors.New("read answer of --access: it is about others than were asked about; are both of the same version?")
	}
	return a, nil
}
