package registry

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/api"
)

type devicesHeard struct {
	terminal.CityFlags
	pageFlags
	Locality string `help:"Only those that spoke in this locality's topics." placeholder:"ID"`
	Search   string `short:"q" help:"Only those with these words in id or topic." placeholder:"WORDS"`
	Device   string `arg:"" optional:"" help:"Show what was heard of this one, with a sample."`
}

// Help is kong's detailed help.
func (devicesHeard) Help() string {
	return `Registering a device drives through by itself what waits of it in quarantine.

Examples:
  haidang devices heard
  haidang devices heard --locality cam-ranh
  haidang devices heard aq-0042`
}

// Run lists, or shows one.
func (c *devicesHeard) Run(ctx context.Context, out *terminal.Output) error {
	if c.Device != "" {
		return c.show(ctx, out)
	}
	q := url.Values{}
	setIf(q, "locality", c.Locality)
	setIf(q, "q", c.Search)
	if err := c.set(q); err != nil {
		return err
	}
	var page api.HeardPage
	if err := c.Ask(ctx, terminal.GetFrom("/heard", q), &page); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, page)
	}
	printHeard(out.Stdout, page)
	return nil
}

func printHeard(w io.Writer, page api.HeardPage) {
	if len(page.Heard) == 0 {
		fmt.Fprintln(w, "No unregistered device is heard.")
		return
	}
	t := terminal.NewTable("DEVICE", "LOCALITY", "KIND", "LAST", "FIRST", "READINGS", "GATEWAY", "STANDING")
	for _, h := range page.Heard {
		t.Row(string(h.Device), string(h.Locality), string(h.Kind), terminal.TimeText(&h.Last), terminal.TimeText(&h.First), terminal.Grouped(h.Count), terminal.CutTo(h.Gateway, 24), standing(h))
	}
	t.Print(w)
	fmt.Fprintf(w, "\n%s of %s\n", terminal.Grouped(int64(len(page.Heard))), terminal.Grouped(int64(page.Total)))
	if page.Next != "" {
		fmt.Fprintf(w, "More: --after %s\n", terminal.OnScreen(page.Next))
	}
}

func standing(h api.Heard) string {
	if h.Provisional {
		return "provisional"
	}
	return "refused: " + string(h.Reason)
}

func (c *devicesHeard) show(ctx context.Context, out *terminal.Output) error {
	var h api.Heard
	q := terminal.GetFrom("/heard/"+url.PathEscape(c.Device), nil)
	q.About = c.Device
	if err := c.Ask(ctx, q, &h); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, h)
	}
	w := out.Stdout
	terminal.PrintFields(w, "device", string(h.Device), "kind", string(h.Kind), "locality", string(h.Locality), "topic", h.Topic, "gateway", h.Gateway,
		"heard", fmt.Sprintf("%s times, %s to %s", terminal.Grouped(h.Count), terminal.TimeText(&h.First), terminal.TimeText(&h.Last)),
		"measured since", terminal.TimeText(h.Earliest), "standing", standing(h))
	switch {
	case h.Binary != nil:
		fmt.Fprintf(w, "sample        %q\n", h.Binary)
	case h.Sample != "":
		fmt.Fprintf(w, "sample        %s\n", terminal.OnScreen(h.Sample))
	}
	if !h.Provisional {
		fmt.Fprintf(w, "\nRegister it: haidang devices add %s --site ID\n", terminal.OnScreen(string(h.Device)))
	}
	return nil
}

type devicesCheck struct {
	terminal.CityFlags
	Device string            `arg:"" help:"The device's id."`
	Wait   terminal.Duration `help:"Ask again every 2 s for this long, until it is received." placeholder:"5m"`
}

// Help is kong's detailed help.
func (devicesCheck) Help() string {
	return `Says whether valid readings of the device are stored, and if not, why: nothing was ever heard, its
secret is refused, its messages wait in quarantine, or it is late. The exit code is 0 only if it is
received.

Examples:
  haidang devices check aq-0042
  haidang devices check aq-0042 --wait 5m`
}

// checkEvery is how often a check is repeated.
const checkEvery = 2 * time.Second

// Run checks.
func (c *devicesCheck) Run(ctx context.Context, out *terminal.Output) error {
	check, err := c.await(ctx, out.Stderr)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := terminal.PrintJSON(out.Stdout, check); err != nil {
			return err
		}
	} else {
		printCheck(out.Stdout, check)
	}
	if check.State != api.Receiving {
		return terminal.ExitCode(1)
	}
	return nil
}

