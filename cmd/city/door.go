package city

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/damage"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/door/session"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// doorFlags bound what strangers and each device can take of the door.
type doorFlags struct {
	MQTTMaxConnections    int               `name:"mqtt-max-connections" default:"65536" help:"How many devices may be connected at a time." placeholder:"65536"`
	MQTTMaxPerAddress     int               `name:"mqtt-max-per-address" default:"256" help:"How many connections of one address may be open that have not said yet who they are. Raise it where many devices share one address and come back at once." placeholder:"256"`
	MQTTDeviceConnections int               `name:"mqtt-device-connections" default:"4" help:"How many connections a device may have; one more ends its oldest that is silent, or is refused." placeholder:"4"`
	MQTTDeviceSessions    int               `name:"mqtt-device-sessions" default:"2" help:"How many sessions of a device may wait for it while it is away." placeholder:"2"`
	MQTTDeviceRate        float64           `name:"mqtt-device-rate" help:"Messages a second of one device, over a minute; who sends more is made to wait. Default: 50 where devices are asked for their credentials, else none." placeholder:"50"`
	MQTTLocalityRate      float64           `name:"mqtt-locality-rate" help:"The same for all devices of a locality together; 0 is none." placeholder:"0"`
	MQTTSessionExpiry     terminal.Duration `name:"mqtt-session-expiry" default:"7d" help:"How long what waits for a device stays without it." placeholder:"7d"`
	MQTTSessionBudget     terminal.Size     `name:"mqtt-session-budget" default:"256MiB" help:"Memory, and as much disk, that sessions and retained messages may take together." placeholder:"256MiB"`
}

func (f doorFlags) check() error {
	for _, n := range []struct {
		flag  string
		value int
		most  int
	}{{"connections", f.MQTTMaxConnections, 1 << 20}, {"per-address", f.MQTTMaxPerAddress, 1 << 20}} {
		if n.value < 1 || n.value > n.most {
			return fmt.Errorf("--mqtt-max-%s is %d: give 1 to %d", n.flag, n.value, n.most)
		}
	}
	switch {
	case f.MQTTDeviceConnections < 1 || f.MQTTDeviceSessions < 1:
		return fmt.Errorf("--mqtt-device-connections is %d and --mqtt-device-sessions is %d: give at least 1 each", f.MQTTDeviceConnections, f.MQTTDeviceSessions)
	case f.MQTTDeviceRate < 0 || f.MQTTLocalityRate < 0:
		return errors.New("--mqtt-device-rate and --mqtt-locality-rate are messages a second: give more than 0, or leave them out")
	case time.Duration(f.MQTTSessionExpiry) < time.Minute:
		return fmt.Errorf("--mqtt-session-expiry is %v: give at least 1m", time.Duration(f.MQTTSessionExpiry))
	case f.MQTTSessionBudget < 1<<20:
		return errors.New("--mqtt-session-budget: give at least 1MiB")
	}
	return nil
}

// limits are the door's. Where nobody is asked who it is, a client may speak for many
// devices, as a replayed tape does.
func (f doorFlags) limits(asked bool) door.Limits {
	l := door.Limits{Connections: f.MQTTMaxConnections, PerAddress: f.MQTTMaxPerAddress, PerDevice: f.MQTTDeviceConnections,
		DeviceRate: f.MQTTDeviceRate, LocalityRate: f.MQTTLocalityRate, KeepAliveAtMost: keepAliveAtMost}
	if l.DeviceRate == 0 && !asked {
		l.DeviceRate = -1
	}
	return l
}

func (f doorFlags) sessionLimits() session.Limits {
	return session.Limits{PerUser: f.MQTTDeviceSessions, Expiry: time.Duration(f.MQTTSessionExpiry), TotalBytes: int64(f.MQTTSessionBudget)}
}

// keepAliveAtMost is when a client of MQTT 5 pings at the latest: so long may a connection
// stay whose device hangs. Who is gone without a word TCP notices.
const keepAliveAtMost = time.Hour

// doorDir is the folder of what the door remembers of its clients.
const doorDir = "door"

