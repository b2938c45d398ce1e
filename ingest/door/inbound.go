package door

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

// packet deals with one packet of a client.
func (c *conn) packet(ctx context.Context, first byte, body []byte) error {
	var head packets.FixedHeader
	if err := head.Decode(first); err != nil {
		return err
	}
	head.Remaining = len(body)
	if c.version == 0 {
		return c.connect(ctx, body)
	}
	switch head.Type {
	case packets.Publish:
		return c.publish(ctx, head, body)
	case packets.Pingreq:
		c.put(packets.Pingresp<<4, 0)
		return nil
	}
	pk := packets.Packet{FixedHeader: head, ProtocolVersion: c.version}
	switch head.Type {
	case packets.Puback, packets.Pubrec, packets.Pubcomp:
		if err := pk.PubackDecode(body); err != nil { // all three are alike
			return err
		}
		if c.session != nil {
			c.session.Acknowledge(pk)
		}
		return nil
	case packets.Pubrel:
		return c.release(&pk, body)
	case packets.Subscribe:
		return c.subscribe(ctx, &pk, body)
	case packets.Unsubscribe:
		return c.unsubscribe(ctx, &pk, body)
	case packets.Disconnect:
		return c.disconnect(&pk, body)
	case packets.Connect:
		return packets.ErrProtocolViolationSecondConnect
	}
	// AUTH without an authentication method, and what only a server sends.
	return packets.ErrProtocolViolation
}

// topic is what is known of the topic that a client published to last: most have one.
type topic struct {
	name     string
	locality *rate
	direct   bool // not for the journal
	bad      string
	code     packets.Code
}

// isTopicName says whether a name is one that may be published to.
func isTopicName(name string) bool { return name != "" && !strings.ContainsAny(name, "+#") }

// about finds out about a topic. The name may lie in a buffer that is used again.
func (c *conn) about(name string) *topic {
	if name == c.topic.name && name != "" {
		return &c.topic
	}
	t := topic{name: strings.Clone(name)}
	switch {
	case name == "":
		t.bad, t.code = "the topic is empty", packets.ErrTopicNameInvalid
	case !isTopicName(name):
		t.bad, t.code = "the topic has a wildcard", packets.ErrTopicNameInvalid
	case !c.grant.mayPublish(name):
		t.bad, t.code = "publishing to this topic is not granted", packets.ErrNotAuthorized
	}
	t.direct = c.d.o.NotTelemetry != nil && c.d.o.NotTelemetry(t.name)
	if c.limited {
		t.locality = c.d.clients.localityRate(locality(t.name), c.now)
	}
	c.topic = t
	return &c.topic
}

// locality is the second level of a topic, where that may be one.
func locality(topic string) string {
	_, rest, _ := strings.Cut(topic, "/")
	name, _, more := strings.Cut(rest, "/")
	if !more || len(name) > 64 {
		return ""
	}
	return strings.Clone(name)
}

// publish takes a message, or refuses it. It waits while too much of the client's waits
// for the journal.
func (c *conn) publish(ctx context.Context, head packets.FixedHeader, body []byte) error {
	var own packets.Packet
	pk := &own
	if c.scratch != nil {
		pk = &c.scratch.pk
		pk.TopicName, pk.PacketID, pk.Payload = "", 0, nil
	}
	pk.FixedHeader, pk.ProtocolVersion = head, c.version
	if c.version == 5 {
		size, some, err := c.properties(head, body)
		if err != nil {
			return c.malformed(err)
		}
		if size > maxOther {
			c.tooLarge(packets.Publish, size, maxOther)
			return packets.ErrPacketTooLarge
		}
		if pk.Properties = (packets.Properties{}); some {
			body = bytes.Clone(body) // properties refer to it
		}
	}
	if err := pk.PublishDecode(body); err != nil {
		return c.malformed(err)
	}
	if head.Qos > 0 && pk.PacketID == 0 {
		return c.malformed(packets.ErrProtocolViolationNoPacketID)
	}
	if len(pk.Properties.SubscriptionIdentifier) > 0 {
		return c.malformed(packets.ErrProtocolViolationSurplusSubID)
	}
	if err := c.alias(pk); err != nil {
		return c.malformed(err)
	}
	t := c.about(pk.TopicName)
	if t.bad != "" {
		return c.refusePublish(pk, t)
	}
	if head.Qos == 2 && c.session != nil && c.session.Repeated(pk.PacketID, t.name, pk.Payload, head.Dup) {
		c.put(packets.Pubrec<<4, 2, byte(pk.PacketID>>8), byte(pk.PacketID))
		return nil
	}
	if err := c.count(pk); err != nil {
		return err
	}
	if err := c.slow(t); err != nil {
		return err
	}
	return c.take(t, pk)
}

