package registry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// seenFlag guards against another's change in between.
type seenFlag struct {
	IfVersion int64 `help:"Only if the device is still at this version, as devices show tells it." placeholder:"N"`
}

type devicesInstall struct {
	terminal.CityFlags
	standingFlags
	seenFlag
	whyFlag
	Site   string           `required:"" help:"The site where it stands from now on." placeholder:"ID"`
	To     terminal.Instant `help:"For one of the past: until when it stood there." placeholder:"TIME"`
	Device string           `arg:"" help:"The device's id."`
}

// Help is kong's detailed help.
func (devicesInstall) Help() string {
	return `Examples:
  haidang devices install aq-0042 --site thap-tram-huong
  haidang devices install aq-0042 --site thap-tram-huong --from "2026-11-20 09:30" --why "forgot to enter it"
  haidang devices install aq-0043 --site thap-tram-huong --redundant`
}

// Run installs.
func (c *devicesInstall) Run(ctx context.Context, out *terminal.Output) error {
	q := deviceAct(c.Device, "install", c.seenFlag, api.InstallInput{Site: telemetry.Site(c.Site), From: c.From.Optional(), To: c.To.Optional(),
		Redundant: c.Redundant, CadenceSeconds: c.seconds(), Why: c.Why})
	var i api.Installation
	if err := c.Ask(ctx, q, &i); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, i)
	}
	if i.To != nil {
		fmt.Fprintf(out.Stdout, "%s stood at %s from %s to %s.\n", terminal.OnScreen(string(i.Device)), i.Site, terminal.TimeText(&i.From), terminal.TimeText(i.To))
		return nil
	}
	fmt.Fprintf(out.Stdout, "%s stands at %s since %s.\n", terminal.OnScreen(string(i.Device)), i.Site, terminal.TimeText(&i.From))
	return nil
}

type devicesSwap struct {
	terminal.CityFlags
	hardwareFlags
	seenFlag
	whyFlag
	Create bool             `help:"The new device is not registered yet: register it in the same act. Without --kind it measures what the old one does."`
	At     terminal.Instant `help:"When it was done; absent is now." placeholder:"TIME"`
	Retire bool             `help:"The old device is out of use for good; otherwise it is in maintenance."`
	Old    string           `arg:"" help:"The device that was taken away."`
	New    string           `arg:"" help:"The device that took its place."`
}

// Help is kong's detailed help.
func (devicesSwap) Help() string {
	return `Series follow the site: its history goes on, measured by the new device.

Examples:
  haidang devices swap aq-0042 aq-0099 --why "no readings since the storm"
  haidang devices swap aq-0042 aq-0099 --create --serial 0817 --retire
  haidang devices swap aq-0042 aq-0099 --at "2026-11-20 09:30" --if-version 4`
}

// Run swaps.
func (c *devicesSwap) Run(ctx context.Context, out *terminal.Output) error {
	in := api.SwapInput{New: telemetry.Device(c.New), At: c.At.Optional(), Retire: c.Retire, Why: c.Why}
	made := c.hardwareFlags.input(c.New)
	switch {
	case c.Create && len(made.Kinds) == 0:
		var old api.Device
		q := terminal.GetFrom(terminal.DevicePath(c.Old), nil)
		q.About = c.Old
		if err := c.Ask(ctx, q, &old); err != nil {
			return err
		}
		made.Kinds = old.Kinds
		fallthrough
	case c.Create:
		in.New, in.Create = "", &made
	case len(made.Kinds) > 0 || made.Model+made.Profile+made.Serial+made.Gateway+made.Notes != "" || made.Simulated:
		return fmt.Errorf("something is said of %s, as of a new device: add --create if it is not registered yet, or leave it out", c.New)
	}
	var s api.Swapped
	if err := c.Ask(ctx, deviceAct(c.Old, "swap", c.seenFlag, in), &s); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, s)
	}
	fmt.Fprintf(out.Stdout, "At %s (%s), %s measures since %s; %s is %s.\nDoes it work? haidang devices check %[3]s\n", terminal.OnScreen(s.Site.Name), s.Site.ID,
		terminal.OnScreen(string(s.Device.ID)), terminal.TimeText(&s.Began.From), terminal.OnScreen(string(s.Replaced.ID)), s.Replaced.State)
	return nil
}

type devicesMaintain struct {
	terminal.CityFlags
	seenFlag
	whyFlag
	Devices []string `arg:"" help:"The devices' ids."`
}

// Help is kong's detailed help.
func (devicesMaintain) Help() string {
	return `Examples:
  haidang devices maintain aq-0042 --why "cleaning the inlet"
  haidang devices maintain wl-1 wl-2 wl-3 --why "gauges are painted"`
}

