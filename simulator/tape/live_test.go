package tape_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/simulator/tape"
)

const patience = 30 * time.Second

// recording is a recorder at work.
type recording struct {
	name  string
	stop  context.CancelFunc
	ended chan error
	seen  chan tape.Recorded
}

// record begins to record and returns once the subscription is there.
func record(t *testing.T, broker *realserver.Server, topics ...string) *recording {
	t.Helper()
	r := &recording{name: filepath.Join(t.TempDir(), "city.tape"), ended: make(chan error, 1), seen: make(chan tape.Recorded, 1000)}
	w, err := tape.Create(r.name, tape.Header{Made: time.Now(), Source: broker.URL, Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	rec := &tape.Recorder{Broker: tape.Broker{URL: broker.URL}, Topics: append(topics, "ready/#"), QoS: 1, Out: w, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Progress: func(p tape.Recorded) {
			select {
			case r.seen <- p:
			default:
			}
		}}
	go func() { r.ended <- errors.Join(rec.Run(ctx), w.Close()) }()
	t.Cleanup(stop)
	// A retained message is delivered once the subscription is there.
	publish(t, broker, tape.Message{Topic: "ready/now", QoS: 1, Retain: true, Payload: []byte("1")})
	r.until(t, 1)
	return r
}

// until waits for a number of messages on the tape.
func (r *recording) until(t *testing.T, messages uint64) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case p := <-r.seen:
			if p.Messages >= messages {
				return
			}
		case err := <-r.ended:
			t.Fatalf("the recording has ended: %v", err)
		case <-deadline:
			t.Fatalf("less than %d messages on the tape after %v", messages, patience)
		}
	}
}

// end stops recording and returns what is on the tape, without what record sent.
func (r *recording) end(t *testing.T) []tape.Message {
	t.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	in, err := tape.Open(r.name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out []tape.Message
	for {
		m, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(m.Topic, "ready/") {
			out = append(out, m)
		}
	}
}

func publish(t *testing.T, broker *realserver.Server, messages ...tape.Message) {
	t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(broker.URL).SetClientID("test-publisher"))
	if token := c.Connect(); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal("connect:", token.Error())
	}
	defer c.Disconnect(100)
	for _, m := range messages {
		if token := c.Publish(m.Topic, m.QoS, m.Retain, m.Payload); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatal("publish:", token.Error())
		}
	}
}

// city is an hour of messages of all sorts.
func city() []tape.Message {
	var out []tape.Message
	for i := range 500 {
		out = append(out, tape.Message{Topic: fmt.Sprintf("kh/nha-trang/noise/n-%d", i%7), QoS: byte(i % 2),
			Payload: fmt.Appendf(nil, `{"ts":%d,"laeq":%d.5}`, 1795293000000+i*1000, 40+i%30)})
	}
	return append(out, tape.Message{Topic: "kh/cam-lam/x", QoS: 1, Payload: []byte{0xff, 0xfe}}, tape.Message{Topic: "kh/cam-lam/empty", QoS: 1, Payload: []byte{}})
}

// without leaves out what differs between two recordings: when they were made.
func without(messages []tape.Message) []tape.Message {
	out := make([]tape.Message, len(messages))
	for i, m := range messages {
		m.At = time.Time{}
		out[i] = m
	}
	return out
}

func play(t *testing.T, broker *realserver.Server, name string, change func(*tape.Player)) tape.Played {
	t.Helper()
	in, err := tape.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p := &tape.Player{Broker: tape.Broker{URL: broker.URL}, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Topics: []string{"kh/#"}}
	change(p)
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	done, err := p.Run(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestRecordReplayRecord(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	first := record(t, broker, "kh/#")
	publish(t, broker, city()...)
	first.until(t, 1+uint64(len(city())))
	original := first.end(t)
	if !reflect.DeepEqual(without(original), city()) {
		t.Fatalf("%d messages were recorded, not the %d that were sent in their order", len(original), len(city()))
	}
	for name, change := range map[string]func(*tape.Player){
		"as fast as possible": func(*tape.Player) {},
		"100 times faster":    func(p *tape.Player) { p.Speed = 100 },
	} {
		t.Run(name, func(t *testing.T) {
			again := record(t, broker, "kh/#")
			done := play(t, broker, first.name, change)
			if done.Sent != uint64(len(city())) || done.Acknowledged != done.Sent {
				t.Errorf("played %+v", done)
			}
			again.until(t, 1+uint64(len(city())))
			if got := again.end(t); !reflect.DeepEqual(without(got), city()) {
				t.Errorf("the tape of the replay has %d messages and differs", len(got))
			}
		})
	}
	t.Run("slice and filter", func(t *testing.T) {
		again := record(t, broker, "kh/#")
		done := play(t, broker, first.name, func(p *tape.Player) { p.From, p.Topics = original[100].At, []string{"kh/+/noise/n-3"} })
		want := 0
		for _, m := range original {
			if m.Topic == "kh/nha-trang/noise/n-3" && !m.At.Before(original[100].At) {
				want++
			}
		}
		again.until(t, 1+uint64(want))
		if got := again.end(t); len(got) != want || done.Sent != uint64(want) {
			t.Errorf("%d messages came, %d were sent, want %d", len(got), done.Sent, want)
		}
	})
	t.Run("shifted", func(t *testing.T) {
		again := record(t, broker, "kh/#")
		play(t, broker, first.name, func(p *tape.Player) { p.Shift = true })
		again.until(t, 1+uint64(len(city())))
		for i, m := range again.end(t) {
			if same := reflect.DeepEqual(m.Payload, city()[i].Payload); same == strings.HasPrefix(m.Topic, "kh/nha-trang") {
				t.Fatalf("message %d is %s, and was %s", i, m.Payload, city()[i].Payload)
			}
		}
	})
}

// A broker that restarts in the midst costs a replay nothing, and a recording
// nothing of quality of service 1.
func TestBrokerRestarts(t *testing.T) {
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{SaveEveryChange: true})
	rec := record(t, broker, "kh/#")
	var all []tape.Message
	for i := range 300 {
		all = append(all, tape.Message{At: time.UnixMilli(int64(i) * 20), Topic: "kh/a", QoS: 1, Payload: fmt.Appendf(nil, "%d", i)})
	}
	name := filepath.Join(t.TempDir(), "made.tape")
	w, err := tape.Create(name, tape.Header{Made: time.UnixMilli(0), Source: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		rec.until(t, 100)
		broker.Stop()
		broker.Start()
	}()
	done := play(t, broker, name, func(p *tape.Player) { p.Speed = 1 })
	<-restarted
	if done.Acknowledged != 300 {
		t.Errorf("played %+v", done)
	}
	rec.until(t, 301)
	seen := map[string]bool{}
	for _, m := range rec.end(t) {
		seen[string(m.Payload)] = true
	}
	if len(seen) != 300 {
		t.Errorf("%d of 300 messages are on the tape", len(seen))
	}
}

func TestBrokerRefuses(t *testing.T) {
	nobody := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	nobody.Stop()
	w, err := tape.Create(filepath.Join(t.TempDir(), "t"), tape.Header{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r := tape.Recorder{Broker: tape.Broker{URL: nobody.URL}, Topics: []string{"kh/#"}, Out: w, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "connect to broker") {
		t.Errorf("error %v", err)
	}
}
