package broker_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
)

// oldAccount is the account that older versions had MQTT in.
const oldAccount = "MQTT"

// oldServer is the MQTT broker of versions up to 0.9, on a folder.
func oldServer(t *testing.T, dir string) (url string, stop func()) {
	t.Helper()
	opts := &server.Options{}
	if err := opts.ProcessConfigString("accounts { MQTT { jetstream: enabled }, JOURNAL { jetstream: enabled } }"); err != nil {
		t.Fatal(err)
	}
	opts.ServerName, opts.DontListen, opts.NoSigs, opts.JetStream, opts.StoreDir = "haidang", true, true, true, dir
	opts.Users = []*server.User{{Username: "mqtt", Account: opts.Accounts[0], AllowedConnectionTypes: map[string]struct{}{"MQTT": {}}}}
	if opts.Accounts[0].Name != oldAccount {
		opts.Users[0].Account = opts.Accounts[1]
	}
	opts.MQTT.Host, opts.MQTT.Port, opts.MQTT.NoAuthUser = "127.0.0.1", freePort(t), "mqtt"
	opts.MQTT.AckWait, opts.MQTT.MaxAckPending = 10*time.Second, 20000
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(time.Minute) {
		t.Fatal("the old server is not ready")
	}
	stop = sync.OnceFunc(func() { srv.Shutdown(); srv.WaitForShutdown() })
	t.Cleanup(stop)
	return fmt.Sprintf("tcp://127.0.0.1:%d", opts.MQTT.Port), stop
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// oldClient connects with a session that outlives its connection.
func oldClient(t *testing.T, url, id string) mqtt.Client {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker(url).SetClientID(id).SetCleanSession(false).SetAutoReconnect(false).SetAutoAckDisabled(true)
	c := mqtt.NewClient(o)
	wait(t, c.Connect())
	return c
}

// heirs write down what they get.
type heirs struct {
	mu       sync.Mutex
	records  []ingest.Record
	next     map[string]uint64
	full     int // so many records are taken before the journal is full; -1 is never
	retained []broker.OldMessage
	sessions []broker.OldSession
	queued   []broker.OldQueued
}

func (h *heirs) Position(_ context.Context, gateway string) (ingest.Epoch, uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return "E", h.next[gateway], nil
}

func (h *heirs) Append(_ context.Context, r ingest.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.First != h.next[r.Gateway] {
		return ingest.ErrPosition
	}
	if h.full == 0 {
		return ingest.ErrJournalFull
	}
	h.full--
	r.Messages = slices.Clone(r.Messages)
	h.records, h.next[r.Gateway] = append(h.records, r), r.End()
	return nil
}

func (h *heirs) heirs() broker.Heirs {
	return broker.Heirs{
		Journal: h, MaxPayload: 1 << 20, Other: "door",
		Gateway: func(client string) string {
			return map[string]string{"haidang-nha-trang": "nha-trang", "haidang-cam-ranh": "cam-ranh"}[client]
		},
		NotTelemetry: func(topic string) bool { return slices.Contains([]string{"kh/nha-trang/command/d1"}, topic) },
		Retained: func(_ context.Context, all []broker.OldMessage) error {
			h.retained = append(h.retained, all...)
			return nil
		},
		Session: func(_ context.Context, s broker.OldSession) error { h.sessions = append(h.sessions, s); return nil },
		Queue:   func(_ context.Context, all []broker.OldQueued) error { h.queued = append(h.queued, all...); return nil },
	}
}

// payloads are those of a gateway's records, in order.
func (h *heirs) payloads(gateway string) (all []string) {
	for _, r := range h.records {
		for _, m := range r.Messages {
			if r.Gateway == gateway {
				all = append(all, string(m.Payload))
			}
		}
	}
	return all
}

func numbered(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(prefix, i))
	}
	return all
}

