package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/simulator"
)

type simulateCommand struct {
	Broker         string   `env:"HAIDANG_BROKER" default:"tcp://127.0.0.1:1883" help:"MQTT broker, tcp://HOST:1883 or ssl://HOST:8883." placeholder:"tcp://127.0.0.1:1883"`
	BrokerUser     string   `env:"HAIDANG_BROKER_USER" help:"User at the broker." placeholder:"NAME"`
	BrokerPassword string   `env:"HAIDANG_BROKER_PASSWORD" help:"Its password; better given in the environment." placeholder:"SECRET"`
	Config         string   `type:"existingfile" help:"YAML file that lists the localities." placeholder:"FILE"`
	Devices        int      `short:"n" default:"40" help:"How many devices." placeholder:"40"`
	Seed           uint64   `default:"1" help:"The same seed gives the same devices and values." placeholder:"1"`
	Speed          float64  `default:"1" help:"Divide the kinds' usual cadences: 60 sends every five seconds what reports every five minutes." placeholder:"1"`
	Every          duration `help:"Time between a device's readings, instead of its kind's cadence." placeholder:"10s"`
	For            duration `help:"How long; until Ctrl-C if left out." placeholder:"10m"`
	QoS            byte     `name:"qos" default:"1" help:"MQTT's quality of service, 0 or 1." placeholder:"1"`
	Connections    int      `help:"MQTT connections for all devices; one each, up to 500, if left out." placeholder:"N"`
	Prefix         string   `default:"sim" help:"Begins each device's id; two simulators at one broker need different ones." placeholder:"sim"`
	JSON           bool     `name:"json" help:"Print progress and result as JSON lines."`
	logFlags
}

// Help is kong's detailed help.
func (simulateCommand) Help() string {
	return `Examples:
  haidang simulate                                       forty devices to the broker of 'haidang up'
  haidang simulate -n 1000 --every 5s --for 10m          load: 200 messages a second for ten minutes
  haidang simulate --broker tcp://127.0.0.1:1884 --seed 7

The exit code is 1 if a message was not acknowledged.`
}

// Run simulates.
func (c *simulateCommand) Run(ctx context.Context, out *output) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	show := func(s simulator.Stats) { fmt.Fprintf(out.stderr, "\r\033[K%s", s) }
	if c.JSON {
		show = func(s simulator.Stats) { printJSON(out.stdout, s) }
	}
	sim, err := simulator.New(simulator.Options{
		Broker: c.Broker, Username: c.BrokerUser, Password: c.BrokerPassword,
		Localities: cfg.localities(), Devices: c.Devices, Seed: c.Seed, Speed: c.Speed, Every: time.Duration(c.Every),
		For: time.Duration(c.For), QoS: c.QoS, Connections: c.Connections, Prefix: c.Prefix,
		Logger: c.logger(out.stderr), Progress: show,
	})
	if err != nil {
		return err
	}
	err = sim.Run(ctx)
	if !c.JSON {
		fmt.Fprintln(out.stderr)
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if err == nil && sim.Stats().Failed > 0 {
		return exitCode(1)
	}
	return err
}
