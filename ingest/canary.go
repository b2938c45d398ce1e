package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// looksPerCanary is how often in a period it is looked how far the canaries are.
	// Their age is counted in looks, not in time: a clock that jumps, or a process
	// that was stopped, ages none.
	looksPerCanary = 6
	// maxFlights bounds how many canaries of a subscription are followed at once.
	maxFlights = 16
	// canaryRule is the rule of the finding that a canary is missing, lossRule of the
	// loss that it has proved.
	canaryRule, lossRule = "canary", "canary-loss"
)

// stage is how far a canary has come.
type stage int

const (
	stageSent      stage = iota // given to the MQTT client
	stageAcked                  // the broker has acknowledged it
	stageDelivered              // the gateway has it back
	stageJournal                // the journal has confirmed it
	stageTaken                  // the loader has it
	stageWritten                // the store has accepted it
	stageSettled                // the ledger has counted it
	// stageUnanswered is of a route: the store has it, and its sender no acknowledgement.
	stageUnanswered
	// stageNone is of a loader by itself: no canary has come for too long.
	stageNone
)

// CanaryJournal is what canaries ask of the journal.
type CanaryJournal interface {
	JournalInspector
	// Processed is how many of a gateway's messages of an epoch the loader has dealt
	// with.
	Processed(ctx context.Context, s Sequence) (uint64, error)
}

// Canaries has every gateway of the process send itself a message once a minute, and
// follows each on its way:
//
//	publish ─► acknowledged ─► delivered back ─► journal ─► taken ─► written ─► counted ─► read back
//	└─────────────── gateway ────────────────────────────┘ └────────────── loader ──────────────────┘
//
// The last step asks the store itself, and believes no part's word. A canary that does
// not get on, while nothing goes where it stands, is a [Finding] that says where. One
// that waits behind other messages that do get on is late, and that is none. What is
// known already (broker away, store away) is told by others and excuses it.
//
// A process of gateways follows theirs until the loader has dealt with them; a loader
// by itself follows what it takes, and misses what does not come. The zero value of
// what is optional leaves those steps out. A nil Canaries follows nothing.
type Canaries struct {
	// Every is how often each gateway sends one: a minute.
	Every time.Duration
	// Patience is how many looks, of which there are six in Every, a canary may stand
	// still: seven, so that these, the minute until it is sent and what a busy machine
	// adds stay below three minutes.
	Patience int
	// Gateways are those of this process. Expected are others of which this process,
	// which loads, is to miss canaries once one has come.
	Gateways []*Gateway
	Expected []string
	// Routes are the ways through a gateway of this process that has no session at a
	// broker: the door.
	Routes []Route
	// Localities are those of the gateways, by name.
	Localities map[string]telemetry.Locality
	Journal    CanaryJournal
	// Reader reads the store back and Accounts are the ledger's; nil in a process
	// without a loader.
	Reader   store.Reader
	Accounts func() []Account
	// Known says what is wrong already and told by others; empty if nothing is.
	Known    func() string
	Findings *Findings
	Now      func() time.Time
	Logger   *slog.Logger

	oldest time.Time // of the journal, at the look before
	moves  bool      // the journal has let go of something since then

	mu    sync.Mutex
	paths []*path
}