// count bounds the messages of QoS 2 that are under way by the Receive Maximum that
// CONNACK of MQTT 5 has named: they are until PUBCOMP.
func (c *conn) count(pk *packets.Packet) error {
	if pk.FixedHeader.Qos < 2 || c.version < 5 {
		return nil
	}
	if c.unreleased == nil {
		c.unreleased = map[uint16]struct{}{}
	}
	if c.unreleased[pk.PacketID] = struct{}{}; len(c.unreleased) > c.d.o.Limits.InFlight {
		return c.malformed(packets.ErrReceiveMaximum)
	}
	return nil
}

// malformed tells of a PUBLISH that cannot be one.
func (c *conn) malformed(err error) error {
	code := packets.ErrMalformedPacket
	errors.As(err, &code)
	c.refused(RefusedPublish, "", err.Error(), code)
	return code
}

// properties says how long the properties of a PUBLISH of MQTT 5 say they are, and
// whether there are any.
func (c *conn) properties(head packets.FixedHeader, body []byte) (size int, some bool, err error) {
	if len(body) < 2 {
		return 0, false, packets.ErrMalformedTopic
	}
	at := 2 + int(binary.BigEndian.Uint16(body))
	if head.Qos > 0 {
		at += 2
	}
	if at >= len(body) {
		return 0, false, packets.ErrMalformedProperties
	}
	size, n, err := packets.DecodeLength(bytes.NewReader(body[at:min(at+4, len(body))]))
	if err != nil || at+n+size > len(body) {
		return 0, false, packets.ErrMalformedProperties
	}
	return size, size > 0, nil
}

// alias replaces a topic alias by its topic, or remembers it.
func (c *conn) alias(pk *packets.Packet) error {
	n := int(pk.Properties.TopicAlias)
	if !pk.Properties.TopicAliasFlag {
		return nil
	}
	if n == 0 || n > maxAliases {
		return packets.ErrTopicAliasInvalid
	}
	if c.aliases == nil {
		c.aliases = make([]string, maxAliases+1)
	}
	if pk.TopicName != "" {
		c.aliases[n] = strings.Clone(pk.TopicName)
	} else if pk.TopicName = c.aliases[n]; pk.TopicName == "" {
		return packets.ErrProtocolViolation
	}
	pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = 0, false
	return nil
}

// refusePublish answers a message that is not taken: MQTT 5 has a code for it, in MQTT 3
// only the end of the connection says so.
func (c *conn) refusePublish(pk *packets.Packet, t *topic) error {
	c.refused(RefusedPublish, t.name, t.bad, t.code)
	if c.version < 5 || pk.FixedHeader.Qos == 0 {
		return t.code
	}
	kind := packets.Puback
	if pk.FixedHeader.Qos == 2 {
		kind = packets.Pubrec
	}
	answer := packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: pk.PacketID, ReasonCode: t.code.Code}
	answer.Properties.ReasonString = t.bad
	c.answer(answer)
	return nil
}

