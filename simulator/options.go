package simulator

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// What the options may be. The limits keep a device's readings at least 10 ms
// apart and its amounts (vehicles, rain) inside the catalogue's ranges.
const (
	maxDevices = 1_000_000
	minSpeed   = 0.1
	maxSpeed   = 3600.0
	// maxLineSpeed plays a year in half a minute.
	maxLineSpeed = 1e6
	minEvery     = 10 * time.Millisecond
	maxEvery     = time.Hour
	maxInFlight  = 10_000
	maxPrefix    = 16

	// ownConnections is up to how many devices each have a connection by
	// default. A connection is a file descriptor here and another at the
	// broker; within one process, as in `haidang up`, 500 of them stay below the
	// 1,024 that many systems allow.
	ownConnections = 500
)

// Options say which fleet is simulated and how it is sent. The zero value of a
// field is its default, except where the comment says that it must be set.
type Options struct {
	// Broker is the MQTT broker's URL: tcp://host:1883, or ssl:// with TLS. It
	// must be set for a [Simulator]; a [Fleet] has no use for it.
	Broker string
	// Username and Password are sent to the broker. Default: those of the URL, if
	// it has any.
	Username, Password string

	// TLS is how ssl:// is spoken. Default: what this machine's authorities vouch
	// for is believed.
	TLS *tls.Config
	// Secrets gives every device a connection of its own, at which its user name is
	// its id and its password what is here. A broker that lets devices in like that
	// takes from each only its own topics: what a device sends elsewhere is
	// withheld, and a device without a secret does not take part.
	Secrets map[telemetry.Device]string
	// Demanding makes a broker that does not answer or refuses at the start an
	// error of Run. Default: it is tried until it does not.
	Demanding bool

	// Fleet, if set, is a scenario's, and is sent instead of one made of the
	// options from Localities to Prefix.
	Fleet *Fleet
	// Only are the devices of Fleet that take part. Default: all.
	Only []int
	// From and To are the part of Fleet's time line that is sent. Default: its
	// start and its end.
	From, To time.Time
	// Unpaced sends Fleet's messages as fast as the windows allow, each device's in
	// their order. Nothing is late then.
	Unpaced bool

	// Localities are those the devices are spread over. They must be set.
	Localities []telemetry.Locality
	// Devices is their number. It must be set.
	Devices int
	// Seed decides every value; the same seed gives the same city.
	Seed uint64
	// Speed divides the catalogue's cadences: at 60, what reports every five
	// minutes reports every five seconds. Event times are those of sending all
	// the same. With Fleet it is how many times faster its time line goes, and event
	// times are those of the time line. Default 1.
	Speed float64
	// Every, if not 0, is the time between any device's readings, in place of
	// its kind's cadence and of Speed.
	Every time.Duration
	// For is how long to plan: the simulator sends what is planned in this time
	// from its start, waits for the acknowledgements and ends. Default: until
	// the context ends.
	For time.Duration
	// Prefix begins each device's id. Two simulators on one broker need
	// different ones, or each throws the other's devices out. Default "sim".
	Prefix string

	// QoS is MQTT's quality of service, 0 or 1. It must be set: the zero value
	// is 0, which loses what is under way when a connection breaks.
	QoS byte
	// Connections is how many MQTT connections the devices have between them.
	// Default: one each up to 500 devices, and 500 for more than that. MQTT
	// knows one will per connection, so devices that share connections, as
	// behind a radio gateway, have no will and report no state.
	Connections int
	// InFlight is how many messages of a connection may wait for their
	// acknowledgement; the others wait their turn. Default 32.
	InFlight int
	// Grace is how long Run waits for acknowledgements after its context has
	// ended. Default 3 s.
	Grace time.Duration

	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger is told about the connection to the broker. Default: nothing is
	// logged.
	Logger *slog.Logger
	// Progress, if set, is called from one goroutine about every second and once
	// at the end.
	Progress func(Stats)
}

