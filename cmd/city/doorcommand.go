package city

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Door is `haidang door`: the door alone, into an external journal.
type Door struct {
	Config  string `type:"existingfile" help:"YAML file that lists localities and gateways; the same as the loader has, which needs none for Nha Trang, Cam Ranh, Ninh Hòa and Cam Lâm." placeholder:"FILE"`
	Journal string `required:"" env:"HAIDANG_JOURNAL" help:"NATS server with JetStream that holds the journal." placeholder:"nats://HOST:4222"`
	Data    string `default:"haidang-door" help:"Folder that holds sessions, retained messages and the door's own count; of this process alone." placeholder:"DIR"`
	HTTP    string `name:"http" default:"127.0.0.1:8082" help:"Address for /healthz, /readyz, /metrics and MQTT by WebSocket at /mqtt; of the loopback only." placeholder:"127.0.0.1:8082"`
	mqttFlags
	Access        string        `env:"HAIDANG_ACCESS" help:"A running city that says who a device is and what it may do, with the secret in HAIDANG_DOOR_SECRET that both have. Needed beyond the loopback." placeholder:"https://HOST"`
	AccessCA      string        `name:"access-ca" type:"path" help:"Certificate (PEM) of the authority that vouches for --access, where this machine does not know it." placeholder:"FILE"`
	DoorSecret    string        `name:"door-secret" env:"HAIDANG_DOOR_SECRET" help:"Secret by which the city knows this door; better given in the environment." placeholder:"SECRET"`
	Replicas      int           `default:"1" help:"Servers of the JetStream cluster that hold each record: 1, 3 or 5." placeholder:"1"`
	JournalBudget terminal.Size `help:"Disk that the journal may take; 10GiB for a new one." placeholder:"10GiB"`
	DiskReserve   terminal.Size `default:"512MiB" help:"Free disk of --data below which nothing more is kept for devices that are away." placeholder:"512MiB"`
	Durability    string        `enum:"auto,power,process" default:"auto" help:"What sessions and retained messages survive: power, the loss of power (synced to disk first); process, the death of the process; auto, power where syncs take no longer than 2 ms. The journal's own durability is the NATS server's (sync_interval)." placeholder:"auto"`
	backupFlags
	terminal.LogFlags
}

// Help is kong's detailed help.
func (Door) Help() string {
	return `Examples:
  haidang door --journal nats://127.0.0.1:4222
  HAIDANG_DOOR_SECRET=… haidang door --journal nats://10.0.0.5:4222 --mqtt 0.0.0.0:8883 --access https://haidang.example.vn \
      --mqtt-tls-cert fullchain.pem --mqtt-tls-key privkey.pem
  haidang door --journal nats://127.0.0.1:4222 --mqtt-device-rate 5 --mqtt-session-expiry 1d

Devices are asked for their credentials if --access is given, and let in unasked only on the loopback without it. What the
city has said is asked again every 30 s, so that a revoked device is disconnected and its sessions end; while the city is away, who was let in
within the last 15 minutes is let in again, and nobody else.

There is one door to a journal: its messages are numbered as the gateway "door".`
}

// check finds what is wrong before anything is opened.
func (c *Door) check() error {
	switch {
	case !access.Loopback(c.HTTP):
		return fmt.Errorf("--http is %q: a door tells health and metrics to anybody who asks, so give HOST:PORT of the loopback, such as 127.0.0.1:8082", c.HTTP)
	case c.Access != "" && len(c.DoorSecret) < minShared:
		return fmt.Errorf("HAIDANG_DOOR_SECRET has %d characters: give the one of at least %d that the city at --access has, such as: openssl rand -base64 24", len(c.DoorSecret), minShared)
	case c.Access == "" && !access.Loopback(c.MQTT):
		return fmt.Errorf("--mqtt is %q, beyond this machine, and devices there would not be asked for a password: add --access URL of a running city, or give an address of the loopback, such as 127.0.0.1:1883", c.MQTT)
	case !access.Loopback(c.MQTT) && c.MQTTTLSCert == "" && !c.MQTTPlain:
		return fmt.Errorf("--mqtt is %q, beyond this machine, and devices' secrets would cross the network unencrypted: give a certificate with --mqtt-tls-cert and --mqtt-tls-key, or, where that network is yours alone, add --mqtt-plain", c.MQTT)
	}
	return errors.Join(c.mqttFlags.check(c.Access != "", "--access"), checkAccessURL(c.Access))
}

