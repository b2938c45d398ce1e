package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/haidang-iot/haidang/ingest"
)

// Old is what versions up to 0.9 have left, whose MQTT listener was nats-server's: in an
// account of its own, with streams that it names itself.
//
//	$MQTT_msgs    messages of QoS 1 and 2 that a session has not acknowledged yet
//	$MQTT_qos2in  messages of QoS 2 whose publisher has its PUBREC and not its PUBCOMP
//	$MQTT_rmsgs   retained messages
//	$MQTT_sess    sessions: their filters, and the consumers of $MQTT_msgs that wait for them
//
// All of it was acknowledged to somebody, so it is ours: see [Old.TakeOver].
type Old struct {
	b    *Broker
	conn *nats.Conn
	// entered says that retained messages and sessions have been taken over in this
	// process: from then on clients change them.
	entered bool
	taken   Taken
}

// OldSession is an MQTT session with its topic filters and their quality of service.
type OldSession struct {
	ClientID string
	Filters  map[string]byte
}

// OldMessage is a message that waits.
type OldMessage struct {
	Topic    string
	Payload  []byte
	QoS      byte
	Received time.Time
}

// OldQueued is one that waits for a session, with the QoS of its delivery.
type OldQueued struct {
	ClientID string
	OldMessage
}

// Heirs are who takes over. Each returns when what it was given is durable, and may be
// given the same once more.
type Heirs struct {
	Journal ingest.Appender
	// MaxPayload is the longest payload that the journal holds.
	MaxPayload int
	// Gateway is the name of the gateway whose session a client id was; "" if it was none.
	Gateway func(clientID string) string
	// NotTelemetry says which topics do not go into the journal.
	NotTelemetry func(topic string) bool
	// Other is the gateway's name under which the journal gets what belongs to none.
	Other string

	Retained func(context.Context, []OldMessage) error
	Session  func(context.Context, OldSession) error
	Queue    func(context.Context, []OldQueued) error
}

// Taken is how much has been taken over: readings into the journal, retained messages,
// sessions, and messages for sessions.
type Taken struct{ Telemetry, Retained, Sessions, Queued int }

// Names of nats-server's own for what it kept of MQTT.
const (
	oldMessages, oldMessageSubject   = "$MQTT_msgs", "$MQTT.msgs."
	oldRetained, oldRetainedSubject  = "$MQTT_rmsgs", "$MQTT.rmsgs."
	oldSessions, oldSessionSubject   = "$MQTT_sess", "$MQTT.sess."
	oldQoS2, oldQoS2Subject          = "$MQTT_qos2in", "$MQTT.qos2.in."
	oldHeader, oldSubject, oldRFlags = "Nmqtt-Pub", "Nmqtt-Subject", "Nmqtt-RFlags"
	// oldGone is the folder's name while it is being removed.
	oldGone = "mqtt-taken-over"
	// oldTimeout bounds one question to the server.
	oldTimeout = 10 * time.Second
)

// OldAccount is the account's name, in the names of its streams.
const OldAccount = mqttAccount

// oldFolder is where the account's streams are.
func (b *Broker) oldFolder() string { return filepath.Join(b.opts.Dir, "jetstream", mqttAccount) }

// Old opens what an older version has left; nil if there is nothing.
func (b *Broker) Old() (*Old, error) {
	if err := os.RemoveAll(filepath.Join(b.opts.Dir, oldGone)); err != nil {
		return nil, fmt.Errorf("remove what was taken over before: %w", err)
	}
	if _, err := os.Stat(b.oldFolder()); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("look for what an older version has left: %w", err)
	}
	conn, err := b.connect("take-over", doorUser)
	if err != nil {
		return nil, err
	}
	return &Old{b: b, conn: conn}, nil
}

