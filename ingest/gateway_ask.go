package ingest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
)

// What a broker that is another program has thrown away before a gateway could take it is
// in no count of ours. Some brokers tell of themselves under $SYS, so a gateway asks: once
// a minute it subscribes to these topics at QoS 0, waits for the answers, and subscribes
// no more. It does so in its own session, because a second connection of the same user ends
// the first where a user name is a client id; and it does not stay subscribed, because some
// brokers keep what is published under $SYS for a session whose client is away, in the
// same bounded queue as the telemetry.
const (
	sysMosquittoVersion = "$SYS/broker/version"
	sysMosquittoUptime  = "$SYS/broker/uptime"
	sysMosquittoDropped = "$SYS/broker/publish/messages/dropped"
	// EMQX has a level for the node; it does not retain its metrics, so one must wait for
	// them.
	sysEMQX        = "$SYS/brokers/"
	sysEMQXVersion = "/version"
	sysEMQXDropped = "/metrics/delivery/dropped/queue_full"
)

const (
	askEvery = time.Minute
	// askShort is how long a broker that retains its answers may take for them, askLong one
	// that publishes them once a minute; that one is asked every askLongEvery.
	askShort, askLong = 5 * time.Second, 75 * time.Second
	askLongEvery      = 10 * time.Minute
)

// MosquittoTopics are the topics by which a Mosquitto tells of itself, to be read by the
// gateways' user.
func MosquittoTopics() []string {
	return []string{sysMosquittoVersion, sysMosquittoUptime, sysMosquittoDropped}
}

func askFilters() map[string]byte {
	return map[string]byte{sysMosquittoVersion: 0, sysMosquittoUptime: 0, sysMosquittoDropped: 0,
		sysEMQX + "+" + sysEMQXVersion: 0, sysEMQX + "+" + sysEMQXDropped: 0}
}

// BrokerWord is what a gateway knows of its broker.
type BrokerWord struct {
	// URL is the broker's address without a password.
	URL string
	// Name is what the broker calls itself, with its version; empty if it does not say.
	Name string
	// Dropped is how many messages it says to have dropped since it was started, for all
	// its clients; nil is not known, and Problem says why. Uptime is since when it runs,
	// at the moment Asked; 0 is not known.
	Dropped *uint64
	Uptime  time.Duration
	Asked   time.Time
	Problem string
	// Connections are those that were accepted since Since; of these Fresh had to begin
	// a session, because the broker had none.
	Connections, Fresh uint64
	Since              time.Time
}

// told gathers what a broker tells. It is safe for concurrent use.
type told struct {
	mu sync.Mutex
	// word is what is known, next what is heard while the broker is being asked.
	word, next BrokerWord
	dropped    map[string]uint64 // by node
	news       chan struct{}     // has one place: something was heard
	// unanswered is how often in a row the connection ended before the broker had answered
	// the subscription.
	unanswered int
	log        *slog.Logger
	counter    prometheus.Counter
}

// begin readies it for a run of a gateway.
func (t *told) begin(g *Gateway) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.news, t.log = make(chan struct{}, 1), g.Logger.With("gateway", g.Name)
	t.word = BrokerWord{URL: g.brokerName(), Since: g.Now(), Problem: "it has not been asked yet"}
	t.counter = g.Metrics.brokerDropped.WithLabelValues(g.Name)
}

// BrokerWord is what is known of the broker; it is safe to call at any time. Its URL is
// empty where the broker is a part of this process.
func (g *Gateway) BrokerWord() BrokerWord {
	g.told.mu.Lock()
	defer g.told.mu.Unlock()
	return g.told.word
}

// connected notes that the broker has accepted a connection, and whether it had kept the
// session.
func (t *told) connected(present bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.word.Connections++; present {
		return
	}
	if t.word.Fresh++; t.word.Connections > 1 {
		t.log.Error("the broker has forgotten the gateway's session: what it held for it is lost; see docs/brokers.md for the settings that keep it", "broker", t.word.URL)
	}
}

