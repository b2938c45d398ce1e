package simulator

import (
	"fmt"
	"sync/atomic"
	"time"
)

// lateAfterSeconds is how long after its time a message counts as late.
const lateAfterSeconds = 1

// Stats are what has happened since Run began. Readings only: the devices'
// states are counted apart. When Run has returned after QoS 1,
// Planned = Acknowledged + Failed + Withheld.
type Stats struct {
	// Planned is how many messages have been due so far.
	Planned uint64 `json:"planned"`
	// Sent is how many of them have been sent, Late how many of these more than
	// a second after they were due.
	Sent uint64 `json:"sent"`
	Late uint64 `json:"late"`
	// Resent counts messages sent once more because a connection broke before
	// they were acknowledged. Some of these the broker has twice.
	Resent uint64 `json:"resent"`
	// Acknowledged is how many the broker has confirmed; with QoS 0 it stays 0.
	Acknowledged uint64 `json:"acknowledged"`
	// Failed is how many Run has given up: planned but never acknowledged (QoS
	// 1), or never completely written to a connection (QoS 0).
	Failed uint64 `json:"failed"`
	// Withheld is how many were not sent because their topic is not the device's,
	// where devices have credentials of their own.
	Withheld uint64 `json:"withheld"`
	// States counts the online and offline messages that were sent.
	States uint64 `json:"states"`
	// Connected of all Connections are open; Reconnects were made after one
	// broke.
	Connected   int    `json:"connected"`
	Connections int    `json:"connections"`
	Reconnects  uint64 `json:"reconnects"`
	// Rate is how many messages were sent in the last second, MeanRate how many a
	// second since Run began.
	Rate     float64 `json:"rate"`
	MeanRate float64 `json:"mean_rate"`
	// Latency is that of the acknowledged messages.
	Latency Latency `json:"latency"`
	// At is where on a scenario's time line sending is, between From and To.
	At   time.Time `json:"at,omitzero"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// String is one line for a terminal.
func (s Stats) String() string {
	line := fmt.Sprintf("connected %d/%d  planned %d  sent %d  acknowledged %d", s.Connected, s.Connections, s.Planned, s.Sent, s.Acknowledged)
	for _, more := range []struct {
		name string
		n    uint64
	}{{"late", s.Late}, {"resent", s.Resent}, {"failed", s.Failed}, {"withheld", s.Withheld}} {
		if more.n > 0 {
			line += fmt.Sprintf("  %s %d", more.name, more.n)
		}
	}
	return line
}

// counters are the running numbers behind Stats.
type counters struct {
	sent, late, resent, acknowledged, failed, states, reconnects atomic.Uint64
	// unsent is what links that have ended had due but never sent.
	unsent    atomic.Uint64
	withheld  atomic.Uint64
	rate      atomic.Uint64 // a float64's bits
	connected atomic.Int64
}