// What an older version had acknowledged, its gateways, devices and others get: each
// once, in order, also when the take-over is killed or the journal is full in between.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leaveOld(t, dir)
	h := &heirs{next: map[string]uint64{}, full: 1}
	// The first time the journal is full behind one record; the second is another process.
	for round := range 2 {
		b, err := broker.Start(t.Context(), broker.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		old, err := b.Old()
		if err != nil || old == nil {
			t.Fatalf("nothing old is found: %v", err)
		}
		_, err = old.TakeOver(t.Context(), h.heirs())
		if round == 0 {
			if err == nil {
				t.Fatal("the journal was full, and the take-over is done")
			}
		} else if err != nil {
			t.Fatal(err)
		} else if err := old.Finish(); err != nil {
			t.Fatal(err)
		}
		h.full = -1
		old.Close()
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	h.check(t)
	if _, err := os.Stat(filepath.Join(dir, "jetstream", oldAccount)); !os.IsNotExist(err) {
		t.Errorf("the old folder is still there: %v", err)
	}
	b, err := broker.Start(t.Context(), broker.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.Background())
	if old, err := b.Old(); old != nil || err != nil {
		t.Errorf("after the take-over there is something old: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "jetstream", oldAccount)); !os.IsNotExist(err) {
		t.Errorf("the old folder is there again: %v", err)
	}
}

// leaveOld has an old version leave a folder.
func leaveOld(t *testing.T, dir string) {
	t.Helper()
	url, stop := oldServer(t, dir)
	all := map[string]map[string]byte{
		"a-watcher":         {"kh/#": 2},
		"d1":                {"kh/nha-trang/command/d1": 1, "kh/nha-trang/news": 0},
		"haidang-nha-trang": {"kh/nha-trang/#": 1},
		"haidang-cam-ranh":  {"kh/cam-ranh/#": 1, "/cr/+/x.y": 1},
	}
	for _, id := range slices.Sorted(maps.Keys(all)) { // the watcher first: it keeps what others take
		filters, c := all[id], oldClient(t, url, id)
		wait(t, c.SubscribeMultiple(filters, func(_ mqtt.Client, m mqtt.Message) {
			if id == "haidang-cam-ranh" && string(m.Payload()) == "taken" {
				m.Ack()
			}
		}))
		if id == "haidang-cam-ranh" { // it takes one, the others sleep
			p := oldClient(t, url, "first")
			wait(t, p.Publish("kh/cam-ranh/weather/w0", 1, false, "taken"))
			p.Disconnect(250)
			time.Sleep(200 * time.Millisecond) // paho writes the PUBACK
		}
		c.Disconnect(250)
	}
	p := oldClient(t, url, "publisher")
	publish := func(topic string, qos byte, retain bool, payload string) {
		wait(t, p.Publish(topic, qos, retain, payload))
	}
	var tokens []mqtt.Token
	for i := range 2500 {
		tokens = append(tokens, p.Publish("kh/nha-trang/air_quality/a1", 1, false, fmt.Sprint("n", i)))
	}
	for i := range 10 {
		tokens = append(tokens, p.Publish("/cr/1/x.y", 1+byte(i%2), false, fmt.Sprint("c", i)), p.Publish("kh/nha-trang/command/d1", 1, false, fmt.Sprint("k", i)))
	}
	for _, token := range tokens {
		wait(t, token)
	}
	publish("kh/nha-trang/status/a1", 1, true, "online")
	publish("kh/nha-trang/status/a2", 0, true, "gone")
	publish("kh/nha-trang/status/a2", 0, true, "")
	p.Disconnect(250)
	heldQoS2(t, url)
	stop()
}

// heldQoS2 publishes with QoS 2 and goes away when it has the PUBRECs.
func heldQoS2(t *testing.T, url string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	hello, _ := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.ClientIdentifier, hello.Keepalive = "MQTT", 4, "q2", 60
	all := []packets.ControlPacket{hello}
	for i, m := range [][2]string{{"kh/nha-trang/weather/w1", "held"}, {"other/thing", "nobody's"}} {
		p, _ := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.Qos, p.MessageID, p.TopicName, p.Payload = 2, uint16(7+i), m[0], []byte(m[1])
		all = append(all, p)
	}
	for i, p := range all {
		if err := p.Write(conn); err != nil {
			t.Fatal(err)
		}
		answer, err := packets.ReadPacket(conn)
		if err != nil {
			t.Fatal(err)
		}
		if receipt, ok := answer.(*packets.PubrecPacket); i > 0 && (!ok || receipt.MessageID != uint16(6+i)) {
			t.Fatalf("the old server answers %v", answer)
		}
	}
}

func (h *heirs) check(t *testing.T) {
	t.Helper()
	want := append(numbered("n", 2500), "online")
	if got := h.payloads("nha-trang"); !slices.Equal(got, append(want, "held")) {
		t.Errorf("gateway nha-trang has %d messages, not %d, or in another order", len(got), len(want)+1)
	}
	if got := h.payloads("cam-ranh"); !slices.Equal(slices.Sorted(slices.Values(got)), numbered("c", 10)) {
		t.Errorf("gateway cam-ranh has %q", got)
	}
	if got := h.payloads("door"); !slices.Equal(got, []string{"nobody's"}) {
		t.Errorf("the door has %q", got)
	}
	if len(h.retained) != 1 || h.retained[0].Topic != "kh/nha-trang/status/a1" || string(h.retained[0].Payload) != "online" || h.retained[0].QoS != 1 {
		t.Errorf("retained are %v", h.retained)
	}
	sessions := map[string]map[string]byte{}
	for _, s := range h.sessions { // both processes have handed them over
		sessions[s.ClientID] = s.Filters
	}
	if !maps.Equal(sessions["d1"], map[string]byte{"kh/nha-trang/command/d1": 1, "kh/nha-trang/news": 0}) || !maps.Equal(sessions["a-watcher"], map[string]byte{"kh/#": 2}) {
		t.Errorf("sessions are %v", sessions)
	}
	queued := map[string][]string{}
	for _, q := range h.queued {
		queued[q.ClientID] = append(queued[q.ClientID], string(q.Payload))
	}
	if !slices.Equal(queued["d1"], numbered("k", 10)) {
		t.Errorf("for d1 wait %q", queued["d1"])
	}
	// The batch that failed is given once more.
	slices.SortFunc(queued["a-watcher"], cmp.Compare)
	if n, all := len(slices.Compact(slices.Clone(queued["a-watcher"]))), len(queued["a-watcher"]); n != 2500+10+3 || all > n+1000 {
		t.Errorf("for the watcher wait %d messages, %d different", all, n)
	}
}
