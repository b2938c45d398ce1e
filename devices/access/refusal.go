package access

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Refusal is what a broker or the door did not let a client do. Its texts come from
// outside.
type Refusal struct {
	// Kind is connect, publish or subscribe.
	Kind string
	// Username is what the client calls itself; Known says that it has shown its secret.
	Username string
	Known    bool
	ClientID string
	// Topic is the topic or filter; empty for a connection.
	Topic string
	// Reason is a [Refused], or a sentence; Code is MQTT 5's reason code, 0 if there is
	// none.
	Reason string
	Code   byte
	Remote netip.AddrPort
}

// The refusals that are not [Control.Authenticate]'s, by MQTT 5's reason code. They are
// words, so that what repeats is one entry, whatever sentence goes with it.
const (
	RefusedMalformed  Refused = "malformed_packet"
	RefusedProtocol   Refused = "protocol_error"
	RefusedVersion    Refused = "protocol_version"
	RefusedBadClient  Refused = "bad_client_id"
	RefusedNoRight    Refused = "not_authorized"
	RefusedBusy       Refused = "server_busy"
	RefusedTakenOver  Refused = "session_taken_over"
	RefusedBadTopic   Refused = "bad_topic"
	RefusedTooLarge   Refused = "packet_too_large"
	RefusedRate       Refused = "too_many_messages"
	RefusedQuota      Refused = "quota_reached"
	RefusedTooMany    Refused = "too_many_connections"
	RefusedInFlight   Refused = "too_many_in_flight"
	RefusedKeepAlive  Refused = "silent_too_long"
	RefusedUnoffered  Refused = "not_offered"
	RefusedByPolicy   Refused = "administrative_action"
	RefusedBadPayload Refused = "bad_payload"
)

// refusedBy is the word for a reason code; empty if there is none.
func refusedBy(code byte) Refused {
	switch code {
	case 0x81:
		return RefusedMalformed
	case 0x82:
		return RefusedProtocol
	case 0x84, 0x01:
		return RefusedVersion
	case 0x85:
		return RefusedBadClient
	case 0x86, 0x87:
		return RefusedNoRight
	case 0x89, 0x88:
		return RefusedBusy
	case 0x8d:
		return RefusedKeepAlive
	case 0x8e:
		return RefusedTakenOver
	case 0x8f, 0x90:
		return RefusedBadTopic
	case 0x93:
		return RefusedInFlight
	case 0x95:
		return RefusedTooLarge
	case 0x96:
		return RefusedRate
	case 0x97:
		return RefusedQuota
	case 0x98:
		return RefusedByPolicy
	case 0x99:
		return RefusedBadPayload
	case 0x9a, 0x9b, 0x9e, 0xa1, 0xa2:
		return RefusedUnoffered
	case 0x9f:
		return RefusedTooMany
	}
	return ""
}

// NoteRefused writes down what a broker refused by itself: a topic, or a
// connection that [Control.Authenticate] was not asked about. Refusals of
// Authenticate, which come back this way as their reason, are not written twice.
// What repeats is counted in one entry, and what is made up by the thousand together.
func (c *Control) NoteRefused(r Refusal) {
	device := DeviceOf(r.Username)
	e := Event{Action: CredentialRefused, At: c.now(), Count: 1, Subject: Username(device), Remote: addressOf(r.Remote)}
	sentence := r.Reason
	switch why := Refused(r.Reason); {
	case r.Kind != "connect":
		e.Action, e.Reason = TopicRefused, string(topicReason(r))
	case why == RefusedClientID:
		e.Reason, sentence = r.Reason, ""
	case why.known():
		return
	default:
		e.Reason = string(refusedBy(r.Code))
		if e.Reason == "" || r.Code == 0x87 && r.Reason != "" {
			e.Reason, sentence = r.Reason, ""
		}
	}
	e.Detail = r.detail(sentence)
	c.journal.refused(e)
	if r.Kind != "subscribe" { // who may not subscribe is heard all the same
		c.doorbell.note(device, e, r.Known)
	}
}

// topicReason is why a topic was refused.
func topicReason(r Refusal) Refused {
	switch why := refusedBy(r.Code); {
	case strings.ContainsAny(r.Topic, "+#"):
		return RefusedWildcard
	case why == "" || why == RefusedNoRight:
		return RefusedTopic
	default:
		return why
	}
}

// detail says what the other fields of an event do not.
func (r Refusal) detail(sentence string) string {
	var parts []string
	if r.Topic != "" {
		parts = append(parts, r.Kind+" "+clip(r.Topic, 120))
	}
	if r.ClientID != "" {
		parts = append(parts, clientDetail(clip(r.ClientID, 64)))
	}
	if r.Code != 0 {
		parts = append(parts, fmt.Sprintf("0x%02x", r.Code))
	}
	if sentence != "" && !Refused(sentence).known() {
		parts = append(parts, sentence)
	}
	return strings.Join(parts, ", ")
}