// Run runs the door:  devices ─► door ─► external journal
func (c *Door) Run(ctx context.Context, out *terminal.Output) (err error) {
	began := time.Now()
	if err := c.check(); err != nil {
		return err
	}
	listen := listenFlags{HTTP: c.HTTP, HTTPMaxConnections: mostConnections, HTTPMaxPerAddress: mostPerAddress}
	here, err := openCity(cityOptions{c.Config, c.Data, c.Durability, c.DiskReserve, listen, c.LogFlags, nil}, out)
	defer func() { err = errors.Join(err, here.close()) }()
	if err != nil {
		return err
	}
	if err := here.begin(ctx, newDoorCustody(c.Data, c.backupFlags, here.findings, here.log)); err != nil {
		return err
	}
	j, err := openExternalJournal(ctx, c.Journal, c.JournalBudget, c.Replicas, here.log, &here.open)
	if err != nil {
		return err
	}
	sessions, err := here.openSessions(ctx, c.doorFlags)
	if err != nil {
		return err
	}
	_, next, err := j.Position(ctx, door.Name)
	if err != nil {
		return err
	}
	count, err := here.countFile([]ingest.Account{{Gateway: door.Name, Position: next}})
	if err != nil {
		return err
	}
	keeper, asks := newDoorkeeper(here.config, nil, here.log), (*cityGrants)(nil)
	o := doorOptions{journal: j, maxPayload: j.MaxRecord() - topicRoom, sessions: sessions, count: count, asked: c.Access != ""}
	if o.asked {
		client, err := terminal.ClientFlags{CA: c.AccessCA}.Client()
		if err != nil {
			return err
		}
		asks = newCityGrants(c.Access, access.Secret(c.DoorSecret), client, func(identity string) { keeper.end(telemetry.Device(identity)) }, here.log)
		asks.sessions = func(ctx context.Context) error { return keeper.forgetLapsed(ctx, sessions.Users()) }
		keeper.devices, o.refused = asks, asks.refused
	}
	o.keeper = keeper
	canaries := ingest.NewCanaries(nil, j, here.findings)
	canaries.Logger, o.canaries = here.log, canaries
	w, err := here.openDoor(ctx, c.mqttFlags, o)
	if err != nil {
		return err
	}
	keeper.door.Store(w)
	canaries.Routes = w.routes(here.config.DoorCanaries(), keeper.parts[canaryUser])
	here.srv.mqtt = w.webSocket(here.srv, o.asked, false)
	checks := func(ctx context.Context) []check {
		_, err := j.State(ctx)
		all := []check{w.check(), {Name: "journal", Problem: text(err)}, here.durability.check()}
		if asks != nil {
			all = append(all, check{Name: "access", Problem: text(asks.Err())})
		}
		return append(all, canaryChecks(canaries)...)
	}
	here.srv.health(here.reg, here.findings, checks)
	if err := here.syncNames(); err != nil {
		return err
	}
	var parts actors
	parts.add("HTTP", here.srv.run)
	parts.add("ballast", keepBallast(here.disk, here.log))
	here.custody.run(&parts)
	if asks != nil {
		parts.add("access", asks.Run)
	}
	parts.add("door", w.run)
	parts.add("canaries", canaries.Run)
	parts.add("welcome", func(ctx context.Context) error {
		if awaitReady(ctx, checks) {
			fmt.Fprintf(out.Stdout, "door is taking messages at %s (ready after %.1f s); health: %s/readyz\n", w.URL(), time.Since(began).Seconds(), here.srv.url())
		}
		<-ctx.Done()
		return nil
	})
	return parts.run(ctx, stopGrace)
}

// checkAccessURL finds an address that no city can have, or to which secrets would go
// in the clear.
func checkAccessURL(at string) error {
	if at == "" {
		return nil
	}
	req, err := http.NewRequest(http.MethodGet, at, nil)
	switch {
	case err != nil || req.URL.Host == "" || req.URL.User != nil:
		return errors.New("--access is no address: give scheme and host, such as https://haidang.example.vn")
	case req.URL.Scheme != "https" && !terminal.ThisMachine(req.URL.Hostname()):
		return fmt.Errorf("--access %s is not encrypted, and devices' secrets go there: give an https:// address", at)
	}
	return nil
}
