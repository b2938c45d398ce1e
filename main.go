// Command haidang takes the telemetry of a coastal province's city sensors from
// MQTT into a time-series store, loses none of it, knows every device, and shows
// it. `haidang up` runs everything in one process; the other commands are its
// parts and tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set at build time.
var version = "dev"

const description = `Hải Đăng takes city sensors' telemetry from MQTT into a time-series store and loses none of it.

Examples:

    haidang up                  start everything
    haidang up --simulate 40    the same, with forty simulated devices
    haidang audit               is every message accounted for?`

// commands is the command line: one field for each command.
type commands struct {
	Up         upCommand         `cmd:"" help:"Run everything in one process: broker, gateways, journal, loader, store."`
	Gateway    gatewayCommand    `cmd:"" help:"Run only gateways, from MQTT into an external journal."`
	Loader     loaderCommand     `cmd:"" help:"Run only the loader, from an external journal into a store."`
	Simulate   simulateCommand   `cmd:"" help:"Publish the readings of simulated devices to an MQTT broker."`
	Record     recordCommand     `cmd:"" help:"Record what an MQTT broker has to say to a tape."`
	Replay     replayCommand     `cmd:"" help:"Play a tape to an MQTT broker, at any speed."`
	Tape       tapeCommand       `cmd:"" help:"Look at tapes and convert to and from them."`
	Verify     verifyCommand     `cmd:"" help:"Compare a store with what a scenario must have left in it; exit 1 if anything is wrong."`
	Audit      auditCommand      `cmd:"" help:"Print what became of every message; exit 1 if any is unaccounted for."`
	Devices    devicesCommand    `cmd:"" help:"Sites and devices: list, register, import, swap, retire; backup and restore."`
	Sites      sitesCommand      `cmd:"" help:"Places that are measured: list, show, add, edit, retire, reopen."`
	People     peopleCommand     `cmd:"" help:"Accounts: list, invite, change roles, disable, new passwords."`
	Tokens     tokensCommand     `cmd:"" help:"API tokens for programs: list, create, revoke."`
	Quarantine quarantineCommand `cmd:"" help:"List, show and re-drive messages that could not be stored."`
	Dashboards dashboardsCommand `cmd:"" help:"Boards for Grafana: publish, compare, keep, render; check that they show something; alert rules as files."`
	Health     healthCommand     `cmd:"" help:"Ask a running haidang whether it is well; for containers."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(out *output) error {
	fmt.Fprintln(out.stdout, "haidang", version)
	return nil
}

// output is where a command writes: results to stdout, all else to stderr.
type output struct {
	stdout, stderr io.Writer
}

// exitCode is an error that has been reported already; only the code is left.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exited is how kong's help leaves, so that it does not end the process itself.
type exited int

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs one command line and returns the exit code: 0, 1 if the command
// failed or found something wrong, 2 if the command line itself is wrong.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case exited:
			code = int(e)
		default:
			panic(e)
		}
	}()
	out := &output{stdout, stderr}
	var cli commands
	parser, err := kong.New(&cli,
		kong.Name("haidang"), kong.Description(description), kong.UsageOnError(),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Bind(out), kong.BindTo(ctx, (*context.Context)(nil)))
	if err != nil {
		fmt.Fprintln(stderr, "haidang:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "haidang: %v\nSee: haidang --help\n", err)
		return 2
	}
	err = command.Run()
	var reported exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &reported):
		return int(reported)
	default:
		fmt.Fprintln(stderr, "haidang:", err)
		return 1
	}
}
