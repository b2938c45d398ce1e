package e2e_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// sleeper is a device that takes commands: it subscribed once, and its session stays
// through everything. A commander sends it numbers.
type sleeper struct {
	t      *testing.T
	client mqtt.Client

	mu   sync.Mutex
	got  []int // in order, what comes again left out
	sent int   // so many commands are acknowledged

	stopping, done chan struct{}
}

const commandTopic = "kh/nha-trang/command/pump-1"

// command starts both; check ends them.
func command(t *testing.T, broker string) *sleeper {
	t.Helper()
	s := &sleeper{t: t, stopping: make(chan struct{}), done: make(chan struct{})}
	o := mqtt.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("pump-1").SetCleanSession(false)
	o.SetMaxReconnectInterval(500 * time.Millisecond).SetConnectTimeout(5 * time.Second)
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { s.take(m) })
	s.client = mqtt.NewClient(o)
	for _, token := range []func() mqtt.Token{s.client.Connect, func() mqtt.Token { return s.client.Subscribe(commandTopic, 1, nil) }} {
		if token := token(); !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatal("the sleeper is not served: ", token.Error())
		}
	}
	go s.run(broker)
	t.Cleanup(func() {
		s.stop()
		s.client.Disconnect(100)
	})
	return s
}

func (s *sleeper) take(m mqtt.Message) {
	n, err := strconv.Atoi(string(m.Payload()))
	if err != nil {
		s.t.Error("a command is none: ", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.got, n) {
		s.got = append(s.got, n)
	}
}

// run sends one command after the other, each until it is acknowledged.
func (s *sleeper) run(broker string) {
	defer close(s.done)
	for {
		s.mu.Lock()
		next := s.sent
		s.mu.Unlock()
		err := send(s.t, broker, commandTopic, fmt.Append(nil, next))
		s.mu.Lock()
		if err == nil {
			s.sent++
		}
		s.mu.Unlock()
		select {
		case <-s.stopping:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *sleeper) stop() {
	select {
	case <-s.stopping:
	default:
		close(s.stopping)
	}
	<-s.done
}

// check ends the commander: every command that was acknowledged has come, in order.
func (s *sleeper) check() {
	s.t.Helper()
	s.stop()
	eventually(s.t, patience, "all commands have come", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.got) >= s.sent
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.IsSorted(s.got) || s.got[0] != 0 || s.got[len(s.got)-1] != len(s.got)-1 {
		s.t.Errorf("commands came as %v", s.got)
	}
	s.t.Logf("the sleeper has all of %d commands", s.sent)
}
