package session

import (
	"strings"
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session/filter"
)

// retained are the last messages of topics that are given to who subscribes later.
type retained struct {
	topics filter.Topics[*message]

	mu      sync.Mutex // for changes
	byUser  map[string]int64
	expires int // how many have a time after which they are forgotten
}

// retain keeps a message as its topic's last, or with no payload forgets the one that is
// there. It returns the reason code for the publisher.
func (s *Sessions) retain(m *message, c *changes, now time.Time) byte {
	r := &s.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(m.payload) == 0 || m.expired(now) {
		if old, had := r.topics.Delete(m.topic); had {
			s.unretain(old)
			c.unretain(m.topic)
		}
		return packets.CodeSuccess.Code
	}
	var freed, own int64
	if old, had := r.topics.Get(m.topic); had {
		freed = old.size
		if old.owner == m.owner {
			own = old.size
		}
	}
	levels := strings.Count(m.topic, "/")
	m.size += perLevel * int64(levels)
	left := s.left() + freed
	mine := r.byUser[m.owner] - own + m.size
	// What belongs to nobody is our own, or everybody's where nobody is asked who he is.
	if levels >= filter.MostLevels || m.size > left || m.owner != "" && (mine > s.o.Limits.Bytes || mine > left/shareOfRest) || freed == 0 && s.room() != nil {
		s.counts.drop(dropRetained)
		s.log.Warn("a message is not retained: the limit of its user or of all is reached, its topic has too many levels, or the disk is full", "user", m.owner, "topic", m.topic, "bytes", m.size)
		return packets.ErrQuotaExceeded.Code
	}
	s.setRetained(m)
	c.retain(m)
	return packets.CodeSuccess.Code
}

// setRetained puts a message into its place and counts it; the caller has retained.mu.
func (s *Sessions) setRetained(m *message) {
	if old, had := s.retained.topics.Set(m.topic, m); had {
		s.unretain(old)
	}
	s.retained.byUser[m.owner] += m.size
	s.counts.bytes.Add(m.size)
	if !m.expires.IsZero() {
		s.retained.expires++
	}
}

// unretain takes one that has left out of the counts; the caller has retained.mu.
func (s *Sessions) unretain(m *message) {
	s.counts.bytes.Add(-m.size)
	if s.retained.byUser[m.owner] -= m.size; s.retained.byUser[m.owner] <= 0 {
		delete(s.retained.byUser, m.owner)
	}
	if !m.expires.IsZero() {
		s.retained.expires--
	}
}

// expireRetained forgets those whose time is over.
func (s *Sessions) expireRetained(now time.Time, c *changes) {
	r := &s.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expires == 0 {
		return
	}
	var over []*message
	r.topics.All(func(m *message) {
		if m.expired(now) {
			over = append(over, m)
		}
	})
	for _, m := range over {
		r.topics.Delete(m.topic)
		s.unretain(m)
		c.unretain(m.topic)
	}
}
