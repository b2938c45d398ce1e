package tape

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	// connectTimeout bounds reaching the broker and its answers.
	connectTimeout = 10 * time.Second
	// maxReconnect bounds how long a lost broker is not asked again.
	maxReconnect = 30 * time.Second
	// flushEvery is how long a message may wait for its block to reach the disk,
	// and so for its acknowledgement.
	flushEvery = time.Second
	// waiting is how many messages may have been taken from the broker and not
	// been written to the block yet.
	waiting = 256
)

// Broker is where messages come from or go to.
type Broker struct {
	// URL is tcp://host:1883, or ssl:// with TLS.
	URL                string
	Username, Password string
	// ClientID names the session; one is made up if it is empty.
	ClientID string
}

func (b Broker) options(kind string) *mqtt.ClientOptions {
	id := b.ClientID
	if id == "" {
		id = "haidang-" + kind + "-" + rand.Text()[:8]
	}
	return mqtt.NewClientOptions().AddBroker(b.URL).SetUsername(b.Username).SetPassword(b.Password).SetClientID(id).
		SetConnectTimeout(connectTimeout).SetMaxReconnectInterval(maxReconnect)
}

// Recorder writes what a broker has to say to a tape.
//
//	broker ──► handler ──► one goroutine: block ──► disk ──► acknowledge
//
// Messages of quality of service 1 and 2 are acknowledged once they are on disk,
// in a session that outlives a broken connection.
type Recorder struct {
	Broker Broker
	// Topics are MQTT filters. QoS is what is asked for.
	Topics []string
	QoS    byte
	// Skip leaves a message out; nil leaves out none.
	Skip   func(topic string, payload []byte) bool
	Out    *Writer
	Now    func() time.Time
	Logger *slog.Logger
	// Progress, if set, is called about every second and once at the end.
	Progress func(Recorded)
}

// Recorded is how far a recording is.
type Recorded struct {
	// Messages are on disk, in Bytes of tape.
	Messages uint64 `json:"messages"`
	Bytes    int64  `json:"bytes"`
	// Last is when the newest was received.
	Last time.Time `json:"last,omitzero"`
	// Connected says that the broker is there and has granted the topics: from now
	// on nothing is missed.
	Connected bool `json:"connected"`
}

// received is a message on its way to the tape.
type received struct {
	Message
	ack func()
}

// Run records until ctx ends or the tape cannot be written any more. What was
// received until then is on the tape. It does not close the tape.
func (r *Recorder) Run(ctx context.Context) error {
	in, refused := make(chan received, waiting), make(chan error, 1)
	ended, end := context.WithCancel(ctx)
	defer end()
	var handlers sync.WaitGroup
	var subscribed atomic.Bool
	o := r.Broker.options("record").SetCleanSession(false).SetAutoAckDisabled(true).SetOrderMatters(true).SetResumeSubs(false).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			handlers.Add(1)
			defer handlers.Done()
			if r.Skip != nil && r.Skip(m.Topic(), m.Payload()) {
				m.Ack()
				return
			}
			select {
			case in <- received{Message{At: r.Now(), Topic: m.Topic(), QoS: m.Qos(), Retain: m.Retained(), Payload: slices.Clone(m.Payload())}, m.Ack}:
			case <-ended.Done(): // not acknowledged: the broker still has it
			}
		}).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			subscribed.Store(false)
			r.Logger.Warn("the broker is gone; trying again, and it keeps what comes meanwhile", "error", err)
		})
	o.SetOnConnectHandler(func(c mqtt.Client) {
		// In its own goroutine, as paho wants: here it would wait for itself.
		go func() {
			err := r.subscribe(c)
			subscribed.Store(err == nil && c.IsConnectionOpen())
			if err != nil && ended.Err() == nil {
				select {
				case refused <- err:
				default:
				}
			}
		}()
	})
	client := mqtt.NewClient(o)
	if err := await(ctx, client.Connect()); err != nil {
		return fmt.Errorf("connect to broker %s: %w", redacted(r.Broker.URL), err)
	}
	err := r.write(ended, &subscribed, in, refused)
	end()
	handlers.Wait()
	client.Disconnect(250)
	if err == nil {
		r.forget(o)
	}
	return err
}

// subscribe asks for all topics. A refusal is not in the token's error but among
// its results.
func (r *Recorder) subscribe(c mqtt.Client) error {
	filters := map[string]byte{}
	for _, t := range r.Topics {
		filters[t] = r.QoS
	}
	token := c.SubscribeMultiple(filters, nil).(*mqtt.SubscribeToken)
	if !token.WaitTimeout(connectTimeout) {
		return fmt.Errorf("subscribe at broker %s: no answer in %v", redacted(r.Broker.URL), connectTimeout)
	}
	if err := token.Error(); err != nil {
		if !c.IsConnectionOpen() {
			return nil // the next connection subscribes again
		}
		return fmt.Errorf("subscribe at broker %s: %w", redacted(r.Broker.URL), err)
	}
	for filter, code := range token.Result() {
		if code == 0x80 {
			return fmt.Errorf("subscribe at broker %s: it refuses the topic %q: give --topic one that this user may read", redacted(r.Broker.URL), filter)
		}
	}
	return nil
}

// write brings what comes to the tape.
func (r *Recorder) write(ctx context.Context, subscribed *atomic.Bool, in <-chan received, refused <-chan error) error {
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	var done Recorded
	var acks []func()
	commit := func() error {
		if err := r.Out.Flush(); err != nil {
			return err
		}
		for _, ack := range acks {
			ack()
		}
		done.Messages += uint64(len(acks))
		acks = acks[:0]
		done.Bytes, done.Connected = r.Out.Written(), subscribed.Load()
		if r.Progress != nil {
			r.Progress(done)
		}
		return nil
	}
	take := func(m received) error {
		done.Last = m.At
		acks = append(acks, m.ack)
		return r.Out.Write(m.Message)
	}
	for {
		select {
		case m := <-in:
			if err := take(m); err != nil {
				return err
			}
			if len(acks) >= 1000 { // a broker gives out only so many at a time
				if err := commit(); err != nil {
					return err
				}
			}
		case <-flush.C:
			if err := commit(); err != nil {
				return err
			}
		case err := <-refused:
			return errors.Join(err, commit())
		case <-ctx.Done():
			for {
				select {
				case m := <-in:
					if err := take(m); err != nil {
						return err
					}
					continue
				default:
				}
				return commit()
			}
		}
	}
}

// forget has the broker drop the recording's session, in which it would keep
// messages for nobody.
func (r *Recorder) forget(o *mqtt.ClientOptions) {
	o.SetCleanSession(true).SetAutoReconnect(false).SetOnConnectHandler(nil)
	c := mqtt.NewClient(o)
	if c.Connect().WaitTimeout(2 * time.Second) {
		c.Disconnect(100)
	}
}

// await waits for a token, or for ctx.
func await(ctx context.Context, t mqtt.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}