// NewCanaries makes canaries of a minute.
func NewCanaries(gateways []*Gateway, j CanaryJournal, f *Findings) *Canaries {
	c := &Canaries{Every: time.Minute, Patience: 7, Gateways: gateways, Journal: j, Findings: f,
		Known: func() string { return "" }, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	for _, g := range gateways {
		g.Canaries = c
	}
	return c
}

// path is the way of one gateway's subscription, of a route, or, in a loader by itself, of
// one gateway.
type path struct {
	gateway  *Gateway // nil for a route, and in a loader by itself
	route    *Route   // nil but for a route
	name     string
	locality telemetry.Locality
	// subscription is the index of the gateway's, filter what it subscribes to and
	// topic where its canaries go.
	subscription  int
	filter, topic string

	flights []*flight // on their way, the oldest first
	heard   uint64    // messages that had come through the subscription at the look before
	// arrived says that a canary has come back since the process began, lastGood when
	// the newest that came through was sent, and took how long it took.
	arrived  bool
	lastGood time.Time
	took     time.Duration
	// next is how many looks it is until one is sent.
	next int
	// lost are canaries that were acknowledged and are lost, lostSince when the last
	// before them that came through was sent.
	lost      int
	lostSince time.Time
	// absent is how many looks none was taken, in a loader by itself.
	absent int
	// broken says that a finding is reported; note says what is so far known.
	broken bool
	note   string
	// cut is how many canaries in a row the connection ended at, heals how often the
	// subscription was made anew.
	cut, heals int
}

// flight is one canary on its way.
type flight struct {
	number      uint64
	sent        time.Time
	stage       stage
	looks       int // since it was sent
	still       int // since it, or what is before it, got on
	epoch       Epoch
	place       uint64    // in the journal, in the epoch
	at          time.Time // of its point
	refusal     string    // why the store does not take it
	passedAbove bool      // the loader is past its number, seen at the look before
	overtaken   bool      // a later one has come through
	answered    bool      // its sender has the acknowledgement
}

// Run sends and looks until ctx ends.
func (c *Canaries) Run(ctx context.Context) error {
	c.begin()
	tick := time.NewTicker(c.Every / looksPerCanary)
	defer tick.Stop()
	for {
		c.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// begin makes the paths.
func (c *Canaries) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.Gateways {
		for i, s := range g.Subscriptions {
			p := &path{gateway: g, name: g.Name, locality: c.Localities[g.Name], subscription: i, filter: s.Filter, lastGood: c.Now()}
			topic, ok := codec.CanaryTopic(s.Filter, g.Name)
			switch {
			case g.NoCanary:
				p.note = "switched off in the configuration (canary: false): nothing proves that what the broker acknowledges arrives"
			case !ok || g.excluded(topic):
				p.note = "the subscription " + s.Filter + " lets no message of the gateway's own through, so nothing proves that what the broker acknowledges arrives"
			default:
				p.topic, p.note = topic, "not sent yet"
			}
			c.paths = append(c.paths, p)
		}
	}
	for i := range c.Routes {
		c.paths = append(c.paths, c.Routes[i].path(c.Now()))
	}
	for _, name := range c.Expected {
		c.paths = append(c.paths, &path{name: name, locality: c.Localities[name], lastGood: c.Now(), note: "none has come yet"})
	}
}

// look reads the store back, judges every path and sends what is due.
func (c *Canaries) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, max(c.Every/2, 5*time.Second))
	defer cancel()
	known := c.Known()
	state, err := c.Journal.State(ctx)
	if err != nil && known == "" {
		known = "the journal does not answer: " + err.Error()
	}
	c.moves, c.oldest = !state.Oldest.Equal(c.oldest) || state.Records == 0, state.Oldest
	c.readBack(ctx)
	for _, p := range c.paths {
		why := known
		if why == "" {
			why = p.state()
		}
		switch {
		case p.elsewhere():
			c.judgeAbsent(p, why, state)
		case p.topic == "":
			continue
		default:
			c.judge(ctx, p, why)
		}
		if p.next--; p.next < 0 && why == "" && p.topic != "" {
			p.next = looksPerCanary - 1
			c.send(p)
		}
	}
}