// check says what is wrong with the options, naming the command line's flag, and
// returns them with their defaults filled in.
func (o Options) check() (Options, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	o.fill()
	if o.Fleet != nil {
		return o, o.checkFleet()
	}
	if len(o.Localities) == 0 {
		bad("no localities to spread the devices over: list at least one in the configuration")
	}
	for _, l := range o.Localities {
		if err := telemetry.CheckID(string(l)); err != nil {
			bad("check locality %q: %w", l, err)
		}
	}
	if o.Devices < 1 || o.Devices > maxDevices {
		bad("--devices (--simulate of `up`) is %d: give a number from 1 to %d", o.Devices, maxDevices)
	}
	if !(o.Speed >= minSpeed && o.Speed <= maxSpeed) { // the negation catches NaN
		bad("--speed is %v: give a number from %v to %v", o.Speed, minSpeed, maxSpeed)
	}
	if o.Every != 0 && (o.Every < minEvery || o.Every > maxEvery) {
		bad("--every is %v: give a time from %v to %v, or leave it out for the cadence of each kind", o.Every, minEvery, maxEvery)
	}
	if o.For < 0 {
		bad("--for is %v: give a time above 0, or leave it out to go on until stopped", o.For)
	}
	if err := telemetry.CheckID(o.Prefix); err != nil {
		bad("--prefix is %q: %w", o.Prefix, err)
	} else if len(o.Prefix) > maxPrefix {
		bad("--prefix is %q: it may have %d characters", o.Prefix, maxPrefix)
	}
	return o, errors.Join(errs...)
}

// checkFleet is check for a scenario's fleet.
func (o *Options) checkFleet() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Fleet.live {
		bad("the fleet is no scenario's")
	}
	if !(o.Speed > 0 && o.Speed <= maxLineSpeed) { // the negation catches NaN
		bad("--speed is %v: give a number above 0 and up to %.0f, or send as fast as possible", o.Speed, maxLineSpeed)
	}
	if o.Devices < 1 {
		bad("none of the scenario's %d devices takes part", len(o.Fleet.devices))
	}
	if !o.To.After(o.From) || o.From.Before(o.Fleet.Start()) || o.To.After(o.Fleet.End()) {
		bad("the part from %s to %s is not within the scenario's time line, %s to %s: give other times for --from and --to",
			o.From.Format(time.RFC3339), o.To.Format(time.RFC3339), o.Fleet.Start().Format(time.RFC3339), o.Fleet.End().Format(time.RFC3339))
	}
	return errors.Join(errs...)
}

// checkSending is check for what only a Simulator uses.
func (o *Options) checkSending() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := parseBroker(o.Broker); err != nil {
		errs = append(errs, err)
	}
	if o.QoS > 1 {
		bad("--qos is %d: give 0 or 1", o.QoS)
	}
	switch {
	case o.Connections < 0 || o.Connections > o.Devices:
		bad("--connections is %d: give a number from 1 to the %d devices", o.Connections, o.Devices)
	case o.Secrets != nil && o.Connections != o.Devices:
		bad("--connections is %d: with credentials of its own each of the %d devices has a connection of its own; leave it out", o.Connections, o.Devices)
	}
	if o.InFlight < 1 || o.InFlight > maxInFlight {
		bad("--in-flight is %d: give a number from 1 to %d", o.InFlight, maxInFlight)
	}
	if o.Grace < 0 {
		bad("grace is %v: it cannot be negative", o.Grace)
	}
	return errors.Join(errs...)
}

// fill sets the defaults.
func (o *Options) fill() {
	if o.Fleet != nil {
		o.fillFleet()
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.Prefix == "" {
		o.Prefix = "sim"
	}
	switch {
	case o.Connections != 0:
	case o.Secrets != nil:
		o.Connections = o.Devices
	default:
		o.Connections = min(o.Devices, ownConnections)
	}
	if o.InFlight == 0 {
		o.InFlight = 32
	}
	if o.Grace == 0 {
		o.Grace = 3 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// fillFleet sets which devices of a scenario's fleet take part, and when.
func (o *Options) fillFleet() {
	if o.Only == nil {
		o.Only = o.Fleet.Sample(0)
	}
	if o.Secrets != nil {
		o.Only = slices.DeleteFunc(slices.Clone(o.Only), func(d int) bool { return o.Secrets[o.Fleet.devices[d].ID] == "" })
	}
	o.Devices = len(o.Only)
	if o.From.IsZero() {
		o.From = o.Fleet.Start()
	}
	if o.To.IsZero() {
		o.To = o.Fleet.End()
	}
}

// parseBroker reads the broker's URL; a port left out is MQTT's own.
func parseBroker(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error repeats the URL, which may hold a password.
		return nil, errors.New("--broker is not a URL: write it as tcp://HOST:1883, or ssl://HOST:8883 with TLS")
	}
	port := "1883"
	switch u.Scheme {
	case "tcp", "mqtt":
	case "ssl", "tls", "mqtts":
		port = "8883"
	default:
		return nil, fmt.Errorf("--broker is %q: write it as tcp://HOST:1883, or ssl://HOST:8883 with TLS", u.Redacted())
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("--broker is %q: the host is missing", u.Redacted())
	}
	if u.Port() == "" {
		u.Host += ":" + port
	}
	return u, nil
}
