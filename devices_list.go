package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/devices/api"
)

type devicesList struct {
	deviceFlags
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
func (c *devicesList) Run(ctx context.Context, out *output) error {
	q := c.query()
	setIf(q, "site", c.Site)
	setIf(q, "serial", c.Serial)
	setIf(q, "q", strings.Join(c.Words, " "))
	if err := c.set(q); err != nil {
		return err
	}
	page, err := c.devices(ctx, q, c.All, out.stderr)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.stdout, page)
	}
	printDevices(out.stdout, page)
	return nil
}

// devices reads a page of devices, or that and all after it.
func (f deviceFlags) devices(ctx context.Context, q url.Values, all bool, stderr io.Writer) (api.DevicePage, error) {
	var whole api.DevicePage
	p := newProgress(stderr)
	defer p.end()
	for {
		var page api.DevicePage
		if err := f.ask(ctx, getFrom("/devices", q), &page); err != nil {
			return whole, err
		}
		whole.Devices, whole.Total, whole.Next = append(whole.Devices, page.Devices...), page.Total, page.Next
		if !all || page.Next == "" {
			return whole, nil
		}
		p.say("%s of %s devices", grouped(int64(len(whole.Devices))), grouped(int64(page.Total)))
		q.Set("cursor", page.Next)
	}
}

func printDevices(w io.Writer, page api.DevicePage) {
	if len(page.Devices) == 0 {
		fmt.Fprintln(w, "No device is like that.")
		return
	}
	t := newTable("DEVICE", "AT", "SITE", "KINDS", "STATE", "HEARD", "SINCE", "MODEL")
	for _, d := range page.Devices {
		site, since := "", ""
		if i := d.Installation; i != nil {
			site, since = string(i.Site), i.From.Local().Format("2006-01-02")
		}
		t.row(string(d.ID), cutTo(d.SiteName, 40), site, cutTo(joined(d.Kinds), 40), stateOf(d), string(d.Presence), since, cutTo(d.Model, 24))
	}
	t.print(w)
	fmt.Fprintf(w, "\n%s of %s\n", grouped(int64(len(page.Devices))), grouped(int64(page.Total)))
	if page.Next != "" {
		fmt.Fprintf(w, "More: --after %s\n", onScreen(page.Next))
	}
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
	deviceFlags
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
func (c *devicesShow) Run(ctx context.Context, out *output) error {
	at := devicePath(c.Device)
	var d api.Device
	if err := c.ask(ctx, getFrom(at, nil), &d); err != nil {
		return err
	}
	var stood api.Installations
	if err := c.ask(ctx, getFrom(at+"/installations", nil), &stood); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.stdout, struct {
			api.Device
			Installations []api.Installation `json:"installations"`
		}{d, stood.Installations})
	}
	printDevice(out.stdout, d)
	if len(stood.Installations) == 0 {
		fmt.Fprintln(out.stdout, "\nIt has stood nowhere yet.")
		return nil
	}
	fmt.Fprintln(out.stdout)
	t := newTable("INSTALLATION", "SITE", "FROM", "TO", "")
	for _, i := range stood.Installations {
		note := ""
		if i.Redundant {
			note = "redundant"
		}
		to := localTime(i.To)
		if to == "" {
			to = "now"
		}
		t.row(fmt.Sprint(i.ID), string(i.Site), localTime(&i.From), to, note)
	}
	t.print(out.stdout)
	return nil
}

func printDevice(w io.Writer, d api.Device) {
	at, cadence := "nowhere", ""
	if i := d.Installation; i != nil {
		at = fmt.Sprintf("%s (%s) since %s", d.SiteName, i.Site, localTime(&i.From))
		if i.CadenceSeconds > 0 {
			cadence = "every " + spanOf(time.Duration(i.CadenceSeconds*float64(time.Second)))
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
	printFields(w, "device", string(d.ID), "measures", joined(d.Kinds), "state", stateOf(d), "stands at", at, "position", position,
		"reports", cadence, "heard", string(d.Presence), "model", d.Model, "profile", d.Profile, "serial", d.Serial, "gateway", d.Gateway,
		"notes", d.Notes, "version", fmt.Sprintf("%d, changed %s", d.Version, localTime(&d.Updated)))
}