// send has the gateway publish a canary. It waits for nothing: the client may be
// blocked by a connection that is.
func (c *Canaries) send(p *path) {
	c.mu.Lock()
	if p.cut >= maxCut {
		if p.cut++; p.cut < maxCut+60 { // it is tried again after an hour
			c.mu.Unlock()
			return
		}
		p.cut = maxCut - 1
	}
	f := &flight{number: 1 + rand.Uint64N(codec.MaxCanary-1), sent: c.Now()}
	p.add(f)
	if p.took == 0 && !p.broken {
		p.note = "the first is on its way"
	}
	c.mu.Unlock()
	if p.route != nil {
		c.sendBy(p.route, f.number)
		return
	}
	client := p.gateway.session.Load()
	if client == nil {
		return
	}
	go func() {
		token := (*client).Publish(p.topic, 1, false, codec.CanaryPayload(f.number))
		if token.WaitTimeout(2*c.Every) && token.Error() == nil {
			c.mark(f.number, stageAcked)
		}
	}()
}

// add begins to follow a canary. Where too many are on their way the oldest stays,
// for its age, and the one after it is forgotten.
func (p *path) add(f *flight) {
	p.flights = append(p.flights, f)
	if len(p.flights) > maxFlights {
		p.flights = append(p.flights[:1], p.flights[2:]...)
	}
}

// find is a canary that is on its way; nil if none of that number is.
func (c *Canaries) find(number uint64) (*path, *flight) {
	for _, p := range c.paths {
		for _, f := range p.flights {
			if f.number == number {
				return p, f
			}
		}
	}
	return nil, nil
}

// mark notes that a canary has come to a stage.
func (c *Canaries) mark(number uint64, s stage) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, f := c.find(number); f != nil && s > f.stage {
		f.stage, f.still = s, 0
		if s >= stageDelivered {
			p.arrived, p.cut = true, 0
		}
	}
}

// journalled notes the place that the journal has given a canary.
func (c *Canaries) journalled(number uint64, epoch Epoch, place uint64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	if _, f := c.find(number); f != nil {
		f.epoch, f.place = epoch, place
	}
	c.mu.Unlock()
	c.mark(number, stageJournal)
}

// taken notes that the loader has a canary, and at which time its point is written.
// One of a gateway in another process is followed from here.
func (c *Canaries) taken(gateway string, number uint64, at time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	p, f := c.find(number)
	if f == nil {
		for _, other := range c.paths {
			if other.elsewhere() && other.name == gateway {
				p, f = other, &flight{number: number, sent: c.Now(), stage: stageTaken}
				p.add(f)
			}
		}
	}
	if f != nil {
		p.absent, f.at = 0, at
	}
	c.mu.Unlock()
	c.mark(number, stageTaken)
}

// refused notes why the store will never take a canary.
func (c *Canaries) refused(number uint64, why string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, f := c.find(number); f != nil {
		f.refusal = why
	}
}

// lost notes that a gateway's connection has ended. Where that was right after a
// canary, and before that came back, it may have been because of it: Mosquitto 2.0.11
// with max_queued_messages 0 acknowledges what may not be written, and hangs up. What is
// not acknowledged by then is not sent again: see [forgetful].
func (c *Canaries) lost(g *Gateway) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.paths {
		if p.gateway != g {
			continue
		}
		n := len(p.flights)
		if n > 0 && p.flights[n-1].stage <= stageAcked && p.flights[n-1].looks <= 1 {
			if p.cut++; p.cut == maxCut {
				c.report(p, cutOff(p))
			}
		}
		p.flights = slices.DeleteFunc(p.flights, func(f *flight) bool { return f.stage == stageSent || p.cut >= maxCut })
	}
}

// maxCut is after how many connections that ended at a canary no more is sent for an
// hour: some brokers end the connection of who publishes what it may not.
const maxCut = 3

// CanaryState is how a gateway's canary does, in words.
type CanaryState struct {
	Gateway string
	Note    string
}

// States says of each path how it does.
func (c *Canaries) States() []CanaryState {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]CanaryState, 0, len(c.paths))
	for _, p := range c.paths {
		note := p.note
		if note == "" {
			note = fmt.Sprintf("came through in %v at most, the last sent at %s", p.took.Round(c.Every/looksPerCanary), localTime(p.lastGood))
		}
		out = append(out, CanaryState{Gateway: p.shown(), Note: note})
	}
	return out
}
