package registry

import (
	"context"
	"fmt"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/api"
)

type devicesSince struct {
	terminal.CityFlags
	whyFlag
	Device string `arg:"" help:"The device's id."`
	From   string `arg:"" help:"Since when it stands where it stands, such as \"2026-11-01 07:30\"."`
}

// Help is kong's detailed help.
func (devicesSince) Help() string {
	return `A reading belongs to the site at which its device stood when it was measured. One from before the device was
installed waits in quarantine as unregistered; correct the beginning, and it is stored by itself. A time without an offset
is Vietnam's.

Examples:
  haidang devices since my-sensor 2026-11-01 --why "registered after it had been mounted"
  haidang devices since my-sensor "2026-11-01 07:30"`
}

// Run corrects the beginning of where the device stands.
func (c *devicesSince) Run(ctx context.Context, out *terminal.Output) error {
	from, err := terminal.ParseInstant(c.From)
	if err != nil {
		return err
	}
	i, err := installed(ctx, c.CityFlags, c.Device)
	if err != nil {
		return err
	}
	in := correctionOf(i, c.Why)
	in.From = from
	var now api.Installation
	if err := c.Ask(ctx, putTo(fmt.Sprintf("/installations/%d", i.ID), i.Version, c.Device, in), &now); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, now)
	}
	fmt.Fprintf(out.Stdout, "%s stands at %s since %s.\n", terminal.OnScreen(c.Device), now.Site, terminal.Moment(now.From))
	return nil
}

// installed is where a device stands.
func installed(ctx context.Context, city terminal.CityFlags, device string) (*api.Installation, error) {
	var d api.Device
	q := terminal.GetFrom(terminal.DevicePath(device), nil)
	q.About = device
	if err := city.Ask(ctx, q, &d); err != nil {
		return nil, err
	}
	if d.Installation == nil {
		return nil, fmt.Errorf("device %s stands nowhere: put it at a site first (haidang devices install)", device)
	}
	return d.Installation, nil
}

// correctionOf is an installation as it is, to be changed.
func correctionOf(i *api.Installation, why string) api.CorrectionInput {
	return api.CorrectionInput{From: i.From, To: i.To, Redundant: i.Redundant, CadenceSeconds: i.CadenceSeconds, Why: why}
}