// TakeOver hands everything to the heirs, in order: retained messages, sessions, and
// then the messages. What is durable with them is removed, so that a take-over which was
// killed goes on; at most the last batch is given twice, and its telemetry is marked as
// redelivered under the same packet identifiers. After an error, say
// [ingest.ErrJournalFull], it may be called again.
func (o *Old) TakeOver(ctx context.Context, to Heirs) (Taken, error) {
	sessions, err := o.sessions(ctx)
	if err != nil {
		return o.taken, fmt.Errorf("take over sessions of the older version's MQTT broker: %w", err)
	}
	if !o.entered {
		if err := o.enter(ctx, sessions, to); err != nil {
			return o.taken, err
		}
		o.entered = true
	}
	m := oldMover{o: o, to: to, sessions: sessions, records: map[string]*ingest.Record{}}
	for _, s := range []oldStream{{oldMessages, oldMessageSubject}, {oldQoS2, oldQoS2Subject}} {
		if err := m.move(ctx, s); err != nil {
			return o.taken, fmt.Errorf("take over messages of the older version's MQTT broker: %w", err)
		}
	}
	return o.taken, nil
}

// enter hands over retained messages and sessions.
func (o *Old) enter(ctx context.Context, sessions []oldSession, to Heirs) error {
	var all []OldMessage
	err := o.each(ctx, oldStream{oldRetained, oldRetainedSubject}, func(m *server.StoredMsg) error {
		if r, ok := retainedOf(m); ok {
			all = append(all, r)
		}
		return nil
	})
	if err == nil && len(all) > 0 {
		err = to.Retained(ctx, all)
	}
	if err != nil {
		return fmt.Errorf("take over retained messages of the older version's MQTT broker: %w", err)
	}
	o.taken.Retained = len(all)
	if err := o.purge(ctx, oldRetained, 0); err != nil {
		return fmt.Errorf("take over retained messages of the older version's MQTT broker: %w", err)
	}
	for _, s := range sessions {
		if to.Gateway(s.ID) != "" || len(s.Subs) == 0 {
			continue
		}
		out := OldSession{ClientID: s.ID, Filters: map[string]byte{}}
		for subject, qos := range s.Subs {
			out.Filters[oldTopic(subject)] = qos
		}
		if err := to.Session(ctx, out); err != nil {
			return fmt.Errorf("take over the MQTT session %q of the older version: %w", s.ID, err)
		}
		o.taken.Sessions++
	}
	return nil
}

// oldSession is a session with what its consumers have come to.
type oldSession struct {
	oldRecord
	waits []oldConsumer
}

// oldRecord is what is stored of a session (mqttPersistedSession in nats-server's mqtt.go):
// its filters as subjects, and its consumers by the subject.
type oldRecord struct {
	ID    string                            `json:"id"`
	Clean bool                              `json:"clean"`
	Subs  map[string]byte                   `json:"subs"`
	Cons  map[string]*server.ConsumerConfig `json:"cons"`
}

// oldParent marks the consumer for the level above a filter that ends in /#.
const oldParent = " fwc"

// oldConsumer wants the messages of a filter behind a number.
type oldConsumer struct {
	filter string
	after  uint64
	qos    byte
}

// wants gives the QoS with which a message waits for the session; 0 if it does not.
func (s *oldSession) wants(subject string, number uint64) (qos byte) {
	for _, c := range s.waits {
		if number > c.after && server.SubjectMatchesFilter(subject, c.filter) {
			qos = max(qos, c.qos)
		}
	}
	return qos
}

// subscribed gives the QoS of the filters that a subject matches; 0 if there is none.
func (s *oldSession) subscribed(subject string) (qos byte) {
	for filter, q := range s.Subs {
		above, all := strings.CutSuffix(filter, ".>")
		if server.SubjectMatchesFilter(subject, filter) || all && server.SubjectMatchesFilter(subject, above) {
			qos = max(qos, q)
		}
	}
	return qos
}