// slow makes a client wait that sends more than a limit allows. Nothing is refused, and
// so nothing is lost: it is not read from until it may go on.
func (c *conn) slow(t *topic) error {
	if c.rate == nil && t.locality == nil {
		return nil
	}
	for _, l := range []struct {
		rate *rate
		name string
	}{{c.rate, "device"}, {t.locality, "locality"}} {
		wait := l.rate.take(1, c.now)
		if wait <= 0 {
			continue
		}
		if l.rate.tell(c.now) {
			c.refused(RefusedPublish, t.name, fmt.Sprintf("made to wait, nothing is lost: more than %g messages a second of one %s, over a minute (--mqtt-%s-rate)", l.rate.perSecond, l.name, l.name), packets.ErrQuotaExceeded)
		}
		c.d.metrics.slowed.WithLabelValues(l.name).Add(wait.Seconds())
		if err := c.hold(wait); err != nil {
			return err
		}
	}
	return nil
}

// hold waits, unless the connection ends. What is to be written is written first.
func (c *conn) hold(wait time.Duration) error {
	c.flush()
	c.blocked.Store(true)
	defer c.unblock()
	for wait > 0 {
		if c.over() {
			return errEnded
		}
		if c.d.stopping.Load() {
			return errStopping
		}
		step := min(wait, 100*time.Millisecond)
		time.Sleep(step)
		wait -= step
	}
	return nil
}

// unblock notes that the connection is being read from again.
func (c *conn) unblock() {
	c.now = c.d.o.Now()
	c.heard.Store(c.now.UnixNano())
	c.blocked.Store(false)
}

// release deals with PUBREL.
func (c *conn) release(pk *packets.Packet, body []byte) error {
	if err := pk.PubrelDecode(body); err != nil {
		return err
	}
	delete(c.unreleased, pk.PacketID)
	answer := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubcomp}, PacketID: pk.PacketID}
	if c.session != nil && !c.session.Release(pk.PacketID) {
		answer.ReasonCode = packets.ErrPacketIdentifierNotFound.Code
	}
	c.answer(answer)
	return nil
}

// subscribe deals with SUBSCRIBE.
func (c *conn) subscribe(ctx context.Context, pk *packets.Packet, body []byte) error {
	if !wholeSubscribe(body, c.version) {
		return packets.ErrMalformedPacket
	}
	if err := pk.SubscribeDecode(bytes.Clone(body)); err != nil {
		return err
	}
	if pk.PacketID == 0 || len(pk.Filters) == 0 {
		return packets.ErrProtocolViolation
	}
	identifier := 0
	if ids := pk.Properties.SubscriptionIdentifier; len(ids) > 0 {
		if identifier = ids[0]; identifier == 0 || len(ids) > 1 {
			return packets.ErrProtocolViolation
		}
	}
	codes, err := c.subscriptions(ctx, pk.Filters, identifier)
	if err != nil {
		return err
	}
	if c.version < 5 {
		for i := range codes {
			if codes[i] >= packets.ErrUnspecifiedError.Code {
				codes[i] = packets.ErrUnspecifiedError.Code
			}
		}
	}
	c.answer(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Suback}, PacketID: pk.PacketID, ReasonCodes: codes})
	return nil
}

// subscriptions has the session subscribe, and tells of what it may not.
func (c *conn) subscriptions(ctx context.Context, filters packets.Subscriptions, identifier int) ([]byte, error) {
	if c.session == nil {
		return bytes.Repeat([]byte{packets.ErrImplementationSpecificError.Code}, len(filters)), nil
	}
	codes, err := c.session.Subscribe(ctx, filters, identifier, func(filter string) packets.Code {
		if !c.grant.maySubscribe(filter) {
			return packets.ErrNotAuthorized
		}
		return packets.CodeSuccess
	})
	if err != nil {
		return nil, asCode(err, packets.ErrUnspecifiedError)
	}
	for i, code := range codes {
		var reason string
		if code == packets.ErrUnspecifiedError.Code { // the one failure that MQTT 3 has
			code = packets.ErrQuotaExceeded.Code
			if !c.grant.maySubscribe(filters[i].Filter) {
				code = packets.ErrNotAuthorized.Code
			}
		}
		switch code {
		case packets.ErrNotAuthorized.Code:
			reason = "subscribing to this filter is not granted"
		case packets.ErrQuotaExceeded.Code:
			reason = "a limit of the session is reached, or it cannot be written"
		case packets.ErrImplementationSpecificError.Code:
			reason = "the session cannot be written: see the log of the city"
		case packets.ErrTopicFilterInvalid.Code:
			reason = "the filter is not one"
		default:
			continue
		}
		c.refused(RefusedSubscribe, filters[i].Filter, reason, packets.Code{Code: code})
	}
	return codes, nil
}

