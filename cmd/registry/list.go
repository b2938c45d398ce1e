package registry

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
)

type devicesList struct {
	terminal.CityFlags
	deviceFilters
	pageFlags
	Site   string   `help:"Only those that stand at this site." placeholder:"ID"`
	Serial string   `help:"Only the one of this serial number." placeholder:"NUMBER"`
	All    bool     `help:"All of them, page by page; --limit is the size of a page."`
	Words  []string `arg:"" optional:"" help:"Words in id, model, serial, notes or the site's name; diacritics need not be typed."`
}

// Help is kong's detailed help.
func (devicesList) Help() string {
	return `Examples:
  haidang devices list
  haidang devices list tran phu --state active      at sites such as Trần Phú
  haidang devices list --locality nha-trang --kind noise --limit 200
  haidang devices list --all --json > devices.json`
}

// Run lists.
func (c *devicesList) Run(ctx context.Context, out *terminal.Output) error {
	q := c.query()
	setIf(q, "site", c.Site)
	setIf(q, "serial", c.Serial)
	setIf(q, "q", strings.Join(c.Words, " "))
	if err := c.set(q); err != nil {
		return err
	}
	page, err := devicePages(ctx, c.CityFlags, q, c.All, out.Stderr)
	if err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, page)
	}
	printDevices(out.Stdout, page)
	return nil
}

// devicePages reads a page of devices, or that and all after it.
func devicePages(ctx context.Context, f terminal.CityFlags, q url.Values, all bool, stderr io.Writer) (api.DevicePage, error) {
	var whole api.DevicePage
	p := terminal.NewProgress(stderr)
	defer p.End()
	for {
		var page api.DevicePage
		if err := f.Ask(ctx, terminal.GetFrom("/devices", q), &page); err != nil {
			return whole, err
		}
		whole.Devices, whole.Total, whole.Next = append(whole.Devices, page.Devices...), page.Total, page.Next
		if !all || page.Next == "" {
			return whole, nil
		}
		p.Say("%s of %s devices", terminal.Grouped(int64(len(whole.Devices))), terminal.Grouped(int64(page.Total)))
		q.Set("cursor", page.Next)
	}
}

func printDevices(w io.Writer, page api.DevicePage) {
	if len(page.Devices) == 0 {
		fmt.Fprintln(w, "No device is like that.")
		return
	}
	t := terminal.NewTable("DEVICE", "AT", "SITE", "KINDS", "STATE", "HEARD", "REPORTS", "SINCE", "MODEL")
	for _, d := range page.Devices {
		site, since := "", ""
		if i := d.Installation; i != nil {
			site, since = string(i.Site), i.From.In(terminal.Vietnam()).Format("2006-01-02")
		}
		t.Row(string(d.ID), terminal.CutTo(d.SiteName, 40), site, terminal.CutTo(terminal.Joined(d.Kinds), 40), stateOf(d), presenceText(d.Presence, d.Online), terminal.CutTo(reports(d.Cadences), 40), since, terminal.CutTo(d.Model, 24))
	}
	t.Print(w)
	fmt.Fprintf(w, "\n%s of %s\n", terminal.Grouped(int64(len(page.Devices))), terminal.Grouped(int64(page.Total)))
	if page.Next != "" {
		fmt.Fprintf(w, "More: --after %s\n", terminal.OnScreen(page.Next))
	}
}

// presenceText says how a device is heard: that it is in contact is worth a word where
// its readings are missing.
func presenceText(p devices.Presence, online bool) string {
	if online && (p == devices.Late || p == devices.Silent || p == devices.Waiting) {
		return string(p) + ", online"
	}
	return string(p)
}

// reports says how often a device sends readings, and how that is known: set by
// somebody, learned from its readings, or usual of the kind.
func reports(all []api.KindCadence) string {
	var parts []string
	for _, c := range all {
		text := terminal.SpanOf(time.Duration(c.Seconds * float64(time.Second)))
		switch {
		case c.Learned:
			text += ", learned"
		case c.Usual:
			text += ", usual"
		}
		if len(all) > 1 {
			text = string(c.Kind) + " " + text
		}
		if c.Seconds > 0 {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

func stateOf(d api.Device) string {
	s := string(d.State)
	if d.Provisional {
		s += ", provisional"
	}
	if d.Simulated {
		s += ", simulated"
	}
	return s
}

type devicesShow struct {
	terminal.CityFlags
	Device string `arg:"" help:"The device's id."`
}

// Help is kong's detailed help.
func (devicesShow) Help() string {
	return `Its version is what --if-version of other commands takes.

Examples:
  haidang devices show aq-0042
  haidang devices show aq-0042 --json`
}

// Run shows one device.
func (c *devicesShow) Run(ctx context.Context, out *terminal.Output) error {
	at := terminal.DevicePath(c.Device)
	var d api.Device
	if err := c.Ask(ctx, terminal.GetFrom(at, nil), &d); err != nil {
		return err
	}
	var stood api.Installations
	if err := c.Ask(ctx, terminal.GetFrom(at+"/installations", nil), &stood); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, struct {
			api.Device
			Installations []api.Installation `json:"installations"`
		}{d, stood.Installations})
	}
	printDevice(out.Stdout, d)
	if len(stood.Installations) == 0 {
		fmt.Fprintln(out.Stdout, "\nIt has stood nowhere yet.")
		return nil
	}
	fmt.Fprintln(out.Stdout)
	t := terminal.NewTable("INSTALLATION", "SITE", "FROM", "TO", "")
	for _, i := range stood.Installations {
		note := ""
		if i.Redundant {
			note = "redundant"
		}
		to := terminal.TimeText(i.To)
		if to == "" {
			to = "now"
		}
		t.Row(fmt.Sprint(i.ID), string(i.Site), terminal.TimeText(&i.From), to, note)
	}
	t.Print(out.Stdout)
	return nil
}

func printDevice(w io.Writer, d api.Device) {
	at, cadence := "nowhere", reports(d.Cadences)
	if i := d.Installation; i != nil {
		at = fmt.Sprintf("%s (%s) since %s", d.SiteName, i.Site, terminal.TimeText(&i.From))
		if cadence == "" && i.CadenceSeconds > 0 { // nobody judges its silence
			cadence = terminal.SpanOf(time.Duration(i.CadenceSeconds * float64(time.Second)))
		}
	}
	position := ""
	if p := d.Position; p != nil {
		position = fmt.Sprintf("%.6f, %.6f", p.Lat, p.Lon)
		if p.Accuracy > 0 {
			position += fmt.Sprintf(" ± %.0f m", p.Accuracy)
		}
		if p.OutsideReason != "" {
			position += " (outside the province: " + p.OutsideReason + ")"
		}
	}
	terminal.PrintFields(w, "device", string(d.ID), "measures", terminal.Joined(d.Kinds), "state", stateOf(d), "stands at", at, "position", position,
		"reports", cadence, "heard", presenceText(d.Presence, d.Online), "last reading", terminal.TimeText(d.LastReading), "last contact", terminal.TimeText(d.LastContact), "model", d.Model, "profile", d.Profile, "serial", d.Serial, "gateway", d.Gateway,
		"notes", d.Notes, "version", fmt.Sprintf("%d, changed %s", d.Version, terminal.TimeText(&d.Updated)))
}
