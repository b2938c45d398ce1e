package session

import (
	"context"
	"fmt"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Queued is a message that waits for one session, with the QoS of its delivery.
type Queued struct {
	Key Key
	Publication
}

// Inherit makes a session that another broker had, or adds to one, durably: as if its
// client had come, subscribed and gone. Limits per user do not apply.
func (s *Sessions) Inherit(ctx context.Context, key Key, filters map[string]byte) error {
	x, _, err := s.Attach(ctx, Connect{Key: key, Version: 4, Expiry: s.o.Limits.Expiry, Internal: true}, nobody{})
	if err != nil {
		return fmt.Errorf("inherit session: %w", err)
	}
	defer x.Detach(true, nil)
	var all packets.Subscriptions
	for f, qos := range filters {
		// What is retained the client has been given when it subscribed.
		all = append(all, packets.Subscription{Filter: f, Qos: qos, RetainHandling: 2})
	}
	codes, err := x.Subscribe(ctx, all, 0, func(string) packets.Code { return packets.CodeSuccess })
	if err != nil {
		return fmt.Errorf("inherit subscriptions: %w", err)
	}
	for i, code := range codes {
		if code >= packets.ErrUnspecifiedError.Code {
			s.log.Warn("an inherited subscription is not taken over", "client_id", key.Client, "filter", all[i].Filter, "reason_code", code)
		}
	}
	return nil
}

// Queue puts messages behind what waits for their sessions, durably, and reports how many
// were dropped: their session is not there, or has no room for more.
func (s *Sessions) Queue(ctx context.Context, all []Queued) (dropped int, err error) {
	c, now := s.file.changes(), s.o.Now()
	for i := range all {
		q := &all[i]
		s.mu.Lock()
		st := s.states[q.Key]
		s.mu.Unlock()
		if st == nil || st.give(target{st: st, qos: q.QoS}, newMessage(&q.Publication), false, c, now) != packets.CodeSuccess.Code {
			dropped++
		}
	}
	return dropped, s.commit(ctx, c)
}

// nobody is the link of a client that is not there.
type nobody struct{}

// Send implements [Link].
func (nobody) Send(packets.Packet) bool { return false }

// End implements [Link].
func (nobody) End(packets.Code) {}
