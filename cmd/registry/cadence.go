package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/api"
)

type devicesCadence struct {
	terminal.CityFlags
	whyFlag
	Learn  bool              `help:"Take away what was set: its readings tell again."`
	Device string            `arg:"" help:"The device's id."`
	Every  terminal.Duration `arg:"" optional:"" help:"How often it sends readings, such as 60m."`
}

// Help is kong's detailed help.
func (devicesCadence) Help() string {
	return `A device's cadence says when it is late (3 missed) and silent (10 missed), over how many readings a mean is
whole, and how old a value may be. It is learned from the times of the device's readings, of five at least; one that is
set counts, whatever they say. devices show tells both: "60 min, learned", "60 min", or "5 min, usual" where neither is known.

Examples:
  haidang devices cadence my-sensor 60m --why "set to hourly"
  haidang devices cadence my-sensor --learn`
}

// Run sets the cadence of where the device stands.
func (c *devicesCadence) Run(ctx context.Context, out *terminal.Output) error {
	if (c.Every > 0) == c.Learn {
		return errors.New("say how often the device sends readings, such as 60m, or --learn")
	}
	i, err := installed(ctx, c.CityFlags, c.Device)
	if err != nil {
		return err
	}
	in := correctionOf(i, c.Why)
	in.CadenceSeconds = time.Duration(c.Every).Seconds()
	var now api.Installation
	if err := c.Ask(ctx, putTo(fmt.Sprintf("/installations/%d", i.ID), i.Version, c.Device, in), &now); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, now)
	}
	if c.Learn {
		fmt.Fprintf(out.Stdout, "The cadence of %s at %s is learned from its readings.\n", terminal.OnScreen(c.Device), now.Site)
		return nil
	}
	fmt.Fprintf(out.Stdout, "%s at %s sends readings every %s.\n", terminal.OnScreen(c.Device), now.Site, terminal.SpanOf(time.Duration(c.Every)))
	return nil
}
