// Package simulation is simulated and recorded feeds from the terminal: sending
// them, taping them, and judging what a city has made of them.
package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// Simulate is `haidang simulate`: simulated devices, or a scenario, to a broker.
type Simulate struct {
	messageFlags
	CA          string `name:"ca" env:"HAIDANG_CA" type:"path" help:"Certificate (PEM) of the authority that vouches for --broker and --url, where this machine does not know it." placeholder:"FILE"`
	QoS         byte   `name:"qos" default:"1" help:"MQTT's quality of service, 0 or 1." placeholder:"1"`
	Connections int    `help:"MQTT connections for all devices; one each, up to 500, if left out." placeholder:"N"`
	InFlight    int    `help:"How many messages of a connection may wait for their acknowledgement." default:"32" placeholder:"32"`
	Prefix      string `default:"sim" help:"Begins each device's id, and each shared connection's name; two simulators at one broker need different ones." placeholder:"sim"`

	Devices *int              `short:"n" help:"How many devices; 40 if left out, and with --scenario all of them. Fewer are spread evenly over a scenario's." placeholder:"N"`
	Speed   string            `xor:"speed" help:"How many times faster, such as 60x. Without --scenario it divides the kinds' usual cadences." placeholder:"1x"`
	Rate    rate              `xor:"speed" help:"The speed at which so many messages are sent on average, such as 20000/s." placeholder:"N/s"`
	Seed    *uint64           `help:"The same seed gives the same devices and values; 1 if left out." placeholder:"1"`
	Every   terminal.Duration `help:"Time between a device's readings, instead of its kind's cadence." placeholder:"10s"`
	For     terminal.Duration `help:"How long; until Ctrl-C if left out." placeholder:"10m"`
	Config  string            `type:"existingfile" help:"YAML file that lists the localities." placeholder:"FILE"`

	scenarioFlags
	cityFlags

	Metrics string `help:"Serve Prometheus metrics at http://ADDRESS/metrics." placeholder:"127.0.0.1:9464"`
	JSON    bool   `name:"json" help:"Print progress and result as JSON lines."`
	terminal.LogFlags
}

// Help is kong's detailed help.
func (Simulate) Help() string {
	return `Devices send when they are due, however slow the broker is: what goes out more than a second late is
counted, and latency is from when a message was due to its acknowledgement.

A scenario has a time line of its own, and devices, events and faults on it. --at moves it as a whole; with
--at now it ends when the replay does, so that at any speed nothing is measured in the future. --from and --to
are times on it as it is sent, or +2h for two hours after its start.

Examples:
  haidang simulate                                       forty devices to the broker of 'haidang up'
  haidang simulate -n 1000 --every 5s --for 10m          load: 200 messages a second for ten minutes
  haidang simulate --list                                the scenarios that come with the program
  haidang simulate --scenario november-flood --speed 60x
  haidang simulate --scenario hundred-thousand --rate 20000/s --at now --metrics 127.0.0.1:9464
  haidang simulate --scenario rush-hour --as-fast-as-possible --from +1h --to +2h -n 100
  haidang simulate --scenario november-flood --cadence x12 --loss 10% --as-fast-as-possible   hourly gauges, bad links
  haidang simulate --scenario my.yaml --check            is it right? if not, in which line?
  haidang simulate --scenario rush-hour --speed 60x --register --credentials secrets.json \
    --broker ssl://city.example.vn:8883 --url https://city.example.vn

--register makes the devices and their sites known to the city at --url, marked as simulated. With --credentials
each device has its own connection and its own secret, which the city issues once and the file keeps. A city lets
such a device in only at its own topics: the scenario's few messages that go elsewhere are withheld and counted,
and devices in formats that the city has no topics for are left out.

The exit code is 1 if a message was not acknowledged.`
}

// Validate is called by kong: what is wrong here is the command line.
func (c *Simulate) Validate() error {
	if c.scenarioFlags.looking() {
		return c.scenarioFlags.check()
	}
	if c.Scenario == "" {
		return errors.Join(c.scenarioFlags.check(), c.checkRate())
	}
	var errs []error
	for _, f := range []struct {
		flag  string
		given bool
	}{{"--seed", c.Seed != nil}, {"--every", c.Every != 0}, {"--for", c.For != 0}, {"--config", c.Config != ""}} {
		if f.given {
			errs = append(errs, fmt.Errorf("%s is given, but a scenario has its own: leave it out, or change the scenario", f.flag))
		}
	}
	return errors.Join(append(errs, c.scenarioFlags.check())...)
}

// checkRate finds what says how often a live fleet sends more than once.
func (c *Simulate) checkRate() error {
	if c.Rate > 0 && c.Every > 0 {
		return errors.New("--rate and --every both say how often the devices send: leave one of them out")
	}
	return nil
}