// sessions are all that are stored.
func (o *Old) sessions(ctx context.Context) (all []oldSession, err error) {
	err = o.each(ctx, oldStream{oldSessions, oldSessionSubject}, func(m *server.StoredMsg) error {
		var s oldSession
		if err := json.Unmarshal(m.Data, &s.oldRecord); err != nil || s.ID == "" {
			o.b.log.Error("an MQTT session of the older version cannot be read and is left behind", "subject", m.Subject, "error", err)
			return nil
		}
		if s.Clean { // it was to end with its connection
			return nil
		}
		for sid, c := range s.Cons {
			if c == nil {
				continue
			}
			w := oldConsumer{filter: c.FilterSubject, qos: 1}
			if q, ok := s.Subs[strings.TrimSuffix(sid, oldParent)]; ok && q > 0 {
				w.qos = q
			}
			var answer server.JSApiConsumerInfoResponse
			err := o.ask(ctx, fmt.Sprintf(server.JSApiConsumerInfoT, oldMessages, c.Durable), nil, &answer, &answer.ApiResponse)
			switch {
			case err == nil:
				w.after = answer.AckFloor.Stream
			case !isMissing(err):
				return err
			}
			s.waits = append(s.waits, w) // a consumer that was lost may have waited for all
		}
		all = append(all, s)
		return nil
	})
	return all, err
}

// Close lets go of what has been left, as it is.
func (o *Old) Close() { o.conn.Close() }

// Finish removes what is left of the account. It is called once everything is taken over
// and whoever must know that the streams are gone does.
func (o *Old) Finish() error {
	srv := o.b.server()
	if srv == nil {
		return ErrRestarting
	}
	acc, err := srv.LookupAccount(mqttAccount)
	if err == nil {
		err = acc.DisableJetStream()
	}
	if err != nil {
		return fmt.Errorf("close the older version's MQTT broker: %w", err)
	}
	gone := filepath.Join(o.b.opts.Dir, oldGone)
	if err := os.Rename(o.b.oldFolder(), gone); err != nil {
		return fmt.Errorf("remove the older version's MQTT broker: %w", err)
	}
	// Were the name back after a loss of power, all would be taken over once more.
	if err := errors.Join(syncFolder(filepath.Dir(o.b.oldFolder())), syncFolder(o.b.opts.Dir), os.RemoveAll(gone)); err != nil {
		return fmt.Errorf("remove the older version's MQTT broker: %w", err)
	}
	return nil
}

// oldStream is a stream with what its subjects begin with.
type oldStream struct{ name, subject string }

// each calls f for all messages of a stream, in order; a stream that is not there has none.
func (o *Old) each(ctx context.Context, s oldStream, f func(*server.StoredMsg) error) error {
	for next := uint64(1); ; {
		var answer server.JSApiMsgGetResponse
		err := o.ask(ctx, fmt.Sprintf(server.JSApiMsgGetT, s.name), server.JSApiMsgGetRequest{Seq: next, NextFor: s.subject + ">"}, &answer, &answer.ApiResponse)
		if isMissing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(answer.Message); err != nil {
			return err
		}
		next = answer.Message.Sequence + 1
	}
}

// purge removes the messages up to a number from a stream, all if it is 0.
func (o *Old) purge(ctx context.Context, stream string, last uint64) error {
	request := server.JSApiStreamPurgeRequest{}
	if last > 0 {
		request.Sequence = last + 1
	}
	var answer server.JSApiStreamPurgeResponse
	err := o.ask(ctx, fmt.Sprintf(server.JSApiStreamPurgeT, stream), request, &answer, &answer.ApiResponse)
	if isMissing(err) {
		return nil
	}
	return err
}

// ask asks the server's API. What it refuses is a *server.ApiError.
func (o *Old) ask(ctx context.Context, subject string, request, answer any, response *server.ApiResponse) error {
	var body []byte
	var err error
	if request != nil {
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, oldTimeout)
	defer cancel()
	msg, err := o.conn.RequestWithContext(ctx, subject, body)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	if err := json.Unmarshal(msg.Data, answer); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if response.Error != nil {
		return response.Error
	}
	return nil
}

// isMissing says that there is no such stream, consumer or message.
func isMissing(err error) bool {
	var refused *server.ApiError
	return errors.As(err, &refused) && refused.Code == 404
}