// openSessions opens what the door remembers of its clients.
func (c *city) openSessions(ctx context.Context, f doorFlags) (*session.Sessions, error) {
	s, err := session.Open(ctx, session.Options{
		Dir: filepath.Join(c.data, doorDir), Sync: c.durability.power, Limits: f.sessionLimits(), Room: c.disk.Stop, Now: time.Now, Logger: c.log,
		Damaged: func(err error) { c.findings.Report(damage.FileDamaged(sessionsPart, []string{err.Error()})) },
	})
	if err != nil {
		return nil, err
	}
	c.open.opened("sessions", s.Close)
	c.reg.MustRegister(s.Collector())
	return s, nil
}

// doorway is the door with what belongs to it.
type doorway struct {
	*door.Door
	sessions *session.Sessions
	count    *ingest.Count
	sender   *ingest.Sender
	// old is what an older version has left; nil is nothing.
	old *takeOver
}

// doorOptions are what a door needs besides flags.
type doorOptions struct {
	keeper   door.Authenticator
	refused  func(door.Refusal)
	journal  ingest.Appender
	sessions *session.Sessions
	count    *ingest.Count
	canaries *ingest.Canaries
	// asked says that devices are asked who they are.
	asked bool
	// maxPayload is the longest that the journal can hold.
	maxPayload int
}

// openDoor listens for devices. It lets nobody in before it runs.
func (c *city) openDoor(ctx context.Context, f mqttFlags, o doorOptions) (*doorway, error) {
	d := door.Options{
		Addr: f.MQTT, PlainBeyond: f.MQTTPlain, Authenticator: o.keeper, OnRefused: o.refused,
		Journal: o.journal, MaxPayload: o.maxPayload, Sessions: o.sessions, Count: o.count, Canaries: o.canaries, NotTelemetry: c.config.NotTelemetry(),
		Limits: f.limits(o.asked), Now: time.Now, Logger: c.log, Metrics: c.metrics, Registerer: c.reg,
	}
	if f.MQTTPlain && !access.Loopback(f.MQTT) {
		c.log.Warn("devices beyond this machine may come unencrypted: their secrets and readings cross the network for all to read (--mqtt-plain)", "mqtt", f.MQTT)
	}
	cert, err := f.certificate(c.srv.cert, c.log)
	if err != nil {
		return nil, err
	}
	if cert != nil {
		d.TLS = cert.TLS()
		watchCertificate(c.reg, "mqtt", cert)
	}
	w := &doorway{count: o.count, sessions: o.sessions}
	w.Door, err = door.Open(ctx, d)
	return w, err
}

// routes are the ways of the canaries through the door: by a connection to its own
// listener, as a device's.
func (w *doorway) routes(localities []telemetry.Locality, pass partPass) (out []ingest.Route) {
	w.sender = &ingest.Sender{Broker: ingest.Broker{URL: w.URL(), Username: canaryUser, Password: pass.password, ClientID: canaryUser}}
	for _, l := range localities {
		r := ingest.DoorRoute(door.Name, l)
		r.Send, r.State = w.sender.Send, w.State
		r.Passed = func() uint64 {
			t, _, err := w.count.Read()
			if err != nil {
				return 0
			}
			return t.Confirmed
		}
		out = append(out, r)
	}
	return out
}

// run serves, and ends the canaries' own connection with it.
func (w *doorway) run(ctx context.Context) error {
	defer w.sender.Close()
	return w.Run(ctx)
}

// check says whether devices are served.
func (w *doorway) check() check { return check{Name: door.Name, Problem: w.State().Detail} }

// webSocket is the door on the HTTP listener: for all who are asked who they are, else
// only for this machine, and not for a foreign page that speaks in its reader's name.
func (w *doorway) webSocket(s *server, asked, beyond bool) http.Handler {
	next := w.WebSocket()
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case asked:
		case beyond:
			http.Error(rw, "MQTT is not served here: nobody is asked who it is (add --mqtt-credentials)", http.StatusForbidden)
			return
		case !s.ownOrigin(r):
			http.Error(rw, "MQTT is not served to pages of other hosts while nobody is asked who it is (--mqtt-credentials)", http.StatusForbidden)
			return
		}
		if s.control != nil {
			r = s.control.Forwarded(r)
		}
		next.ServeHTTP(rw, r)
	})
}

// countFile opens the door's own count. It is not synced even with power: the file is
// written for every record, and a second sync would cost each as much as the journal's.
// Without it a machine that lost power begins a new comparison, and accuses nobody.
func (c *city) countFile(accounts []ingest.Account) (*ingest.Count, error) {
	return c.openCount(door.Name, false, accounts)
}
