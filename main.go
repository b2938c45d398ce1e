// Command haidang takes the telemetry of a coastal province's city sensors from
// MQTT into a time-series store, loses none of it, knows every device, and shows
// it. `haidang up` runs everything in one process; the other commands are its
// parts and tools.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/haidang-iot/haidang/cmd/alarms"
	"github.com/haidang-iot/haidang/cmd/boards"
	"github.com/haidang-iot/haidang/cmd/city"
	"github.com/haidang-iot/haidang/cmd/ledger"
	"github.com/haidang-iot/haidang/cmd/licenses"
	"github.com/haidang-iot/haidang/cmd/registry"
	"github.com/haidang-iot/haidang/cmd/simulation"
	"github.com/haidang-iot/haidang/cmd/terminal"
)

const description = `Hải Đăng takes city sensors' telemetry from MQTT into a time-series store and loses none of it.

Examples:

    haidang up                  start everything
    haidang up --simulate 40    the same, with forty simulated devices
    haidang audit               is every message accounted for?`

// commands is the command line: one field for each command.
type commands struct {
	Up         city.Up             `cmd:"" help:"Run everything in one process: MQTT, journal, loader, store."`
	Door       city.Door           `cmd:"" help:"Run only the door: MQTT from devices into an external journal."`
	Gateway    city.Gateway        `cmd:"" help:"Run only gateways, from MQTT brokers into an external journal."`
	Loader     city.Loader         `cmd:"" help:"Run only the loader, from an external journal into a store."`
	Simulate   simulation.Simulate `cmd:"" help:"Publish the readings of simulated devices to an MQTT broker."`
	Record     simulation.Record   `cmd:"" help:"Record what an MQTT broker has to say to a tape."`
	Replay     simulation.Replay   `cmd:"" help:"Play a tape to an MQTT broker, at any speed."`
	Tape       simulation.Tape     `cmd:"" help:"Look at tapes and convert to and from them."`
	Verify     simulation.Verify   `cmd:"" help:"Compare a store with what a scenario must have left in it; exit 1 if anything is wrong."`
	Audit      ledger.Audit        `cmd:"" help:"Print what became of every message; exit 1 if any is unaccounted for."`
	Check      city.Check          `cmd:"" help:"Look whether anything in a data folder is damaged; exit 1 if so."`
	Restore    city.Restore        `cmd:"" help:"Put an hourly backup of the ledger, the registry or the MQTT sessions in its place."`
	Devices    registry.Devices    `cmd:"" help:"Sites and devices: list, register, import, swap, retire; backup and restore."`
	Sites      registry.Sites      `cmd:"" help:"Places that are measured: list, show, add, edit, retire, reopen."`
	Limits     registry.Limits     `cmd:"" help:"Limits of sites: flood alarm levels, reservoirs' levels, thresholds of your own."`
	Wards      registry.Wards      `cmd:"" help:"Units of administration: list them, add, end or move them by a file."`
	People     registry.People     `cmd:"" help:"Accounts: list, invite, change roles, disable, new passwords."`
	Tokens     registry.Tokens     `cmd:"" help:"API tokens for programs: list, create, revoke."`
	Alarms     alarms.Alarms       `cmd:"" help:"Alarms: list those that are active; replay rules over what is stored."`
	Quarantine ledger.Quarantine   `cmd:"" help:"List, show and re-drive messages that could not be stored."`
	Dashboards boards.Dashboards   `cmd:"" help:"Boards for Grafana: publish, compare, keep, render; check that they show something; alert rules as files."`
	Health     city.Health         `cmd:"" help:"Ask a running haidang whether it is well; for containers."`
	Licenses   licenses.Licenses   `cmd:"" help:"What of others is in this program: licences and their texts, software bill of materials."`
	Version    versionCommand      `cmd:"" help:"Print the version."`
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(out *terminal.Output) error {
	fmt.Fprintln(out.Stdout, "haidang", terminal.Version)
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(terminal.Run(ctx, new(commands), os.Args[1:], os.Stdout, os.Stderr, kong.Description(description)))
}