// wholeSubscribe says whether each filter has its options: the codec takes it for granted.
func wholeSubscribe(body []byte, version byte) bool {
	at := 2
	if version == 5 {
		if at >= len(body) {
			return false
		}
		size, n, err := packets.DecodeLength(bytes.NewReader(body[at:min(at+4, len(body))]))
		if err != nil {
			return false
		}
		at += n + size
	}
	for at < len(body) {
		if at+2 > len(body) {
			return false
		}
		at += 2 + int(binary.BigEndian.Uint16(body[at:])) + 1
	}
	return at == len(body)
}

// unsubscribe deals with UNSUBSCRIBE.
func (c *conn) unsubscribe(ctx context.Context, pk *packets.Packet, body []byte) error {
	if err := pk.UnsubscribeDecode(bytes.Clone(body)); err != nil {
		return err
	}
	if pk.PacketID == 0 || len(pk.Filters) == 0 {
		return packets.ErrProtocolViolation
	}
	codes := bytes.Repeat([]byte{packets.CodeNoSubscriptionExisted.Code}, len(pk.Filters))
	if c.session != nil {
		filters := make([]string, len(pk.Filters))
		for i, f := range pk.Filters {
			filters[i] = f.Filter
		}
		var err error
		if codes, err = c.session.Unsubscribe(ctx, filters); err != nil {
			return asCode(err, packets.ErrUnspecifiedError)
		}
	}
	c.answer(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Unsuback}, PacketID: pk.PacketID, ReasonCodes: codes})
	return nil
}

// asCode is the code that an error wraps.
func asCode(err error, otherwise packets.Code) packets.Code {
	errors.As(err, &otherwise)
	return otherwise
}

// disconnect deals with DISCONNECT.
func (c *conn) disconnect(pk *packets.Packet, body []byte) error {
	if err := pk.DisconnectDecode(body); err != nil {
		return err
	}
	if c.version == 5 && len(body) == 1 { // the codec reads no code that stands alone
		pk.ReasonCode = body[0]
	}
	if p := &pk.Properties; p.SessionExpiryIntervalFlag {
		expiry := time.Duration(p.SessionExpiryInterval) * time.Second
		if expiry > 0 && c.sessionless {
			return packets.ErrProtocolViolationZeroNonZeroExpiry
		}
		c.expiry = &expiry
	}
	c.graceful = pk.ReasonCode == packets.CodeDisconnect.Code
	return errGone
}

// errGone says that the client has said good bye.
var errGone = errors.New("disconnected by the client")

// ownTexts gives a publication texts of its own: the codec's lie in the buffer.
func ownTexts(p *session.Publication) {
	p.Topic, p.Payload = strings.Clone(p.Topic), bytes.Clone(p.Payload)
	q := &p.Properties
	q.ContentType, q.ResponseTopic = strings.Clone(q.ContentType), strings.Clone(q.ResponseTopic)
	q.CorrelationData = bytes.Clone(q.CorrelationData)
	q.User = append([]packets.UserProperty(nil), q.User...)
	for i, u := range q.User {
		q.User[i] = packets.UserProperty{Key: strings.Clone(u.Key), Val: strings.Clone(u.Val)}
	}
}
