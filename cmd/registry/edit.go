package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// putTo replaces what was seen at a version; about is named in remedies.
func putTo(path string, version int64, about string, body any) terminal.Question {
	return terminal.Question{Method: http.MethodPut, Path: path, Version: version, About: about, Body: body, Within: terminal.AskTime}
}

// setGiven sets what was given on the command line, and reports whether something
// was. An empty text given is one: it takes away what was said.
func setGiven[T any](to, given *T) bool {
	if given != nil {
		*to = *given
	}
	return given != nil
}

// errNothingToChange is the error of an edit that says nothing.
var errNothingToChange = errors.New("nothing is to be changed: say what, such as --notes TEXT")

type devicesEdit struct {
	terminal.CityFlags
	seenFlag
	whyFlag
	Kind    []telemetry.Kind `help:"What it measures, all of it; several with commas." placeholder:"KIND"`
	Model   *string          `help:"Its model." placeholder:"TEXT"`
	Profile *string          `help:"How its payloads are read; empty is the native format." placeholder:"ID"`
	Serial  *string          `help:"The manufacturer's number." placeholder:"TEXT"`
	Gateway *string          `help:"The radio gateway it usually comes through." placeholder:"NAME"`
	Notes   *string          `help:"A remark on the device." placeholder:"TEXT"`
	Device  string           `arg:"" help:"The device's id, which never changes."`
}

// Help is kong's detailed help.
func (devicesEdit) Help() string {
	return `What is not named stays as it is; an empty text takes away what was said. If somebody else changes
the device at the same time, nothing is overwritten and the command fails.

Examples:
  haidang devices edit aq-0042 --model "AQ-200" --serial 0817
  haidang devices edit aq-0042 --kind air_quality,weather --why "got a wind vane"
  haidang devices edit aq-0042 --notes ""`
}

// Run changes the device.
func (c *devicesEdit) Run(ctx context.Context, out *terminal.Output) error {
	var d api.Device
	q := terminal.GetFrom(terminal.DevicePath(c.Device), nil)
	q.About = c.Device
	if err := c.Ask(ctx, q, &d); err != nil {
		return err
	}
	in, changed := d.DeviceInput, len(c.Kind) > 0
	if changed {
		in.Kinds = c.Kind
	}
	for to, given := range map[*string]*string{&in.Model: c.Model, &in.Profile: c.Profile, &in.Serial: c.Serial, &in.Gateway: c.Gateway, &in.Notes: c.Notes} {
		changed = setGiven(to, given) || changed
	}
	if !changed {
		return errNothingToChange
	}
	seen := d.Version
	d = api.Device{} // what is absent in the answer must not stay from before
	if c.IfVersion != 0 {
		seen = c.IfVersion
	}
	if err := c.Ask(ctx, putTo(terminal.DevicePath(c.Device), seen, c.Device, api.DeviceWrite{DeviceInput: in, Why: c.Why}), &d); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, d)
	}
	printDevice(out.Stdout, d)
	return nil
}

type devicesMove struct {
	terminal.CityFlags
	seenFlag
	whyFlag
	To        string            `required:"" help:"The site where it stands from now on." placeholder:"ID"`
	At        terminal.Instant  `help:"When it was moved; absent is now." placeholder:"TIME"`
	Redundant bool              `help:"It stands beside another of its kind on purpose."`
	Cadence   terminal.Duration `help:"How often it reports there; absent it is learned from its readings." placeholder:"10m"`
	Device    string            `arg:"" help:"The device's id."`
}

// Help is kong's detailed help.
func (devicesMove) Help() string {
	return `Series follow the site: what it measured stays with the old one. As a whole or not at all.

Examples:
  haidang devices move aq-0042 --to thap-ba
  haidang devices move aq-0042 --to thap-ba --at "2026-11-20 09:30" --why "post torn down"`
}

// Run moves the device.
func (c *devicesMove) Run(ctx context.Context, out *terminal.Output) error {
	var i api.Installation
	err := c.Ask(ctx, deviceAct(c.Device, "install", c.seenFlag, api.InstallInput{Site: telemetry.Site(c.To), From: c.At.Optional(), Move: true,
		Redundant: c.Redundant, CadenceSeconds: standingFlags{Cadence: c.Cadence}.seconds(), Why: c.Why}), &i)
	if err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, i)
	}
	fmt.Fprintf(out.Stdout, "%s stands at %s since %s.\n", terminal.OnScreen(string(i.Device)), i.Site, terminal.TimeText(&i.From))
	return nil
}
