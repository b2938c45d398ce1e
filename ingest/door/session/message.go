package session

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// overhead is what a message, a subscription or a session is taken to need beside its
// texts, in memory and in the file.
const (
	overhead        = 200
	sessionOverhead = 1024
	// perLevel is that of each level of a tree of filters or topics.
	perLevel = 64
)

// message is an application message that waits for sessions or is retained. It is shared
// and not changed.
type message struct {
	topic      string
	payload    []byte
	qos        byte
	properties packets.Properties // only those that travel to subscribers
	received   time.Time
	expires    time.Time // zero is never
	owner      string    // the user who published it
	size       int64

	// holders are the deliveries that wait with it, so that its bytes count once.
	holders atomic.Int32
	// row and rows are the writer's: its row in the file, and how many refer to it.
	row  int64
	rows int
}

func newMessage(p *Publication) *message {
	m := &message{topic: p.Topic, payload: p.Payload, qos: p.QoS, received: p.Received, properties: travelling(p.Properties)}
	if p.From != nil {
		m.owner = p.From.st.key.User
	}
	if s := p.Properties.MessageExpiryInterval; s > 0 {
		m.expires = p.Received.Add(time.Duration(s) * time.Second)
	}
	const perUser = 48 // what two texts take beside their letters
	m.size = overhead + int64(len(m.topic)+len(m.payload)+propertiesSize(&m.properties)+perUser*len(m.properties.User))
	return m
}

// travelling are the properties that a broker passes on unaltered (MQTT 5, 3.3.2.3).
func travelling(p packets.Properties) packets.Properties {
	return packets.Properties{
		PayloadFormat: p.PayloadFormat, PayloadFormatFlag: p.PayloadFormatFlag,
		MessageExpiryInterval: p.MessageExpiryInterval, ContentType: p.ContentType,
		ResponseTopic: p.ResponseTopic, CorrelationData: p.CorrelationData, User: p.User,
	}
}

// propertiesSize is the most that properties take in a packet, in bytes.
func propertiesSize(p *packets.Properties) int {
	n := 16 + len(p.ContentType) + len(p.ResponseTopic) + len(p.CorrelationData) + 5*len(p.SubscriptionIdentifier)
	for _, u := range p.User {
		n += 5 + len(u.Key) + len(u.Val)
	}
	return n
}

func (m *message) expired(now time.Time) bool { return !m.expires.IsZero() && !now.Before(m.expires) }

// packet is the PUBLISH by which a session gets the message. Payload and properties are
// shared with other packets.
func (m *message) packet(version, qos byte, now time.Time) packets.Packet {
	p := packets.Packet{
		ProtocolVersion: version, TopicName: m.topic, Payload: m.payload,
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos},
	}
	if version >= 5 {
		p.Properties = m.properties
		p.Mods.AllowResponseInfo = true
		if !m.expires.IsZero() {
			p.Properties.MessageExpiryInterval = uint32(max(1, math.Ceil(m.expires.Sub(now).Seconds())))
		}
	}
	return p
}

// delivery is one message of QoS 1 or 2 on its way to one session: waiting, under way,
// or (QoS 2) received by the client and not yet completed.
type delivery struct {
	m          *message
	prev, next *delivery
	seq        int64
	id         uint16
	qos        byte
	retain     bool
	ids        []int // subscription identifiers
	sent       bool  // on this connection or one before
	flying     bool  // on this connection
	released   bool  // PUBREC has come
	held       bool  // not to be sent before it is in the file
	row        atomic.Int32
}

// What the file has of a delivery.
const (
	rowNone    int32 = iota // and needs nothing
	rowWaiting              // is to be written
	rowWritten
	rowUnneeded // was completed before it was written
)

// queue is a session's deliveries in order. Those before cursor have been sent on this
// connection.
type queue struct {
	head, tail, cursor *delivery
	n, flying          int
	bytes              int64
	byID               map[uint16]*delivery
	lastID             uint16
	lastSeq            int64
}

// push puts a delivery at the end, or before the cursor.
func (q *queue) push(d *delivery, beforeCursor bool) {
	if d.id == 0 {
		d.id = q.freeID()
	}
	if q.byID == nil {
		q.byID = map[uint16]*delivery{}
	}
	q.byID[d.id] = d
	at := q.cursor
	if !beforeCursor {
		at = nil
	}
	if d.next = at; at != nil {
		d.prev, at.prev = at.prev, d
	} else {
		d.prev, q.tail = q.tail, d
	}
	if d.prev != nil {
		d.prev.next = d
	} else {
		q.head = d
	}
	if !beforeCursor && q.cursor == nil {
		q.cursor = d
	}
	q.n++
	q.bytes += d.m.size
}

// freeID is a packet identifier that no delivery has. There are more than a session can
// have deliveries.
func (q *queue) freeID() uint16 {
	for {
		q.lastID++
		if _, taken := q.byID[q.lastID]; q.lastID != 0 && !taken {
			return q.lastID
		}
	}
}

func (q *queue) remove(d *delivery) {
	delete(q.byID, d.id)
	if q.cursor == d {
		q.cursor = d.next
	}
	if d.prev != nil {
		d.prev.next = d.next
	} else {
		q.head = d.next
	}
	if d.next != nil {
		d.next.prev = d.prev
	} else {
		q.tail = d.prev
	}
	d.prev, d.next = nil, nil
	if d.flying {
		d.flying = false
		q.flying--
	}
	q.n--
	q.bytes -= d.m.size
}

// rewind makes all of it to be sent on a new connection.
func (q *queue) rewind() {
	for d := q.head; d != q.cursor; d = d.next {
		d.flying = false
	}
	q.flying, q.cursor = 0, q.head
}
