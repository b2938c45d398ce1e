package broker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/haidang-iot/haidang/ingest"
)

// Names of nats-server's own for what it keeps of MQTT.
const (
	messageStream  = "$MQTT_msgs"
	messageSubject = "$MQTT.msgs."
	sessionStream  = "$MQTT_sess"
	sessionSubject = "$MQTT.sess."

	// doorPrefix begins the name of every consumer that counts.
	doorPrefix = "haidang_door_"
	// doorTimeout bounds one question to the server.
	doorTimeout = 5 * time.Second
	// doorForgotten is how long a consumer that counts stays without us: it must not
	// keep messages for a program that knows nothing of it.
	doorForgotten = time.Hour
)

// Entrance is a gateway as the door sees it: the client id of its session, and the
// topic filters that it subscribes to.
type Entrance struct {
	Gateway, ClientID string
	Filters           []string
}

// Door counts, for each gateway, the messages of QoS 1 and 2 that the broker has taken
// and acknowledged to who published them. It is a consumer of its own of the server's
// stream of MQTT messages, for every topic filter of a gateway: it is told of each
// message when it is stored, shares nothing with the gateway's session or its
// consumers, and the server keeps its count with the stream. What it is sent is thrown
// away.
type Door struct {
	conn      *nats.Conn
	entrances []entrance

	mu      sync.Mutex
	listens map[string]bool // subjects that are subscribed to
}

type entrance struct {
	Entrance
	subjects []string
}

// OpenDoor begins to count, or goes on. It is opened before anyone may publish.
func (b *Broker) OpenDoor(ctx context.Context, all []Entrance) (*Door, error) {
	conn, err := b.connect("door", doorUser)
	if err != nil {
		return nil, err
	}
	d := &Door{conn: conn, listens: map[string]bool{}}
	if err := d.open(ctx, all); err != nil {
		conn.Close()
		return nil, fmt.Errorf("count at the broker's door: %w", err)
	}
	return d, nil
}

// Close stops throwing away; the server goes on counting.
func (d *Door) Close() { d.conn.Close() }

func (d *Door) open(ctx context.Context, all []Entrance) error {
	if err := d.makeMessageStream(ctx); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, e := range all {
		subjects, err := subjects(e.Filters)
		if err != nil {
			return err
		}
		d.entrances = append(d.entrances, entrance{e, subjects})
		if err := d.mendSession(ctx, entrance{e, subjects}); err != nil {
			return fmt.Errorf("gateway %s: mend its session: %w", e.Gateway, err)
		}
		for _, s := range subjects {
			wanted[doorName(e.Gateway, s)] = true
			if err := d.makeConsumer(ctx, doorName(e.Gateway, s), s); err != nil {
				return fmt.Errorf("gateway %s: %w", e.Gateway, err)
			}
		}
	}
	return d.dropOthers(ctx, wanted)
}

// doorName is the consumer's name, and its deliveries'.
func doorName(gateway, subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return doorPrefix + gateway + "_" + hex.EncodeToString(sum[:6])
}

// makeMessageStream makes the stream as nats-server makes it when the first client
// connects.
func (d *Door) makeMessageStream(ctx context.Context) error {
	return d.makeStream(ctx, server.StreamConfig{
		Name: messageStream, Subjects: []string{messageSubject + ">"}, Storage: server.FileStorage, Retention: server.InterestPolicy, Replicas: 1,
	})
}

func (d *Door) makeStream(ctx context.Context, config server.StreamConfig) error {
	var found server.JSApiStreamInfoResponse
	err := d.ask(ctx, fmt.Sprintf(server.JSApiStreamInfoT, config.Name), nil, &found, &found.ApiResponse)
	if err == nil || !isMissing(err) {
		return err
	}
	var made server.JSApiStreamCreateResponse
	return d.ask(ctx, fmt.Sprintf(server.JSApiStreamCreateT, config.Name), config, &made, &made.ApiResponse)
}

// makeConsumer makes a consumer, or goes on with it. The server delivers only where
// somebody has subscribed to the very subject, no wildcard, and what is not delivered
// stays in the stream.
func (d *Door) makeConsumer(ctx context.Context, name, subject string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.listens[name] {
		if _, err := d.conn.Subscribe(name, func(*nats.Msg) {}); err != nil {
			return err
		}
		d.listens[name] = true
	}
	return d.createConsumer(ctx, server.ConsumerConfig{
		Durable: name, DeliverSubject: name, FilterSubject: messageSubject + subject, DeliverPolicy: server.DeliverNew,
		AckPolicy: server.AckNone, HeadersOnly: true, InactiveThreshold: doorForgotten,
	})
}

func (d *Door) createConsumer(ctx context.Context, c server.ConsumerConfig) error {
	var answer server.JSApiConsumerCreateResponse
	return d.ask(ctx, fmt.Sprintf(server.JSApiDurableCreateT, messageStream, c.Durable), server.CreateConsumerRequest{Stream: messageStream, Config: c}, &answer, &answer.ApiResponse)
}