// Run begins maintenance.
func (c *devicesMaintain) Run(ctx context.Context, out *terminal.Output) error {
	return each(ctx, c.CityFlags, out, c.Devices, c.seenFlag, "maintenance", api.MaintenanceInput{Action: "begin", Why: c.Why})
}

type devicesResume struct {
	terminal.CityFlags
	seenFlag
	whyFlag
	Devices []string `arg:"" help:"The devices' ids."`
}

// Help is kong's detailed help.
func (devicesResume) Help() string {
	return `Examples:
  haidang devices resume aq-0042
  haidang devices resume wl-1 wl-2 wl-3 --why "paint is dry"`
}

// Run ends maintenance.
func (c *devicesResume) Run(ctx context.Context, out *terminal.Output) error {
	return each(ctx, c.CityFlags, out, c.Devices, c.seenFlag, "maintenance", api.MaintenanceInput{Action: "end", Why: c.Why})
}

type devicesRetire struct {
	terminal.CityFlags
	seenFlag
	Why     string           `required:"" help:"Why, in your own words; kept in the journal of changes." placeholder:"TEXT"`
	At      terminal.Instant `help:"When it was; absent is now." placeholder:"TIME"`
	Devices []string         `arg:"" help:"The devices' ids."`
}

// Help is kong's detailed help.
func (devicesRetire) Help() string {
	return `Ends where they stand. Their history stays. --why is needed: nobody is asked again.

Examples:
  haidang devices retire aq-0042 --why "fell into the sea"
  haidang devices retire wl-1 wl-2 --at 2026-11-01 --why "bridge torn down"`
}

// Run retires.
func (c *devicesRetire) Run(ctx context.Context, out *terminal.Output) error {
	return each(ctx, c.CityFlags, out, c.Devices, c.seenFlag, "retire", api.Act{Why: c.Why, At: c.At.Optional()})
}

// devicesRemove takes devices from their sites.
type devicesRemove struct {
	terminal.CityFlags
	seenFlag
	whyFlag
	At      terminal.Instant `help:"When it was; absent is now." placeholder:"TIME"`
	Devices []string         `arg:"" help:"The devices' ids."`
}

// Help gives examples.
func (devicesRemove) Help() string {
	return `The device is planned then, free to stand at another site; the site's history stays.

Examples:
  haidang devices remove aq-0042 --why "post is painted"
  haidang devices remove aq-0042 && haidang devices install aq-0042 --site thap-ba`
}

// Run removes them.
func (c *devicesRemove) Run(ctx context.Context, out *terminal.Output) error {
	return each(ctx, c.CityFlags, out, c.Devices, c.seenFlag, "remove", api.Act{Why: c.Why, At: c.At.Optional()})
}

// each does the same to several devices. What fails is told, and the others are
// done all the same.
func each(ctx context.Context, f terminal.CityFlags, out *terminal.Output, ids []string, seen seenFlag, act string, body any) error {
	if seen.IfVersion != 0 && len(ids) > 1 {
		return fmt.Errorf("--if-version %d is the version of one device, and %d are named: name one", seen.IfVersion, len(ids))
	}
	done, failed := []api.Device{}, 0
	p := terminal.NewProgress(out.Stderr)
	defer p.End()
	for i, id := range ids {
		var d api.Device
		err := f.Ask(ctx, deviceAct(id, act, seen, body), &d)
		var no *terminal.Refusal
		switch {
		case err == nil:
			done = append(done, d)
			if !f.JSON {
				printState(out.Stdout, d)
			}
		case len(ids) > 1 && errors.As(err, &no) && ctx.Err() == nil:
			failed++
			fmt.Fprintf(out.Stderr, "haidang: %s: %v\n", terminal.OnScreen(id), err)
		default:
			return fmt.Errorf("%s (%d of %d): %w", terminal.OnScreen(id), i+1, len(ids), err)
		}
		p.Say("%d of %d", i+1, len(ids))
	}
	if f.JSON {
		if err := terminal.PrintJSON(out.Stdout, map[string]any{"devices": done, "failed": failed}); err != nil {
			return err
		}
	}
	if failed > 0 {
		fmt.Fprintf(out.Stderr, "haidang: %d of %d failed\n", failed, len(ids))
		return terminal.ExitCode(1)
	}
	return nil
}

func printState(w io.Writer, d api.Device) {
	at := "stands nowhere"
	if d.Installation != nil {
		at = "at " + d.SiteName + " (" + string(d.Installation.Site) + ")"
	}
	fmt.Fprintf(w, "%s is %s, %s\n", terminal.OnScreen(string(d.ID)), d.State, terminal.OnScreen(at))
}

// deviceAct is an act on a device.
func deviceAct(id, act string, seen seenFlag, body any) terminal.Question {
	q := terminal.PostTo(terminal.DevicePath(id)+"/"+act, body)
	q.Version, q.About = seen.IfVersion, id
	return q
}
