package broker_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/haidang-iot/haidang/ingest/broker"
)

// BenchmarkQoS1 measures messages per second from a publisher to a subscriber with
// a persistent session, both at QoS 1 and on the machine of the broker.
func BenchmarkQoS1(b *testing.B) {
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("sync=%v", sync), func(b *testing.B) {
			br := start(b, broker.Options{MQTTAddr: "127.0.0.1:0", SyncAlways: sync})
			got := subscribe(b, client(b, br, "gateway"), "kh/#")
			pub := client(b, br, "device")
			payload := []byte(`{"ts":1795293000123,"pm25":12.4,"pm10":30.1,"bat":3.7}`)
			const window = 1000
			tokens := make(chan mqtt.Token, window)
			acked := make(chan struct{})
			go func() {
				defer close(acked)
				for token := range tokens {
					token.Wait()
				}
			}()
			b.ResetTimer()
			go func() {
				for range b.N {
					tokens <- pub.Publish("kh/nha-trang/air_quality/d1", 1, false, payload)
				}
				close(tokens)
			}()
			for range b.N {
				receive(b, got)
			}
			<-acked
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// A session that comes back gets what it had not acknowledged after AckWait.
func TestUnacknowledgedComesAgain(t *testing.T) {
	const ackWait = time.Second
	b := start(t, broker.Options{MQTTAddr: "127.0.0.1:0", AckWait: ackWait})
	var had atomic.Int64
	first := client(t, b, "gateway", func(o *mqtt.ClientOptions) { o.SetAutoAckDisabled(true) })
	wait(t, first.Subscribe("kh/#", 1, func(mqtt.Client, mqtt.Message) { had.Add(1) }))
	pub := client(t, b, "device")
	for range 10 {
		wait(t, pub.Publish("kh/x", 1, false, "x"))
	}
	eventually(t, "the first session has all", func() bool { return had.Load() == 10 })
	first.Disconnect(0)
	got := make(chan mqtt.Message, 100)
	began := time.Now()
	client(t, b, "gateway", func(o *mqtt.ClientOptions) {
		o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { got <- m })
	})
	for range 10 {
		if m := receive(t, got); !m.Duplicate() {
			t.Error("redelivered without DUP")
		}
	}
	t.Logf("came again after %s", time.Since(began).Round(time.Millisecond))
}