// Run simulates.
func (c *Simulate) Run(ctx context.Context, out *terminal.Output) error {
	if c.scenarioFlags.looking() {
		return c.scenarioFlags.look(out, c.JSON)
	}
	o, err := c.options(out)
	if err != nil {
		return err
	}
	fleet, only, err := c.fleet(&o)
	if err != nil {
		return err
	}
	if o.Secrets, err = c.prepare(ctx, fleet, only, c.client(), out.Stderr); err != nil {
		return err
	}
	if o.Fleet != nil {
		if err := c.place(ctx, &o, out.Stderr); err != nil {
			return err
		}
	}
	if err := checkFiles(connections(o, len(only))); err != nil {
		return err
	}
	show := terminal.NewCourse(out, c.JSON)
	o.Progress = func(s simulator.Stats) { show.Line(s, sentText(s)) }
	sim, err := simulator.New(o)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := withMetrics(ctx, c.Metrics, sim); err != nil {
		show.End()
		return whyNotIn(err, c.CA)
	}
	show.End()
	if o.Fleet != nil {
		fmt.Fprintln(out.Stderr, c.verification(o, began))
	}
	if st := sim.Stats(); st.Failed > 0 {
		fmt.Fprintf(out.Stderr, "%s not acknowledged.\n", terminal.Messages(int64(st.Failed)))
		return terminal.ExitCode(1)
	}
	return nil
}

// options are those that do not depend on what is sent.
func (c *Simulate) options(out *terminal.Output) (o simulator.Options, err error) {
	o = simulator.Options{
		Broker: c.Broker, Username: c.BrokerUser, Password: c.BrokerPassword, QoS: c.QoS, Connections: c.Connections, InFlight: c.InFlight,
		Prefix: c.Prefix, Demanding: true, Logger: c.Logger(out.Stderr),
	}
	if c.InFlight == 0 {
		return o, errors.New("--in-flight is 0: give a number from 1")
	}
	o.TLS, err = c.trust()
	return o, err
}

// fleet makes what is simulated, and says which of its devices take part.
func (c *Simulate) fleet(o *simulator.Options) (*simulator.Fleet, []int, error) {
	if c.Scenario != "" {
		return c.scenarioFleet(o)
	}
	cfg, err := config.Load(c.Config)
	if err != nil {
		return nil, nil, err
	}
	o.Localities, o.Devices, o.Seed, o.For, o.Every = cfg.LocalityIDs(), 40, 1, time.Duration(c.For), time.Duration(c.Every)
	if c.Devices != nil {
		o.Devices = *c.Devices
	}
	if c.Seed != nil {
		o.Seed = *c.Seed
	}
	if o.Speed, err = parseSpeed(firstOf(c.Speed, "1x")); err != nil {
		return nil, nil, err
	}
	if c.Speed == "max" {
		return nil, nil, errors.New("--speed is max: that is for a scenario; give --rate for as many messages as you want")
	}
	if c.Rate > 0 {
		o.Every = time.Duration(float64(o.Devices) / float64(c.Rate) * float64(time.Second))
	}
	f, err := simulator.NewFleet(*o)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Sample(0), nil
}

// scenarioFleet makes a scenario's.
func (c *Simulate) scenarioFleet(o *simulator.Options) (*simulator.Fleet, []int, error) {
	f, err := c.scenarioFlags.fleet()
	if err != nil {
		return nil, nil, err
	}
	n := len(f.Devices())
	if c.Devices != nil {
		n = *c.Devices
	}
	if n < 1 || n > len(f.Devices()) {
		return nil, nil, fmt.Errorf("--devices is %d: the scenario has %s; give a number from 1 to that, or leave it out for all", n, terminal.Grouped(int64(len(f.Devices()))))
	}
	o.Fleet, o.Only = f, f.Sample(n)
	switch {
	case c.AsFast || c.Speed == "max":
		o.Speed, o.Unpaced = 1, true
	case c.Rate > 0:
		o.Speed = float64(c.Rate) / f.Rate(o.Only)
	default:
		if o.Speed, err = parseSpeed(firstOf(c.Speed, "1x")); err != nil {
			return nil, nil, err
		}
	}
	return f, o.Only, nil
}

// place puts the time line where it is to be, and asks whether the city holds
// that period already.
func (c *Simulate) place(ctx context.Context, o *simulator.Options, hint io.Writer) error {
	if err := c.scenarioFlags.place(o, time.Now()); err != nil {
		return err
	}
	if c.Again {
		return nil
	}
	all := o.Fleet.Devices()
	var series []taped
	for _, i := range o.Only {
		if d := &all[i]; d.Format() == simulator.Native {
			series = append(series, taped{string(d.Kind.Kind), string(d.ID)})
		}
	}
	if n := len(series); n > heldAsked {
		for i := range heldAsked {
			series[i] = series[i*n/heldAsked]
		}
		series = series[:heldAsked]
	}
	return checkHeld(ctx, c.client(), series, o.From, o.To, "add --again to send all the same (the same readings count as duplicates), or move the time line with --at", hint)
}

// client is how the city is asked.
func (c *Simulate) client() terminal.ClientFlags {
	return terminal.ClientFlags{URL: c.City, Token: c.Token, CA: c.CA}
}

// connections is how many connections there will be.
func connections(o simulator.Options, devices int) int {
	switch {
	case o.Secrets != nil:
		return len(o.Secrets)
	case o.Connections > 0:
		return o.Connections
	}
	return min(devices, 500)
}

// native are the devices among them whose topics the city knows.
func native(f *simulator.Fleet, only []int) []int {
	all := f.Devices()
	return slices.DeleteFunc(slices.Clone(only), func(i int) bool { return all[i].Format() != simulator.Native })
}

// ids are the devices' names.
func ids(f *simulator.Fleet, only []int) []telemetry.Device {
	all := f.Devices()
	out := make([]telemetry.Device, len(only))
	for i, d := range only {
		out[i] = all[d].ID
	}
	return out
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