// doorbell remembers of each registered device whether it was let in the last time,
// so that whoever looks is not told of a refusal that is long mended. Of a device
// that is not in it, the journal is asked.
type doorbell struct {
	mu   sync.Mutex
	last map[telemetry.Device]knock
	// strange are refusals of who only says to be a device: anybody can make those up,
	// so the oldest leave.
	strange *recent[telemetry.Device, Event]
}

// knock is the last that a device tried.
type knock struct {
	refused Event // Action is empty where it was let in
	// later is what it was refused when it was in: a topic, a session that another
	// connection took over. That it comes in again does not mend it.
	later   Event
	written time.Time
}

// refuse notes a refusal. Devices that nobody registered are not kept: anybody can
// make them up.
func (b *doorbell) refuse(d telemetry.Device, e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known := b.last[d]; e.Reason != string(RefusedUnknown) {
		known.refused = e
		b.last[d] = known
	}
}

// note notes a refusal that was not asked about; known says that the device has shown
// its secret.
func (b *doorbell) note(d telemetry.Device, e Event, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, there := b.last[d]
	switch {
	case known:
		k.later = e
		b.last[d] = k
	case there && e.Action == CredentialRefused:
		k.refused = e
		b.last[d] = k
	default:
		b.strange.put(d, e)
	}
}

// know gives the last that a device tried; false if nothing since the start.
func (b *doorbell) know(d telemetry.Device) (knock, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, ok := b.last[d]
	return k, ok
}

// stranger is the last refusal of who says to be a device.
func (b *doorbell) stranger(d telemetry.Device) (Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.strange.get(d)
}

// admit notes that a device was let in. It is due to be written down if the device
// had been refused, and not again within a window.
func (b *doorbell) admit(d telemetry.Device, refused bool, now time.Time) (due bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.last[d]
	due = refused && now.Sub(k.written) >= refusalWindow
	if due {
		k.written = now
	}
	k.refused = Event{}
	b.last[d] = k
	b.strange.drop(d)
	return due
}

// admitted notes that a device was let in: in the journal only if it had been
// refused before. The store is asked once for each device in the life of the
// program.
func (c *Control) admitted(ctx context.Context, d telemetry.Device, clientID string, remote netip.AddrPort) error {
	k, known := c.doorbell.know(d)
	_, strange := c.doorbell.stranger(d)
	if known && k.refused.Action == "" && !strange {
		return nil
	}
	refused := known || strange
	if !refused {
		var err error
		if _, refused, err = c.writtenRefusal(ctx, d); err != nil {
			return err
		}
	}
	if c.doorbell.admit(d, refused, c.now()) {
		c.journal.add(Event{Action: CredentialAccepted, Subject: Username(d), Detail: clientDetail(clientID), Remote: addressOf(remote)})
	}
	return nil
}

// LastRefusal is the newest refusal of a device: of its connection, unless it was let in
// since, of a topic, or of a session that another connection has taken over. False if
// there is none.
func (c *Control) LastRefusal(ctx context.Context, d telemetry.Device) (Event, bool, error) {
	k, known := c.doorbell.know(d)
	strange, is := c.doorbell.stranger(d)
	if !known {
		if is {
			return strange, true, nil
		}
		if err := c.journal.flush(ctx); err != nil {
			c.log.Warn("cannot write refusals before reading the journal", "error", err)
		}
		return c.writtenRefusal(ctx, d)
	}
	newest := k.refused
	for _, e := range []Event{k.later, strange} {
		if e.Action != "" && e.At.After(newest.At) {
			newest = e
		}
	}
	return newest, newest.Action != "", nil
}

// writtenRefusal is the newest refusal in the journal; false if there is none, or
// the device was let in after it.
func (c *Control) writtenRefusal(ctx context.Context, d telemetry.Device) (e Event, refused bool, err error) {
	err = c.store.Read(ctx, func(r Reader) error {
		bad, err := r.Events(ctx, EventFilter{Action: CredentialRefused, Subject: Username(d), Limit: 1})
		if err != nil || len(bad) == 0 {
			return err
		}
		good, err := r.Events(ctx, EventFilter{Action: CredentialAccepted, Subject: Username(d), Limit: 1})
		e, refused = bad[0], len(good) == 0 || good[0].At.Before(bad[0].At)
		return err
	})
	if err != nil {
		return e, false, fmt.Errorf("read refusals of device: %w", err)
	}
	return e, refused, nil
}