// hear takes what the broker tells of itself, and reports false if a message is none of
// that.
func (t *told) hear(topic string, payload []byte) bool {
	node, rest, emqx := strings.Cut(strings.TrimPrefix(topic, sysEMQX), "/")
	emqx = emqx && strings.HasPrefix(topic, sysEMQX)
	text := strings.ToValidUTF8(string(payload[:min(len(payload), 100)]), "")
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case topic == sysMosquittoVersion:
		t.next.Name = text
	case topic == sysMosquittoUptime:
		if n, err := strconv.ParseUint(strings.TrimSuffix(text, " seconds"), 10, 32); err == nil {
			t.next.Uptime = time.Duration(n) * time.Second
		}
	case topic == sysMosquittoDropped:
		t.count("", text)
	case emqx && "/"+rest == sysEMQXVersion:
		t.next.Name = "EMQX " + text
	case emqx && "/"+rest == sysEMQXDropped:
		t.count(node, text)
	default:
		return false
	}
	select {
	case t.news <- struct{}{}:
	default:
	}
	return true
}

// count adds up what the nodes have dropped. The caller holds mu.
func (t *told) count(node, text string) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(t.dropped) > 100 {
		return
	}
	if t.dropped == nil {
		t.dropped = map[string]uint64{}
	}
	before, known := t.dropped[node]
	grown := n - min(n, before)
	if n < before {
		grown = n // it was started anew
	}
	t.dropped[node] = n
	t.counter.Add(float64(grown))
	if known && grown > 0 {
		t.log.Error("the broker says that it has dropped messages; it counts for all its clients; see docs/brokers.md for the settings that drop none", "broker", t.word.URL, "messages", grown)
	}
	sum := uint64(0)
	for _, n := range t.dropped {
		sum += n
	}
	t.next.Dropped = &sum
}

// maxUnanswered is after how many connections that ended at the question the broker is not
// asked any more: some hang up on who subscribes to what it may not.
const maxUnanswered = 2

// ask asks the broker until ctx ends.
func (g *Gateway) ask(ctx context.Context, c mqtt.Client) {
	patience, every := askShort, askEvery
	for g.told.mayAsk() {
		answered := g.askOnce(ctx, c, patience)
		switch {
		case ctx.Err() != nil:
			return
		case answered:
		case patience == askShort:
			patience, every = askLong, askLongEvery
			continue
		default:
			return // until the next connection
		}
		if !sleep(ctx, every) {
			return
		}
	}
}

func (t *told) mayAsk() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unanswered < maxUnanswered {
		return true
	}
	t.word.Problem = "it ends the connection of who subscribes to " + sysMosquittoDropped
	return false
}

// askOnce subscribes, waits for what is told, and subscribes no more. It reports whether
// the broker has said what it has dropped.
func (g *Gateway) askOnce(ctx context.Context, c mqtt.Client, patience time.Duration) bool {
	t, filters := &g.told, askFilters()
	t.expect()
	token := c.SubscribeMultiple(filters, nil)
	select {
	case <-token.Done():
	case <-ctx.Done():
		return false
	}
	granted := 0
	if token.Error() == nil {
		for _, code := range token.(*mqtt.SubscribeToken).Result() {
			if code != refused {
				granted++
			}
		}
	}
	if ctx.Err() != nil || token.Error() != nil {
		return false
	}
	t.mu.Lock()
	t.unanswered = 0
	t.mu.Unlock()
	if granted > 0 {
		t.await(ctx, patience)
	}
	c.Unsubscribe(slices.Collect(maps.Keys(filters))...).WaitTimeout(time.Second)
	return t.conclude(g.Now(), granted > 0)
}

// expect makes ready for an answer.
func (t *told) expect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unanswered++
	t.next = BrokerWord{}
	select {
	case <-t.news:
	default:
	}
}

// await waits until the broker has told what it has dropped and since when, and then a
// little for what else comes.
func (t *told) await(ctx context.Context, patience time.Duration) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case <-t.news:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
		t.mu.Lock()
		enough := t.next.Dropped != nil
		t.mu.Unlock()
		if enough {
			limit.Reset(time.Second / 4)
		}
	}
}

// conclude says what came of asking.
func (t *told) conclude(now time.Time, granted bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, w := t.next, &t.word
	w.Dropped, w.Uptime, w.Asked, w.Problem = n.Dropped, n.Uptime, now, ""
	if n.Name != "" {
		w.Name = n.Name
	}
	switch {
	case n.Dropped != nil:
	case !granted:
		w.Problem = "it refuses the subscription to " + sysMosquittoDropped
	default:
		w.Problem = "it tells nothing under " + sysMosquittoDropped + ": it is none that does, or its access rules do not let the gateway's user read that"
	}
	return n.Dropped != nil
}
