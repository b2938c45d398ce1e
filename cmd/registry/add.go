package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// hardwareFlags are what is said of a device.
type hardwareFlags struct {
	Kind      []telemetry.Kind `help:"What it measures, such as air_quality; several with commas." placeholder:"KIND"`
	Model     string           `help:"Its model." placeholder:"TEXT"`
	Profile   string           `help:"How its payloads are read; absent is the native format." placeholder:"ID"`
	Serial    string           `help:"The manufacturer's number." placeholder:"TEXT"`
	Gateway   string           `help:"The radio gateway it usually comes through." placeholder:"NAME"`
	Notes     string           `help:"A remark on the device." placeholder:"TEXT"`
	Simulated bool             `help:"It does not exist; its readings are for practice."`
}

func (f hardwareFlags) input(id string) api.DeviceInput {
	return api.DeviceInput{ID: telemetry.Device(id), Kinds: f.Kind, Model: f.Model, Profile: f.Profile, Serial: f.Serial, Gateway: f.Gateway,
		Notes: f.Notes, Simulated: f.Simulated}
}

// siteFlags are what is said of a new site.
type siteFlags struct {
	NewSite       string   `help:"Name of a new site; --site is then its id, or it is made of the name." placeholder:"NAME"`
	NameEN        string   `name:"name-en" help:"New site: its name in English." placeholder:"NAME"`
	Locality      string   `help:"New site: its locality, such as nha-trang." placeholder:"ID"`
	Ward          string   `help:"New site: its ward's official code of 5 digits." placeholder:"CODE"`
	Position      string   `help:"New site: latitude and longitude, as they are pasted from a map." placeholder:"12.2389,109.1967"`
	Accuracy      float64  `help:"New site: how exact the position is, in metres." placeholder:"M"`
	OutsideReason string   `help:"New site: why a position outside the province is right." placeholder:"TEXT"`
	Height        float64  `help:"New site: metres above ground." placeholder:"M"`
	Tag           []string `help:"New site: tags, several with commas." placeholder:"WORD"`
}

// input is the new site with an id of its own, if one is given.
func (f siteFlags) input(id string) (api.SiteInput, error) {
	s := api.SiteInput{ID: telemetry.Site(id), Name: f.NewSite, NameEN: f.NameEN, Locality: telemetry.Locality(f.Locality), Ward: f.Ward,
		MountHeight: f.Height, Tags: f.Tag}
	if f.Position != "" {
		p, err := devices.ParsePosition(f.Position)
		if err != nil {
			return s, fmt.Errorf("--position is %q: write it like 12.2389,109.1967 or 12°14'20\"N 109°11'48\"E", f.Position)
		}
		s.Position = api.Position{Lat: p.Lat, Lon: p.Lon}
	}
	s.Position.Accuracy, s.Position.OutsideReason = f.Accuracy, f.OutsideReason
	return s, nil
}

// used reports whether something is said that only a new site has.
func (f siteFlags) used() bool {
	return f.NameEN+f.Locality+f.Ward+f.Position+f.OutsideReason != "" || f.Accuracy != 0 || f.Height != 0 || len(f.Tag) > 0
}

// standingFlags are how a device stands at a site.
type standingFlags struct {
	From      terminal.Instant  `help:"Since when it stands there; absent: now, or when it was first heard." placeholder:"TIME"`
	Redundant bool              `help:"It stands beside another of its kind on purpose."`
	Cadence   terminal.Duration `help:"How often it reports; absent it is learned from its readings." placeholder:"10m"`
}

func (f standingFlags) used() bool { return f != standingFlags{} }

func (f standingFlags) seconds() float64 { return time.Duration(f.Cadence).Seconds() }

type devicesAdd struct {
	terminal.CityFlags
	hardwareFlags
	siteFlags
	standingFlags
	whyFlag
	Site      string `help:"The site where it stands." placeholder:"ID"`
	Photo     string `type:"existingfile" help:"A photo of it: JPEG, PNG or WebP of at most 2 MiB." placeholder:"FILE"`
	RequestID string `name:"request-id" help:"Your own id of this act, so that a script may repeat it: it is done once." placeholder:"ID"`
	Device    string `arg:"" help:"The device's id, as in its topic."`
}

// Help is kong's detailed help.
func (devicesAdd) Help() string {
	return `As a whole or not at all; what somebody else registered is never overwritten. Without --kind, what
was heard of the device says what it measures. What waits of it in quarantine is driven through.

Examples:
  haidang devices add aq-0042 --kind air_quality --site thap-tram-huong
  haidang devices add wl-7 --kind water_level --new-site "Cầu Trần Phú" --locality nha-trang --ward 22366 --position 12.2589,109.1987
  haidang devices add ns-3 --kind noise --model "SL-20" --serial 0817     it stands nowhere yet
  haidang devices add aq-0042 --site thap-tram-huong --request-id round-7.12`
}

