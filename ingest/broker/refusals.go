package broker

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// maxReports bounds the refusals that wait to be told.
const maxReports = 1024

// reports carries refusals out of nats-server's goroutines, which may hold its
// locks while they log, to one of ours.
type reports struct {
	waiting chan violation

	mu   sync.Mutex
	lost int
}

// violation is a refusal that may still have to be completed and acted on.
type violation struct {
	Refusal
	// key is of the connection that did it; zero if it was not let in.
	key sessionKey
}

func newReports() *reports { return &reports{waiting: make(chan violation, maxReports)} }

func (r *reports) add(v violation) {
	v.Time = time.Now()
	v.Username, v.ClientID, v.Topic, v.Reason = clip(v.Username), clip(v.ClientID), clip(v.Topic), clip(v.Reason)
	select {
	case r.waiting <- v:
	default:
		r.mu.Lock()
		r.lost++
		r.mu.Unlock()
	}
}

func (r *reports) takeLost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.lost
	r.lost = 0
	return n
}

func (b *Broker) report(r Refusal) { b.reports.add(violation{Refusal: r}) }

// tell passes refusals on until ctx ends, and ends the connections of those who
// published what they may not: MQTT 3.1.1 knows no refusal of a publish, and
// nats-server acknowledges it and drops it, which a device would take for success.
func (b *Broker) tell(ctx context.Context) {
	limited := &limiter{}
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-b.reports.waiting:
			b.tellOne(limited, v)
		}
	}
}

func (b *Broker) tellOne(limited *limiter, v violation) {
	if v.key.srv != nil {
		if s, ok := b.sessions.of(v.key); ok {
			v.Identity, v.Username, v.Remote = s.identity, clip(s.username), s.remote
		}
		if v.Kind == RefusedPublish {
			v.key.disconnect()
		}
	}
	if n := b.reports.takeLost(); n > 0 {
		b.log.Warn("more MQTT clients were refused than could be reported", "refusals", n)
	}
	if ok, silent := limited.allow(v.Time); ok {
		if silent > 0 {
			b.log.Warn("more was not logged", "lines", silent)
		}
		b.log.Warn("MQTT client refused", "kind", string(v.Kind), "identity", v.Identity, "user", v.Username,
			"client", v.ClientID, "topic", v.Topic, "reason", v.Reason, "remote", v.Remote.String())
	}
	if b.opts.OnRefused != nil {
		b.opts.OnRefused(v.Refusal)
	}
}

// mqttClient is how nats-server names a client in its log.
type mqttClient struct {
	id       uint64
	clientID string
}

// identify reads `ADDRESS - mid:ID - "CLIENT"`, nats-server's name of an MQTT
// client that has sent CONNECT.
func identify(name string) (mqttClient, bool) {
	who, rest, ok := cutClient(name)
	return who, ok && rest == ""
}

// cutClient takes the name of the client from the beginning of a log line.
func cutClient(line string) (who mqttClient, rest string, ok bool) {
	addr, rest, ok := strings.Cut(line, " - mid:")
	if !ok || strings.ContainsAny(addr, " \"") {
		return mqttClient{}, line, false
	}
	digits, rest, ok := strings.Cut(rest, " - ")
	if !ok {
		return mqttClient{}, line, false
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return mqttClient{}, line, false
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return mqttClient{}, line, false
	}
	clientID, err := strconv.Unquote(quoted)
	if err != nil {
		return mqttClient{}, line, false
	}
	return mqttClient{id, clientID}, rest[len(quoted):], true
}

const (
	publishViolation   = ` - Publish Violation - Subject %q`
	subscribeViolation = ` - Subscription Violation - Subject `
	// levelUp ends the subscription id by which nats-server subscribes to the
	// parent of a filter that ends in /#.
	levelUp = " fwc"
)

// parseViolation recognises the log lines by which nats-server tells of a denied
// publish or subscription: it tells of them in no other way. The client's name is
// part of the format, so formatting it would let the client id choose the verbs.
func parseViolation(srv *server.Server, format string, args []any) (violation, bool) {
	who, rest, ok := cutClient(format)
	if !ok {
		return violation{}, false
	}
	v := violation{key: sessionKey{srv, who.id}}
	v.ClientID = who.clientID
	if rest == publishViolation && len(args) == 1 {
		subject, ok := args[0].([]byte)
		if !ok {
			return violation{}, false
		}
		v.Kind, v.Topic = RefusedPublish, topicOf(string(subject))
		v.Reason = "publishing to this topic is not granted"
		return v, true
	}
	quoted, ok := strings.CutPrefix(rest, subscribeViolation)
	if !ok || len(args) != 0 {
		return violation{}, false
	}
	prefix, err := strconv.QuotedPrefix(quoted)
	if err != nil {
		return violation{}, false
	}
	subject, err := strconv.Unquote(prefix)
	if err != nil {
		return violation{}, false
	}
	v.Kind, v.Topic = RefusedSubscribe, filterOf(subject)
	v.Reason = "subscribing to this filter is not granted"
	if strings.HasSuffix(quoted, levelUp) {
		v.Topic += "/#"
	}
	return v, true
}