// await asks until the device is received or the time is over.
func (c *devicesCheck) await(ctx context.Context, stderr io.Writer) (check api.Check, err error) {
	began := time.Now()
	p := terminal.NewProgress(stderr)
	defer p.End()
	for {
		q := terminal.GetFrom(terminal.DevicePath(c.Device)+"/check", nil)
		q.About = c.Device
		check = api.Check{} // fields that are absent must not stay from before
		if err := c.Ask(ctx, q, &check); err != nil {
			return check, err
		}
		left := time.Duration(c.Wait) - time.Since(began)
		if check.State == api.Receiving || left <= 0 {
			return check, nil
		}
		p.Say("%s, for %s more", check.State, terminal.SpanOf(left))
		select {
		case <-ctx.Done():
			return check, fmt.Errorf("check %s: stopped", c.Device)
		case <-time.After(min(checkEvery, left)):
		}
	}
}

func printCheck(w io.Writer, c api.Check) {
	fmt.Fprintf(w, "%s: %s\n", terminal.OnScreen(string(c.Device)), c.State)
	terminal.PrintFields(w, "", c.TextEN, "", c.TextVI)
	late, waiting := "", ""
	if c.Missing > 0 {
		late = "for " + terminal.SpanOf(time.Duration(c.Missing*float64(time.Second)))
	}
	if c.Waiting > 0 {
		waiting = terminal.Grouped(c.Waiting) + " messages: haidang quarantine list --device " + string(c.Device)
	}
	terminal.PrintFields(w, "site", string(c.Site), "first reading", readingText(c.First), "last reading", readingText(c.Last), "last seen", terminal.TimeText(c.LastSeen), "last contact", terminal.TimeText(c.LastContact),
		"missing", late, "why", c.Reason, "", c.Detail, "topic", c.Topic, "sample", c.Sample, "quarantine", waiting)
}

func readingText(r *api.Reading) string {
	if r == nil {
		return ""
	}
	var values []string
	for m, v := range r.Values {
		values = append(values, string(m)+" "+strconv.FormatFloat(v, 'g', -1, 64))
	}
	slices.Sort(values)
	return fmt.Sprintf("%s  %s: %s", terminal.TimeText(&r.Time), r.Kind, strings.Join(values, ", "))
}

type devicesChanges struct {
	terminal.CityFlags
	pageFlags
	Device string `arg:"" optional:"" help:"Only those of this device."`
	Site   string `help:"Only those of this site." placeholder:"ID"`
	Entity string `help:"Only those of this sort of thing: locality, ward, site, device, installation, profile." placeholder:"WORD"`
	Who    string `help:"Only what this account or token did." placeholder:"NAME"`
}

// Help is kong's detailed help.
func (devicesChanges) Help() string {
	return `The newest first. With --json each change has the thing before and after it.

Examples:
  haidang devices changes
  haidang devices changes aq-0042
  haidang devices changes --site thap-tram-huong --json
  haidang devices changes --who lan --limit 200`
}

// Run lists the journal.
func (c *devicesChanges) Run(ctx context.Context, out *terminal.Output) error {
	path, q := "/changes", url.Values{}
	switch {
	case c.Device != "" && c.Site != "":
		return fmt.Errorf("device %s and --site %s are both given: choose one", c.Device, c.Site)
	case c.Device+c.Site != "" && c.Entity+c.Who != "":
		return fmt.Errorf("--entity and --who select in the whole journal: leave them out for one device or site")
	case c.Device != "":
		path = terminal.DevicePath(c.Device) + "/changes"
	case c.Site != "":
		path = "/sites/" + url.PathEscape(c.Site) + "/changes"
	}
	setIf(q, "entity", c.Entity)
	setIf(q, "who", c.Who)
	if err := c.set(q); err != nil {
		return err
	}
	var page api.ChangePage
	if err := c.Ask(ctx, terminal.GetFrom(path, q), &page); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, page)
	}
	if len(page.Changes) == 0 {
		fmt.Fprintln(out.Stdout, "Nothing was changed.")
		return nil
	}
	t := terminal.NewTable("NO", "AT", "WHO", "WHAT", "", "DEVICE", "SITE", "WHY")
	for _, ch := range page.Changes {
		t.Row(fmt.Sprint(ch.Seq), terminal.TimeText(&ch.At), terminal.CutTo(ch.Who, 24), string(ch.Action), string(ch.Entity)+" "+ch.ID, string(ch.Device), string(ch.Site), terminal.CutTo(ch.Why, 60))
	}
	t.Print(out.Stdout)
	if page.Next != "" {
		fmt.Fprintf(out.Stdout, "\nMore: --after %s\n", terminal.OnScreen(page.Next))
	}
	return nil
}
