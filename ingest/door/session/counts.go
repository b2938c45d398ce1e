package session

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Why a session is not given a message.
const (
	dropSlow     = "slow"      // QoS 0, and the link has no room
	dropFull     = "full"      // the session's own limit
	dropTotal    = "total"     // the limit of all
	dropDisk     = "disk"      // nothing may be written any more
	dropExpired  = "expired"   // its time was over before it could be sent
	dropTooLarge = "too_large" // for the client
	dropRights   = "rights"    // not granted any more
	dropFile     = "file"      // the file cannot be written
	dropRetained = "retained"  // not retained: the user's or everybody's limit
)

func drops() []string {
	return []string{dropSlow, dropFull, dropTotal, dropDisk, dropExpired, dropTooLarge, dropRights, dropFile, dropRetained}
}

// counts are what is told of all sessions.
type counts struct {
	waiting atomic.Int64 // deliveries
	bytes   atomic.Int64 // of messages that wait or are retained, and of what is kept
	dropped map[string]*atomic.Uint64
}

func (c *counts) drop(why string) { c.dropped[why].Add(1) }

// Stats are figures of all sessions.
type Stats struct {
	// Connected have a connection, Away have none and wait for it.
	Connected, Away int
	Subscriptions   int
	// Waiting messages of QoS 1 and 2 are queued or under way. Bytes are those of
	// waiting and retained messages, each once.
	Waiting, Bytes int64
	Retained       int
	// Dropped messages, by reason, since the start.
	Dropped map[string]uint64
}

// Stats are the figures of now.
func (s *Sessions) Stats() Stats {
	out := Stats{Waiting: s.counts.waiting.Load(), Bytes: s.counts.bytes.Load(), Retained: s.retained.topics.Len(), Dropped: map[string]uint64{}}
	for why, n := range s.counts.dropped {
		out.Dropped[why] = n.Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.states {
		st.mu.Lock()
		if st.at != nil {
			out.Connected++
		} else {
			out.Away++
		}
		out.Subscriptions += len(st.subscriptions)
		st.mu.Unlock()
	}
	return out
}

// Info is one session as an operator sees it.
type Info struct {
	Key Key
	// Since is when its connection began; zero is that there is none since Away.
	Since, Away   time.Time
	Expiry        time.Duration
	Subscriptions int
	Waiting       int
	Bytes         int64
}

// List is all sessions, by user and client id.
func (s *Sessions) List() []Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Info, 0, len(s.states))
	for _, st := range s.states {
		st.mu.Lock()
		i := Info{Key: st.key, Away: st.away, Expiry: st.expiry, Subscriptions: len(st.subscriptions), Waiting: st.queue.n, Bytes: st.queue.bytes}
		if st.at != nil {
			i.Since = st.since
		}
		st.mu.Unlock()
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Info) int {
		return cmp.Or(strings.Compare(a.Key.User, b.Key.User), strings.Compare(a.Key.Client, b.Key.Client))
	})
	return out
}

// Collector gives the figures to Prometheus.
func (s *Sessions) Collector() prometheus.Collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("haidang_mqtt_"+name, help, labels, nil)
	}
	return &collector{
		s:             s,
		sessions:      d("sessions", "MQTT sessions, with a connection (connected) or waiting for it (away).", "state"),
		subscriptions: d("subscriptions", "MQTT subscriptions."),
		waiting:       d("waiting_messages", "Messages of QoS 1 and 2 that are queued for or under way to subscribers."),
		bytes:         d("kept_bytes", "Bytes of messages that wait for subscribers or are retained, each counted once."),
		retained:      d("retained_messages", "Retained messages."),
		dropped:       d("dropped_total", "Messages that a subscriber was not given, or that were not retained, since the start.", "reason"),
	}
}

type collector struct {
	s                                                          *Sessions
	sessions, subscriptions, waiting, bytes, retained, dropped *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	now := c.s.Stats()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.sessions, float64(now.Connected), "connected")
	gauge(c.sessions, float64(now.Away), "away")
	gauge(c.subscriptions, float64(now.Subscriptions))
	gauge(c.waiting, float64(now.Waiting))
	gauge(c.bytes, float64(now.Bytes))
	gauge(c.retained, float64(now.Retained))
	for why, n := range now.Dropped {
		out <- prometheus.MustNewConstMetric(c.dropped, prometheus.CounterValue, float64(n), why)
	}
}
