package door

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

const (
	// maxAliases is how many topic aliases a client of MQTT 5 may have.
	maxAliases = 16
	// maxAuthenticating bounds how many logins are looked at at once: hashing a secret
	// takes memory by design.
	maxAuthenticating = 32
)

// errHeld says that the answer to a CONNECT is held back: a timer gives it.
var errHeld = errors.New("the answer is held back")

// denial is why a CONNECT is refused.
type denial struct {
	kind   RefusalKind
	topic  string // of the will
	reason string
	code   packets.Code
	guess  bool // it may be an attempt to guess a secret
}

func (n *denial) Error() string { return n.reason }

func deny(code packets.Code, format string, args ...any) *denial {
	return &denial{kind: RefusedConnect, reason: fmt.Sprintf(format, args...), code: code}
}

// connect deals with the first packet.
func (c *conn) connect(ctx context.Context, body []byte) error {
	body = bytes.Clone(body) // texts refer to it
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect, Remaining: len(body)}}
	if no := c.readConnect(&pk, body); no != nil {
		return c.deny(no)
	}
	present, no := c.login(ctx, &pk)
	if no != nil {
		return c.deny(no)
	}
	c.welcome(&pk, present)
	if c.session != nil {
		c.session.Start()
	}
	return nil
}

// readConnect decodes and checks a CONNECT.
func (c *conn) readConnect(pk *packets.Packet, body []byte) *denial {
	name, level, ok := protocol(body)
	c.version = level
	switch {
	case !ok || name != "MQTT" && name != "MQIsdp":
		c.version = 4
		return &denial{kind: RefusedConnect, reason: fmt.Sprintf("the protocol %q is not MQTT", clip(name)), code: packets.ErrMalformedProtocolName}
	case name == "MQIsdp" && level != 3 || name == "MQTT" && level != 4 && level != 5:
		if c.version = 4; level > 5 && level < 0x80 {
			c.version = 5
		}
		c.claim(body, 2+len(name))
		return deny(packets.ErrUnsupportedProtocolVersion, "protocol version %d of %s is not known: 3.1, 3.1.1 and 5 are", level, name)
	}
	if err := pk.ConnectDecode(body); err != nil {
		code := packets.ErrMalformedPacket
		errors.As(err, &code)
		return deny(code, "%v", err)
	}
	return c.checkConnect(pk)
}

// claim notes who comes in a version that is not known, for the refusal alone: it is most
// likely a CONNECT of MQTT 3 under a wrong number, which stands at level.
func (c *conn) claim(body []byte, level int) {
	body = bytes.Clone(body)
	body[level] = 4
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect, Remaining: len(body)}}
	if pk.ConnectDecode(body) != nil {
		return
	}
	if k := &pk.Connect; utf8.Valid(k.Username) && len(k.Username) <= maxName && len(k.ClientIdentifier) <= maxName {
		c.username, c.clientID = string(k.Username), strings.Clone(k.ClientIdentifier)
	}
}

// protocol reads the protocol's name and level.
func protocol(body []byte) (name string, level byte, ok bool) {
	if len(body) < 2 {
		return "", 0, false
	}
	n := int(binary.BigEndian.Uint16(body))
	if len(body) < 2+n+1 {
		return "", 0, false
	}
	return string(body[2 : 2+n]), body[2+n], true
}

// checkConnect checks what the codec does not.
func (c *conn) checkConnect(pk *packets.Packet) *denial {
	k := &pk.Connect
	c.username = string(k.Username)
	c.clientID = strings.Clone(k.ClientIdentifier)
	switch {
	case pk.ReservedBit != 0:
		return deny(packets.ErrProtocolViolationReservedBit, "a reserved bit is set")
	case k.PasswordFlag && !k.UsernameFlag && c.version < 5:
		return deny(packets.ErrProtocolViolationPasswordNoFlag, "a password without a user name")
	case !utf8.Valid(k.Username):
		c.username = ""
		return deny(packets.ErrMalformedUsername, "the user name is not UTF-8")
	case k.WillFlag && k.WillQos > 2, !k.WillFlag && (k.WillQos > 0 || k.WillRetain):
		return deny(packets.ErrProtocolViolation, "the flags of the will contradict each other")
	case pk.Properties.AuthenticationMethod != "":
		return deny(packets.ErrBadAuthenticationMethod, "the authentication method %q is not known: user name and password are", clip(pk.Properties.AuthenticationMethod))
	case len(k.Username) > maxName || len(k.ClientIdentifier) > maxName:
		return &denial{kind: RefusedConnect, reason: fmt.Sprintf("user name or client id longer than %d bytes", maxName), code: packets.ErrClientIdentifierTooLong, guess: true}
	case len(k.Password) > maxSecret:
		return &denial{kind: RefusedConnect, reason: fmt.Sprintf("password longer than %d bytes", maxSecret), code: packets.ErrBadUsernameOrPassword, guess: true}
	case k.ClientIdentifier == "" && (c.version == 3 || c.version == 4 && !k.Clean):
		return deny(packets.ErrClientIdentifierNotValid, "an empty client id, which this version of MQTT allows only from 3.1.1 on with a clean session")
	case k.WillFlag && !isTopicName(k.WillTopic):
		no := deny(packets.ErrTopicNameInvalid, "the will's topic is empty or has a wildcard")
		no.kind, no.topic = RefusedPublish, k.WillTopic
		return no
	}
	if c.clientID == "" {
		c.clientID = "door-" + rand.Text()
	}
	return nil
}

