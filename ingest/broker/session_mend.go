package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// sessionRecord is what nats-server keeps of an MQTT session (mqttPersistedSession in
// its mqtt.go): its filters as subjects with their quality of service, and the consumers
// that keep its messages, by the subject.
type sessionRecord struct {
	ID   string                            `json:"id,omitempty"`
	Subs map[string]byte                   `json:"subs,omitempty"`
	Cons map[string]*server.ConsumerConfig `json:"cons,omitempty"`
}

// parentOf marks the consumer for the level above a filter that ends in /#.
const parentOf = " fwc"

// mendSession joins again what damaged files have parted, before anyone may publish:
// a session whose consumers are gone, whose messages the server would acknowledge and
// throw away, gets them anew; consumers whose session is gone, for which the server
// would keep every message for ever, get it back, with what waits in them.
func (d *Door) mendSession(ctx context.Context, e entrance) error {
	record, err := d.record(ctx, e.ClientID)
	if err != nil {
		return err
	}
	if record != nil {
		for _, c := range record.Cons {
			_, err := d.consumer(ctx, c.Durable)
			if isMissing(err) {
				// What the stream still has may have waited for it: twice is found out,
				// never is not.
				again := *c
				again.DeliverPolicy = server.DeliverAll
				err = d.createConsumer(ctx, again)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	all, err := d.consumers(ctx)
	if err != nil {
		return err
	}
	record = &sessionRecord{ID: e.ClientID, Subs: map[string]byte{}, Cons: map[string]*server.ConsumerConfig{}}
	for _, name := range all {
		if !strings.HasPrefix(name, sessionHash(e.ClientID)+"_") {
			continue
		}
		info, err := d.consumer(ctx, name)
		if err != nil {
			return err
		}
		record.add(info.Config, e.subjects)
	}
	if len(record.Cons) == 0 {
		return nil
	}
	if err := d.makeSessionStream(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	var kept server.ApiResponse // of the stream's acknowledgement only the error
	return d.ask(ctx, sessionSubject+sessionHash(e.ClientID), json.RawMessage(text), &kept, &kept)
}

// add gives the session one of its consumers, if it is of a filter of the gateway's.
func (r *sessionRecord) add(c *server.ConsumerConfig, filters []string) {
	c.Metadata = nil // the server's own remarks
	subject := strings.TrimPrefix(c.FilterSubject, messageSubject)
	switch {
	case !slices.Contains(filters, subject):
	case slices.Contains(filters, subject+".>"):
		r.Cons[subject+parentOf] = c
	default:
		r.Cons[subject], r.Subs[subject] = c, 1
	}
}

// makeSessionStream makes the stream as nats-server makes it when the first client
// connects.
func (d *Door) makeSessionStream(ctx context.Context) error {
	return d.makeStream(ctx, server.StreamConfig{
		Name: sessionStream, Subjects: []string{sessionSubject + ">"}, Storage: server.FileStorage, Retention: server.LimitsPolicy, Replicas: 1, MaxMsgsPer: 1,
	})
}