// dropOthers removes what counted for gateways and filters that are no more: it would
// keep messages that nobody takes.
func (d *Door) dropOthers(ctx context.Context, wanted map[string]bool) error {
	all, err := d.consumers(ctx)
	if err != nil {
		return err
	}
	for _, name := range all {
		if !strings.HasPrefix(name, doorPrefix) || wanted[name] {
			continue
		}
		var gone server.JSApiConsumerDeleteResponse
		if err := d.ask(ctx, fmt.Sprintf(server.JSApiConsumerDeleteT, messageStream, name), nil, &gone, &gone.ApiResponse); err != nil && !isMissing(err) {
			return err
		}
	}
	return nil
}

// consumers are the names of all consumers of the stream.
func (d *Door) consumers(ctx context.Context) (all []string, err error) {
	for {
		var page server.JSApiConsumerNamesResponse
		if err := d.ask(ctx, fmt.Sprintf(server.JSApiConsumersT, messageStream), server.JSApiConsumersRequest{ApiPagedRequest: server.ApiPagedRequest{Offset: len(all)}}, &page, &page.ApiResponse); err != nil {
			return nil, err
		}
		if all = append(all, page.Consumers...); len(page.Consumers) == 0 || len(all) >= page.Total {
			return all, nil
		}
	}
}

// Passed implements [ingest.Door].
func (d *Door) Passed(ctx context.Context, gateway string) (ingest.DoorCount, error) {
	n := slices.IndexFunc(d.entrances, func(e entrance) bool { return e.Gateway == gateway })
	if n < 0 {
		return ingest.DoorCount{}, ingest.ErrNoDoor
	}
	count, err := d.passed(ctx, d.entrances[n])
	if err != nil {
		return count, fmt.Errorf("ask the broker what it has taken for gateway %s: %w", gateway, err)
	}
	return count, nil
}

// passed looks at what was taken before what waits: a message that is counted here and
// no longer waits there has been acknowledged by the gateway.
func (d *Door) passed(ctx context.Context, e entrance) (count ingest.DoorCount, err error) {
	for _, s := range e.subjects {
		info, err := d.consumer(ctx, doorName(e.Gateway, s))
		if isMissing(err) { // it was lost with the stream's files, say
			if err = d.makeConsumer(ctx, doorName(e.Gateway, s), s); err == nil {
				info, err = d.consumer(ctx, doorName(e.Gateway, s))
			}
		}
		if err != nil {
			return count, err
		}
		count.Counters = append(count.Counters, ingest.DoorCounter{Name: doorName(e.Gateway, s), Began: info.Created, Accepted: info.Delivered.Consumer + info.NumPending})
	}
	session, err := d.session(ctx, e.ClientID)
	if err != nil {
		return count, err
	}
	for _, name := range session {
		info, err := d.consumer(ctx, name)
		if isMissing(err) {
			count.Problem = "the gateway's session at the broker has lost its subscription: what is published now does not come to it; restart the city"
			continue
		}
		if err != nil {
			return count, err
		}
		count.Waiting += info.NumPending + uint64(info.NumAckPending)
	}
	return count, nil
}

// session gives the consumers of an MQTT session; a client that never came has none.
func (d *Door) session(ctx context.Context, clientID string) (names []string, err error) {
	record, err := d.record(ctx, clientID)
	if record == nil {
		return nil, err
	}
	for _, c := range record.Cons {
		names = append(names, c.Durable)
	}
	return names, nil
}

// record reads a client's session; nil is none.
func (d *Door) record(ctx context.Context, clientID string) (*sessionRecord, error) {
	var answer server.JSApiMsgGetResponse
	err := d.ask(ctx, fmt.Sprintf(server.JSApiMsgGetT, sessionStream), server.JSApiMsgGetRequest{LastFor: sessionSubject + sessionHash(clientID)}, &answer, &answer.ApiResponse)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r sessionRecord
	if err := json.Unmarshal(answer.Message.Data, &r); err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	maps.DeleteFunc(r.Cons, func(_ string, c *server.ConsumerConfig) bool { return c == nil })
	return &r, nil
}

// sessionHash is how nats-server names a client's session (getHash in its events.go).
func sessionHash(clientID string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(clientID))
	out := make([]byte, 8)
	for i := range out {
		out[i] = digits[int(sum[i])%len(digits)]
	}
	return string(out)
}

func (d *Door) consumer(ctx context.Context, name string) (*server.ConsumerInfo, error) {
	var answer server.JSApiConsumerInfoResponse
	if err := d.ask(ctx, fmt.Sprintf(server.JSApiConsumerInfoT, messageStream, name), nil, &answer, &answer.ApiResponse); err != nil {
		return nil, err
	}
	return answer.ConsumerInfo, nil
}

// ask asks the server's API. What it refuses is a *server.ApiError.
func (d *Door) ask(ctx context.Context, subject string, request, answer any, response *server.ApiResponse) error {
	var body []byte
	var err error
	if request != nil {
		if body, err = json.Marshal(request); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, doorTimeout)
	defer cancel()
	msg, err := d.conn.RequestWithContext(ctx, subject, body)
	if err != nil {
		return err
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