// login finds out who it is and attaches its session.
func (c *conn) login(ctx context.Context, pk *packets.Packet) (present bool, no *denial) {
	d := c.d
	addr := c.remote.Addr()
	if d.o.TLS != nil && !d.o.PlainBeyond && !c.tls && !c.local {
		return false, deny(packets.ErrNotAuthorized, "not encrypted: from another machine only TLS is accepted")
	}
	if !d.guesses.allowed(addr, c.username, d.o.Now()) {
		return false, deny(packets.ErrConnectionRateExceeded, "too many refused connections from this address, or of this user name from there: not looked at")
	}
	d.clients.ask(c)
	grant, err := d.authenticate(ctx, Login{ClientID: c.clientID, Username: c.username, Password: Secret(pk.Connect.Password), Remote: c.remote, TLS: c.tls})
	pk.Connect.Password = nil
	if err != nil {
		return false, c.denied(ctx, pk, err)
	}
	d.guesses.succeeded(addr, c.username)
	c.grant = grant
	c.limited = !grant.Internal && d.o.Authenticator != nil
	if k := &pk.Connect; k.WillFlag && !c.grant.mayPublish(k.WillTopic) {
		return false, &denial{kind: RefusedPublish, topic: k.WillTopic, reason: "publishing the will to this topic is not granted", code: packets.ErrNotAuthorized}
	}
	c.settle(pk)
	out, err := d.clients.admit(c, d.o.Now())
	if err != nil {
		code := packets.ErrServerUnavailable
		var limit *limitError
		if errors.As(err, &limit) {
			code = limit.code
		}
		return false, deny(code, "%v", err)
	}
	if out != nil {
		out.end(packets.ErrKeepAliveTimeout, "silent, and another connection of the same user needs its place")
	}
	return c.attach(ctx, pk)
}

// errBusy says that others were looked at for as long as this one may take.
var errBusy = errors.New("too many are being looked at")

// authenticate asks the authenticator, a bounded number of times at once.
func (d *Door) authenticate(ctx context.Context, login Login) (Grant, error) {
	select {
	case d.authenticating <- struct{}{}:
	case <-ctx.Done():
		return Grant{}, errStopping
	case <-time.After(d.o.Limits.ConnectTimeout):
		return Grant{}, errBusy
	}
	defer func() { <-d.authenticating }()
	who := d.o.Authenticator
	if who == nil {
		who = anyone{}
	}
	grant, err := who.Authenticate(ctx, login)
	if err == nil && grant.Identity == "" {
		err = errors.New("the grant has no identity")
	}
	return grant, err
}

// denied is what the authenticator has said against it.
func (c *conn) denied(ctx context.Context, pk *packets.Packet, err error) *denial {
	if ctx.Err() != nil {
		return deny(packets.ErrServerShuttingDown, "the door is stopping")
	}
	if errors.Is(err, errBusy) {
		return deny(codeBusy(), "%v", err)
	}
	if errors.Is(err, ErrUnavailable) {
		return deny(packets.ErrServerUnavailable, "%v", err)
	}
	c.d.guesses.failed(c.remote.Addr(), c.username, c.d.o.Now())
	code := packets.ErrBadUsernameOrPassword
	if !pk.Connect.UsernameFlag && !pk.Connect.PasswordFlag {
		code = packets.ErrNotAuthorized
	}
	errors.As(err, &code)
	return &denial{kind: RefusedConnect, reason: err.Error(), code: code, guess: true}
}

// settle notes what CONNECT says of the connection.
func (c *conn) settle(pk *packets.Packet) {
	c.keepAlive = time.Duration(pk.Connect.Keepalive) * time.Second
	if most := c.d.o.Limits.KeepAliveAtMost; most > 0 && c.version == 5 && (c.keepAlive == 0 || c.keepAlive > most) {
		c.keepAlive = most
	}
	c.maxPacket = pk.Properties.MaximumPacketSize
	c.sessionless = c.version == 5 && pk.Properties.SessionExpiryInterval == 0
	c.noProblems = pk.Properties.RequestProblemInfoFlag && pk.Properties.RequestProblemInfo == 0
}

