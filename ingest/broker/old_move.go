package broker

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/haidang-iot/haidang/ingest"
)

const (
	// oldBatch and oldBatchBytes bound what is handed over at once.
	oldBatch, oldBatchBytes = 1000, 512 << 10
	// oldCut is how much is kept of a payload that the journal cannot hold.
	oldCut = 64 << 10
	// oldKey begins the keys by which what is given twice is recognised.
	oldKey = 1 << 63
)

// oldMover hands messages over, batch by batch.
type oldMover struct {
	o        *Old
	to       Heirs
	sessions []oldSession
	// records are the next of each gateway, with their place in the journal; a
	// gateway's is there once the journal has been asked.
	records map[string]*ingest.Record
	queued  []OldQueued
	last    uint64 // of the batch, 0 if it is empty
	count   int
	bytes   int
}

// move hands over the messages of a stream.
func (m *oldMover) move(ctx context.Context, s oldStream) error {
	err := m.o.each(ctx, s, func(stored *server.StoredMsg) error {
		if m.count >= oldBatch || m.bytes > 0 && m.bytes+len(stored.Data) > oldBatchBytes {
			if err := m.flush(ctx, s.name); err != nil {
				return err
			}
		}
		m.add(s, stored)
		return nil
	})
	if err != nil {
		return err
	}
	return m.flush(ctx, s.name)
}

// add puts a message into the batch, for everybody for whom it waits.
func (m *oldMover) add(s oldStream, stored *server.StoredMsg) {
	m.last, m.count, m.bytes = stored.Sequence, m.count+1, m.bytes+len(stored.Data)
	subject, qos, packet, ok := identifyOld(s, stored)
	if !ok {
		m.o.b.log.Error("a message of the older version's MQTT broker cannot be read and is left behind", "subject", stored.Subject)
		return
	}
	topic := oldTopic(subject)
	telemetry, wanted := !m.to.NotTelemetry(topic), false
	for i := range m.sessions {
		session := &m.sessions[i]
		wants := session.wants(oldMessageSubject+subject, stored.Sequence)
		if s.name == oldQoS2 { // it has not been given to anybody yet
			wants = session.subscribed(subject)
		}
		if wants == 0 {
			continue
		}
		gateway := m.to.Gateway(session.ID)
		switch {
		case gateway == "":
			m.queued = append(m.queued, OldQueued{session.ID, OldMessage{topic, stored.Data, min(qos, wants), stored.Time}})
		case telemetry:
			wanted = true
			m.append(gateway, topic, qos, packet, stored)
		}
	}
	if s.name == oldQoS2 && telemetry && !wanted {
		m.append(m.to.Other, topic, qos, packet, stored)
	}
}

// append puts a message into a gateway's record. If it comes once more, because we are
// killed before it is removed, it is recognised.
func (m *oldMover) append(gateway, topic string, qos byte, packet uint16, stored *server.StoredMsg) {
	r := m.records[gateway]
	if r == nil {
		r = &ingest.Record{Gateway: gateway}
		m.records[gateway] = r
	}
	payload := stored.Data
	if m.to.MaxPayload > 0 && len(payload) > m.to.MaxPayload {
		payload = payload[:oldCut]
	}
	message := ingest.Message{Topic: topic, Payload: payload, Received: stored.Time, QoS: qos, PacketID: packet, Redelivered: true, FullSize: len(stored.Data)}
	if packet == 0 {
		message.Key = oldKey | stored.Sequence
	}
	r.Messages = append(r.Messages, message)
}

// flush makes the batch durable with those who get it, and then removes it.
func (m *oldMover) flush(ctx context.Context, stream string) error {
	if m.count == 0 {
		return nil
	}
	for _, r := range m.records {
		if err := m.appendRecord(ctx, r); err != nil {
			return err
		}
		m.o.taken.Telemetry += len(r.Messages)
		r.Messages = r.Messages[:0]
	}
	if len(m.queued) > 0 {
		if err := m.to.Queue(ctx, m.queued); err != nil {
			return err
		}
		m.o.taken.Queued += len(m.queued)
	}
	if err := m.o.purge(ctx, stream, m.last); err != nil {
		return err
	}
	m.queued, m.last, m.count, m.bytes = nil, 0, 0, 0
	return nil
}

// appendRecord appends a record where the journal stands.
func (m *oldMover) appendRecord(ctx context.Context, r *ingest.Record) (err error) {
	if len(r.Messages) == 0 {
		return nil
	}
	for try := 0; ; try++ {
		if r.Epoch, r.First, err = m.to.Journal.Position(ctx, r.Gateway); err != nil {
			return err
		}
		err = m.to.Journal.Append(ctx, *r)
		if !errors.Is(err, ingest.ErrPosition) || try == 3 {
			return err
		}
	}
}

// identifyOld reads what a stored message says of itself: its subject without the
// stream's prefix, its QoS, and the packet identifier under which it may come again.
func identifyOld(s oldStream, stored *server.StoredMsg) (subject string, qos byte, packet uint16, ok bool) {
	header, err := nats.DecodeHeadersMsg(stored.Header)
	value := header.Get(oldHeader)
	if err != nil || value == "" || value[0] < '1' || value[0] > '2' {
		return "", 0, 0, false
	}
	qos = value[0] - '0'
	if s.name != oldQoS2 {
		subject, ok = strings.CutPrefix(stored.Subject, s.subject)
		return subject, qos, 0, ok
	}
	// Its publisher may send it again, under the identifier that its subject ends with.
	id, err := strconv.ParseUint(stored.Subject[strings.LastIndexByte(stored.Subject, '.')+1:], 10, 16)
	return header.Get(oldSubject), qos, uint16(id), err == nil && header.Get(oldSubject) != ""
}

// retainedOf reads a retained message; false if it is none, but the mark of one that
// was deleted.
func retainedOf(stored *server.StoredMsg) (m OldMessage, ok bool) {
	subject := strings.TrimPrefix(stored.Subject, oldRetainedSubject)
	m = OldMessage{Topic: oldTopic(subject), Payload: stored.Data, Received: stored.Time}
	header, err := nats.DecodeHeadersMsg(stored.Header)
	value := header.Get(oldRFlags)
	if len(stored.Header) == 0 || err != nil || value == "" { // nats-server before 2.11
		var old struct {
			Msg   []byte `json:"msg"`
			Flags byte   `json:"flags"`
		}
		if json.Unmarshal(stored.Data, &old) != nil {
			return m, false
		}
		m.Payload, value = old.Msg, strconv.FormatUint(uint64(old.Flags), 16)
	}
	flags, err := strconv.ParseUint(value, 16, 8)
	m.QoS = byte(flags>>1) & 3
	return m, err == nil && len(m.Payload) > 0 && m.QoS < 3
}

// oldTopic is the MQTT topic or filter of a NATS subject: nats-server writes / as . and
// a . as //, an empty first level as / before the . and any other one as / between two.
func oldTopic(subject string) string {
	out := make([]byte, 0, len(subject))
	for i := 0; i < len(subject); i++ {
		alone := (i == 0 || subject[i-1] == '.') && (i+1 == len(subject) || subject[i+1] == '.')
		switch c := subject[i]; {
		case c == '/' && i+1 < len(subject) && subject[i+1] == '/':
			out, i = append(out, '.'), i+1
		case c == '/' && i+1 < len(subject) && subject[i+1] == '.':
			out, i = append(out, '/'), i+1
		case c == '/': // the level is empty
		case c == '.':
			out = append(out, '/')
		case c == '*' && alone:
			out = append(out, '+')
		case c == '>' && alone:
			out = append(out, '#')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}