// Run registers.
func (c *devicesAdd) Run(ctx context.Context, out *terminal.Output) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := c.draft(ctx); err != nil {
		return err
	}
	if c.Site == "" && c.NewSite == "" {
		return c.create(ctx, out)
	}
	in, err := c.registration()
	if err != nil {
		return err
	}
	q := terminal.PostTo("/registrations", in)
	q.About = c.Device
	var r api.Registered
	if err := c.Ask(ctx, q, &r); err != nil {
		var no *terminal.Refusal
		if !errors.As(err, &no) && c.RequestID == "" {
			err = fmt.Errorf("%w\n  → It may have been done all the same: repeat with --request-id %s", err, in.RequestID)
		}
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, r)
	}
	again := ""
	if r.Repeated {
		again = " (by this request, before)"
	}
	fmt.Fprintf(out.Stdout, "%s stands at %s (%s) since %s%s.\nDoes it work? haidang devices check %[1]s\n", terminal.OnScreen(string(r.Device.ID)),
		terminal.OnScreen(r.Site.Name), r.Site.ID, terminal.TimeText(&r.Installation.From), again)
	return nil
}

// check finds what does not go together.
func (c *devicesAdd) check() error {
	switch {
	case c.NewSite == "" && c.siteFlags.used():
		return errors.New("a name, locality, ward, position, height or tag is given, but no new site: add --new-site NAME")
	case c.Site == "" && c.NewSite == "" && (c.standingFlags.used() || c.Photo != ""):
		return errors.New("--from, --redundant, --cadence or --photo is given, but no site: add --site ID or --new-site NAME")
	case c.Site == "" && c.NewSite == "" && c.RequestID != "":
		return errors.New("--request-id is for a device at a site: add --site ID or --new-site NAME")
	}
	return nil
}

// draft takes from what was heard of the device what was not said.
func (c *devicesAdd) draft(ctx context.Context) error {
	if len(c.Kind) > 0 {
		return nil
	}
	var h api.Heard
	err := c.Ask(ctx, terminal.GetFrom("/heard/"+url.PathEscape(c.Device), nil), &h)
	var no *terminal.Refusal
	if err != nil && !(errors.As(err, &no) && no.Status == http.StatusNotFound && no.Problem.Text == "") {
		return err
	}
	if len(h.Draft.Device.Kinds) == 0 {
		return fmt.Errorf("--kind is missing, and nothing that was heard of %s tells it: give what it measures, such as --kind air_quality", c.Device)
	}
	c.Kind = h.Draft.Device.Kinds
	if c.NewSite != "" && c.Locality == "" {
		c.Locality = string(h.Draft.Locality)
	}
	return nil
}

func (c *devicesAdd) registration() (in api.RegistrationInput, err error) {
	in = api.RegistrationInput{RequestID: c.RequestID, Device: c.hardwareFlags.input(c.Device), NewSite: c.NewSite != "", From: c.From.Optional(),
		Redundant: c.Redundant, CadenceSeconds: c.seconds(), Why: c.Why}
	if in.RequestID == "" {
		in.RequestID = "cli." + rand.Text()
	}
	if in.Site, err = c.siteFlags.input(c.Site); err != nil || c.Photo == "" {
		return in, err
	}
	f, err := os.Open(c.Photo)
	if err != nil {
		return in, fmt.Errorf("read --photo: %w", err)
	}
	defer f.Close()
	in.Photo, err = io.ReadAll(io.LimitReader(f, devices.MaxPhoto+1))
	if err != nil {
		return in, fmt.Errorf("read --photo %s: %w", c.Photo, err)
	}
	if len(in.Photo) > devices.MaxPhoto {
		return in, fmt.Errorf("--photo %s is larger than %d MiB: make it smaller", c.Photo, devices.MaxPhoto>>20)
	}
	return in, nil
}

// create makes a device that stands nowhere.
func (c *devicesAdd) create(ctx context.Context, out *terminal.Output) error {
	q := terminal.PostTo("/devices", api.DeviceWrite{DeviceInput: c.hardwareFlags.input(c.Device), Why: c.Why})
	q.About = c.Device
	var d api.Device
	if err := c.Ask(ctx, q, &d); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, d)
	}
	fmt.Fprintf(out.Stdout, "%s is registered and stands nowhere yet: haidang devices install %[1]s --site ID\n", terminal.OnScreen(string(d.ID)))
	return nil
}