// attach gives the connection its session.
func (c *conn) attach(ctx context.Context, pk *packets.Packet) (present bool, no *denial) {
	if c.d.o.Sessions == nil {
		return false, nil
	}
	k := &pk.Connect
	want := session.Connect{
		Key: session.Key{User: c.grant.Identity, Client: c.clientID}, Version: c.version, Clean: k.Clean,
		ReceiveMaximum: pk.Properties.ReceiveMaximum, MaximumPacket: c.maxPacket, Internal: c.grant.Internal, Allowed: c.grant.maySubscribe,
	}
	want.Expiry = wanted(pk)
	if c.d.o.Authenticator == nil {
		want.Key.User = "" // nobody's: what one user may have is not for all
	}
	if k.WillFlag {
		want.Will = &session.Will{Delay: time.Duration(k.WillProperties.WillDelayInterval) * time.Second}
		want.Will.Publication = session.Publication{Topic: k.WillTopic, Payload: k.WillPayload, QoS: k.WillQos, Retain: k.WillRetain, Properties: k.WillProperties}
		ownTexts(&want.Will.Publication)
	}
	x, present, err := c.d.o.Sessions.Attach(ctx, want, c)
	if err != nil {
		code := packets.ErrServerUnavailable
		errors.As(err, &code)
		return false, deny(code, "%v", err)
	}
	c.session = x
	return present, nil
}

// wanted is how long the client wants its session to stay.
func wanted(pk *packets.Packet) time.Duration {
	switch s := pk.Properties.SessionExpiryInterval; {
	case pk.ProtocolVersion < 5 && pk.Connect.Clean:
		return 0
	case pk.ProtocolVersion < 5, s == math.MaxUint32:
		return math.MaxInt64
	default:
		return time.Duration(s) * time.Second
	}
}

// welcome sends CONNACK.
func (c *conn) welcome(pk *packets.Packet, present bool) {
	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, SessionPresent: present}
	if c.version == 5 {
		p := &ack.Properties
		p.ReceiveMaximum = uint16(min(c.d.o.Limits.InFlight, math.MaxUint16))
		p.MaximumPacketSize = uint32(c.d.o.Limits.Packet)
		p.TopicAliasMaximum = maxAliases
		if pk.Connect.ClientIdentifier == "" {
			p.AssignedClientID = c.clientID
		}
		if c.keepAlive != time.Duration(pk.Connect.Keepalive)*time.Second {
			p.ServerKeepAlive, p.ServerKeepAliveFlag = uint16(c.keepAlive/time.Second), true
		}
		if c.session != nil {
			if e := c.session.Expiry(); !c.sessionless && e < wanted(pk) {
				p.SessionExpiryInterval, p.SessionExpiryIntervalFlag = uint32(e/time.Second), true
			}
		} else {
			p.SharedSubAvailableFlag, p.WildcardSubAvailableFlag, p.SubIDAvailableFlag = true, true, true
		}
	}
	b, err := c.encode(&ack)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.putLocked(b...) {
		c.welcomed = true
	}
}

// deny answers a CONNECT that is refused, and ends the connection: at once, or after a
// while where it may be a guess. It holds no goroutine meanwhile.
func (c *conn) deny(no *denial) error {
	c.refused(no.kind, no.topic, no.reason, no.code)
	answer := func() {
		if b := c.refusal(no); b != nil {
			c.put(b...)
		}
		c.end(no.code, "")
		c.d.clients.leave(c)
	}
	if no.guess && c.d.o.RefusalDelay > 0 {
		time.AfterFunc(c.d.o.RefusalDelay, answer)
	} else {
		answer()
	}
	return errHeld
}

// refusal is the CONNACK of a refused CONNECT; nil where MQTT has none.
func (c *conn) refusal(no *denial) []byte {
	code := no.code.Code
	if c.version < 5 {
		switch {
		case code == packets.ErrUnsupportedProtocolVersion.Code:
			code = packets.Err3UnsupportedProtocolVersion.Code
		case code == packets.ErrClientIdentifierNotValid.Code:
			code = packets.Err3ClientIdentifierNotValid.Code
		case code == packets.ErrBadUsernameOrPassword.Code:
			code = packets.ErrMalformedUsernameOrPassword.Code
		case code == packets.ErrNotAuthorized.Code, code == packets.ErrBanned.Code:
			code = packets.Err3NotAuthorized.Code
		case code == packets.ErrMalformedPacket.Code, code == packets.ErrProtocolViolation.Code, code == packets.ErrTopicNameInvalid.Code:
			return nil
		default:
			code = packets.Err3ServerUnavailable.Code
		}
	}
	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, ReasonCode: code}
	if !no.guess { // who guesses learns nothing
		ack.Properties.ReasonString = clip(no.reason)
	}
	b, err := c.encode(&ack)
	if err != nil {
		return nil
	}
	return b
}

// refused reports something that this client may not do.
func (c *conn) refused(kind RefusalKind, topic, reason string, code packets.Code) {
	c.d.report(Refusal{Kind: kind, Identity: c.grant.Identity, Username: c.username, ClientID: c.clientID, Topic: topic, Reason: reason, Code: code.Code, Remote: c.remote})
}

// codeBusy is for those who are let in when there is less to do.
func codeBusy() packets.Code { return packets.ErrServerBusy }

// limitText says by how much a limit is exceeded.
func limitText(what string, is int, of string, limit int) string {
	return fmt.Sprintf("%s %d %s: the limit is %d", what, is, of, limit)
}
