package city

import (
	"context"
	"slices"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/door/session"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// sleeper is a device with a session at the door.
type sleeper struct {
	*town
	device telemetry.Device
}

// issue gives it another secret, which ends the one before.
func (s *sleeper) issue() access.Secret {
	s.t.Helper()
	k, err := s.control.Issue(s.t.Context(), access.System("test"), s.device, 0, access.Caller{})
	if err != nil {
		s.t.Fatal(err)
	}
	return k.Secret
}

func (s *sleeper) come(secret access.Secret) (c mqtt.Client, present bool) {
	s.t.Helper()
	o := mqtt.NewClientOptions().AddBroker(s.door.URL()).SetClientID("sleeper").SetUsername(string(s.device)).SetPassword(string(secret)).
		SetCleanSession(false).SetAutoReconnect(false).SetDefaultPublishHandler(func(mqtt.Client, mqtt.Message) {})
	c = mqtt.NewClient(o)
	k := c.Connect().(*mqtt.ConnectToken)
	if !k.WaitTimeout(time.Minute) || k.Error() != nil {
		s.t.Fatalf("%s connects: %v", s.device, k.Error())
	}
	return c, k.SessionPresent()
}

func (s *sleeper) topic() string { return "kh/" + string(theirs) + "/command/" + string(s.device) }

// sleep leaves its session with a command in it.
func (s *sleeper) sleep(secret access.Secret) {
	s.t.Helper()
	c, present := s.come(secret)
	if present {
		s.t.Fatal("it has a session before it came")
	}
	if k := c.Subscribe(s.topic(), 1, nil); !k.WaitTimeout(time.Minute) || k.Error() != nil {
		s.t.Fatal(k.Error())
	}
	c.Disconnect(250)
	s.command()
}

func (s *sleeper) command() {
	s.t.Helper()
	all := []session.Publication{{Topic: s.topic(), Payload: []byte("lock"), QoS: 1, Received: time.Now()}}
	if err := s.door.sessions.Publish(s.t.Context(), all); err != nil {
		s.t.Fatal(err)
	}
	if n := s.waiting(); n != 1 {
		s.t.Fatalf("%d commands wait", n)
	}
}

func (s *sleeper) waiting() int { return int(s.door.sessions.Stats().Waiting) }

// What waits for a device goes to nobody else: it is gone when the device may not come any
// more, whoever has its name then; and stays while it has any right.
func TestSessionsEndWithTheRight(t *testing.T) {
	c := (&town{people: people{newDoored(t, nil), t}}).serving()
	secrets := map[string]func(s *sleeper){
		"credential revoked": func(s *sleeper) {
			if err := s.control.Revoke(t.Context(), access.System("test"), s.device, "stolen", access.Caller{}); err != nil {
				t.Fatal(err)
			}
		},
		"revoked while the city did not hear": func(s *sleeper) {
			c.store(func(ctx context.Context, tx access.Tx) error {
				all, err := tx.Credentials(ctx, s.device)
				if err == nil {
					all[0].Revoked = time.Now().Add(-time.Hour)
					_, err = tx.PutCredential(ctx, all[0])
				}
				return err
			})
			if err := s.keeper.forgetLapsed(t.Context(), s.door.sessions.Users()); err != nil { // as a start does
				t.Fatal(err)
			}
		},
	}
	for name, end := range secrets {
		t.Run(name, func(t *testing.T) {
			s := &sleeper{c, c.object("x", theirs).device}
			s.sleep(s.issue())
			secret := s.issue()
			if present, n := slices.Contains(s.door.sessions.Users(), string(s.device)), s.waiting(); !present || n != 1 {
				t.Errorf("with a new secret it has a session: %v, and %d commands wait", present, n)
			}
			again, present := s.come(secret)
			if !present {
				t.Fatal("its session is gone, and it may still come")
			}
			c.await("the command arrives", func() bool { return s.waiting() == 0 })
			again.Disconnect(250)
			s.command()
			if end(s); s.waiting() != 0 {
				t.Errorf("%d commands wait for who may not come", s.waiting())
			}
			if again, present = s.come(s.issue()); present {
				t.Error("who has its name now has its session")
			}
			again.Disconnect(250)
		})
	}
	t.Run("retired", func(t *testing.T) {
		s := &sleeper{c, c.object("x", theirs).device}
		s.sleep(s.issue())
		err := c.registry.Batch(t.Context(), everywhere(), func(b *devices.Batch) error {
			_, err := b.RetireDevice(t.Context(), s.device, time.Now())
			return err
		})
		if err != nil || s.waiting() != 0 || slices.Contains(s.door.sessions.Users(), string(s.device)) {
			t.Errorf("%v; %d commands wait for a retired device", err, s.waiting())
		}
	})
}
