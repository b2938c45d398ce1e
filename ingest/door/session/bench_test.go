package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

// prompt is a client that acknowledges at once.
type prompt struct{ ids []uint16 }

func (l *prompt) Send(p packets.Packet) bool {
	if p.FixedHeader.Qos > 0 {
		l.ids = append(l.ids, p.PacketID)
	}
	return true
}
func (l *prompt) End(packets.Code) {}

// BenchmarkPublish is the cost of a batch of 100 messages of QoS 1, with subscribers to
// all of them that acknowledge when the batch is published. Divide by 100 for a message.
func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 100} {
		for _, how := range []struct {
			name   string
			expiry time.Duration
		}{{"memory", 0}, {"file", time.Hour}} {
			if subscribers == 0 && how.expiry > 0 || subscribers == 100 && how.expiry > 0 {
				continue
			}
			b.Run(fmt.Sprintf("%d in %s", subscribers, how.name), func(b *testing.B) { publish(b, subscribers, how.expiry) })
		}
	}
}

func publish(b *testing.B, subscribers int, expiry time.Duration) {
	s, err := session.Open(b.Context(), session.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var links []*prompt
	var all []*session.Session
	for i := range subscribers {
		l := &prompt{}
		key := session.Key{User: fmt.Sprint(i), Client: "c"}
		x, _, err := s.Attach(b.Context(), session.Connect{Key: key, Version: 4, Expiry: expiry}, l)
		if err != nil {
			b.Fatal(err)
		}
		x.Start()
		if _, err := x.Subscribe(b.Context(), packets.Subscriptions{sub("kh/#", 1)}, 0, anything); err != nil {
			b.Fatal(err)
		}
		links, all = append(links, l), append(all, x)
	}
	batch := make([]session.Publication, 100)
	payload := []byte(`{"ts":1795293000123,"pm25":12.4,"pm10":30.1,"bat":3.7}`)
	for b.Loop() {
		now := time.Now()
		for i := range batch {
			batch[i] = session.Publication{Topic: "kh/nha-trang/air_quality/lamp-1", Payload: payload, QoS: 1, Received: now}
		}
		if err := s.Publish(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		for i, l := range links {
			for _, id := range l.ids {
				all[i].Acknowledge(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: id})
			}
			l.ids = l.ids[:0]
		}
	}
}
