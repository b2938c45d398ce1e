package city

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/damage"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/door/session"
	"github.com/haidang-iot/haidang/ingest/journal"
)

// takeOver is what the MQTT broker of an older version has left in the data folder, on
// its way to the journal and the door's sessions. It had all been acknowledged.
type takeOver struct {
	city     *city
	old      *broker.Old
	sessions *session.Sessions
	heirs    broker.Heirs
	dropped  int
	done     bool
}

// takeOverAgain is how often a take-over is tried again that the journal has no room for.
const takeOverAgain = time.Second

// takeOver takes over what an older version has left, before anybody may connect; nil is
// nothing. What a full journal has no room for is left to run, which goes on when the
// loader has made some. asked says that devices are asked who they are.
func (c *city) takeOver(ctx context.Context, j *journal.Journal, sessions *session.Sessions, asked bool) (*takeOver, error) {
	old, err := c.custody.broker.Old()
	if old == nil || err != nil {
		return nil, err
	}
	c.open.opened("the older version's MQTT broker", func() error { old.Close(); return nil })
	t := &takeOver{city: c, old: old, sessions: sessions}
	t.heirs = broker.Heirs{
		Journal: j, MaxPayload: j.MaxRecord() - topicRoom, Gateway: oldGateway, NotTelemetry: c.config.NotTelemetry(), Other: door.Name,
		Retained: t.retained,
		Session: func(ctx context.Context, s broker.OldSession) error {
			return sessions.Inherit(ctx, keyOf(s.ClientID, asked), s.Filters)
		},
		Queue: func(ctx context.Context, all []broker.OldQueued) error { return t.queue(ctx, all, asked) },
	}
	err = t.try(ctx)
	if errors.Is(err, ingest.ErrJournalFull) {
		c.log.Warn("the journal is full: what the older version's MQTT broker has kept goes into it as soon as there is room", "error", err)
		return t, nil
	}
	return t, err
}

// oldGateway is the gateway whose session a client id was.
func oldGateway(client string) string {
	name, ok := strings.CutPrefix(client, clientID(""))
	if !ok || (&ingest.Gateway{Name: name, Subscriptions: []ingest.Subscription{{Filter: "#"}}}).Check() != nil {
		return ""
	}
	return name
}

// keyOf is whose session it is now: client ids were user names, or began with them.
func keyOf(client string, asked bool) session.Key {
	if !asked {
		return session.Key{User: openIdentity(door.Login{ClientID: client}), Client: client}
	}
	name, _, _ := strings.Cut(client, "/")
	return session.Key{User: string(access.DeviceOf(name)), Client: client}
}

func publicationOf(m broker.OldMessage, retain bool) session.Publication {
	return session.Publication{Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Retain: retain, Received: m.Received}
}

func (t *takeOver) retained(ctx context.Context, all []broker.OldMessage) error {
	out := make([]session.Publication, 0, len(all))
	for _, m := range all {
		out = append(out, publicationOf(m, true))
	}
	return t.sessions.Publish(ctx, out)
}

func (t *takeOver) queue(ctx context.Context, all []broker.OldQueued, asked bool) error {
	out := make([]session.Queued, 0, len(all))
	for _, q := range all {
		out = append(out, session.Queued{Key: keyOf(q.ClientID, asked), Publication: publicationOf(q.OldMessage, false)})
	}
	dropped, err := t.sessions.Queue(ctx, out)
	t.dropped += dropped
	return err
}

// try takes over as much as there is room for.
func (t *takeOver) try(ctx context.Context) error {
	taken, err := t.old.TakeOver(ctx, t.heirs)
	if err != nil {
		return err
	}
	log := t.city.log
	if t.dropped > 0 {
		log.Warn("sessions of the older version's MQTT broker had more waiting for them than a session may have; the rest is dropped (it is no telemetry)", "messages", t.dropped)
	}
	// From here on its streams are not missed.
	m := t.city.custody.were
	m.Logs, m.Streams = nil, maps.Clone(m.Streams)
	maps.DeleteFunc(m.Streams, func(name string, _ damage.Stream) bool { return strings.HasPrefix(name, broker.OldAccount+"/") })
	t.city.custody.were = m
	if err := t.city.custody.writeMarks(m); err != nil {
		return err
	}
	if err := t.old.Finish(); err != nil {
		return err
	}
	t.done = true
	log.Info("taken over from the older version's MQTT broker, which is removed", "telemetry", taken.Telemetry, "retained", taken.Retained, "sessions", taken.Sessions, "queued", taken.Queued)
	return nil
}

// run goes on until all is taken over.
func (t *takeOver) run(ctx context.Context) error {
	tick := time.NewTicker(takeOverAgain)
	defer tick.Stop()
	for told := false; t != nil && !t.done; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := t.try(ctx)
		if err != nil && ctx.Err() == nil && !told && !errors.Is(err, ingest.ErrJournalFull) {
			told = true
			t.city.log.Error("cannot take over what the older version's MQTT broker has kept; trying again", "error", err)
		}
	}
	<-ctx.Done()
	return nil
}
