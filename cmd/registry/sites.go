package registry

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Sites are the places that are measured, asked of a running city.
type Sites struct {
	List   sitesList   `cmd:"" help:"List sites."`
	Show   sitesShow   `cmd:"" help:"Show one site and what stands there."`
	Add    sitesAdd    `cmd:"" help:"Add a site."`
	Edit   sitesEdit   `cmd:"" help:"Change what is said of a site."`
	Retire sitesRetire `cmd:"" help:"Take a site out of use; its history stays."`
	Reopen sitesReopen `cmd:"" help:"Take a retired site into use again."`
}

// Help is kong's detailed help.
func (Sites) Help() string {
	return `Examples:
  haidang sites list cau --locality nha-trang
  haidang sites add "Cầu Trần Phú" --locality nha-trang --ward 22366 --position 12.2589,109.1987
  haidang sites edit cau-tran-phu --height 6`
}

func sitePath(id string) string { return "/sites/" + url.PathEscape(id) }

type sitesList struct {
	terminal.CityFlags
	pageFlags
	Locality string   `help:"Only those of this locality, such as nha-trang." placeholder:"ID"`
	Ward     string   `help:"Only those of this ward." placeholder:"CODE"`
	Kind     string   `help:"Only those where this is measured now." placeholder:"KIND"`
	State    string   `enum:",planned,active,retired" default:"" help:"Only those in this state: planned, active or retired." placeholder:"STATE"`
	Tag      string   `help:"Only those with this tag." placeholder:"WORD"`
	BBox     string   `name:"bbox" help:"Only those within west,south,east,north in degrees." placeholder:"W,S,E,N"`
	Words    []string `arg:"" optional:"" help:"Words in id, name or notes; diacritics need not be typed."`
}

// Help is kong's detailed help.
func (sitesList) Help() string {
	return `Examples:
  haidang sites list
  haidang sites list tran phu
  haidang sites list --kind water_level --locality ninh-hoa --json`
}

// Run lists.
func (c *sitesList) Run(ctx context.Context, out *terminal.Output) error {
	q := url.Values{}
	for name, value := range map[string]string{"locality": c.Locality, "ward": c.Ward, "kind": c.Kind, "state": c.State, "tag": c.Tag,
		"bbox": c.BBox, "q": strings.Join(c.Words, " ")} {
		setIf(q, name, value)
	}
	if err := c.set(q); err != nil {
		return err
	}
	var page api.SitePage
	if err := c.Ask(ctx, terminal.GetFrom("/sites", q), &page); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, page)
	}
	if len(page.Sites) == 0 {
		fmt.Fprintln(out.Stdout, "No site is like that.")
		return nil
	}
	t := terminal.NewTable("SITE", "NAME", "LOCALITY", "WARD", "KINDS", "STATE", "HEARD", "DEVICES")
	for _, s := range page.Sites {
		t.Row(string(s.ID), terminal.CutTo(s.Name, 40), string(s.Locality), s.Ward, terminal.CutTo(terminal.Joined(s.Kinds), 40), siteState(s), string(s.Presence), fmt.Sprint(len(s.Devices)))
	}
	t.Print(out.Stdout)
	fmt.Fprintf(out.Stdout, "\n%s of %s\n", terminal.Grouped(int64(len(page.Sites))), terminal.Grouped(int64(page.Total)))
	if page.Next != "" {
		fmt.Fprintf(out.Stdout, "More: --after %s\n", terminal.OnScreen(page.Next))
	}
	return nil
}

func siteState(s api.Site) string {
	if s.Provisional {
		return string(s.State) + ", provisional"
	}
	return string(s.State)
}

type sitesShow struct {
	terminal.CityFlags
	Site string `arg:"" help:"The site's id."`
}

// Help is kong's detailed help.
func (sitesShow) Help() string {
	return "Examples:\n  haidang sites show thap-ba\n  haidang sites show thap-ba --json"
}

// Run shows one site.
func (c *sitesShow) Run(ctx context.Context, out *terminal.Output) error {
	return askSite(ctx, c.CityFlags, out, terminal.GetFrom(sitePath(c.Site), nil))
}

// askSite asks what is answered with a site, and prints it.
func askSite(ctx context.Context, f terminal.CityFlags, out *terminal.Output, q terminal.Question) error {
	var s api.Site
	if err := f.Ask(ctx, q, &s); err != nil {
		return err
	}
	if f.JSON {
		return terminal.PrintJSON(out.Stdout, s)
	}
	printSite(out.Stdout, s)
	return nil
}

func printSite(w io.Writer, s api.Site) {
	position, height := "", ""
	if s.Position.Lat != 0 || s.Position.Lon != 0 {
		position = fmt.Sprintf("%.6f, %.6f", s.Position.Lat, s.Position.Lon)
		if s.Position.Accuracy > 0 {
			position += fmt.Sprintf(" ± %.0f m", s.Position.Accuracy)
		}
		if s.Position.OutsideReason != "" {
			position += " (outside the province: " + s.Position.OutsideReason + ")"
		}
	}
	if s.MountHeight > 0 {
		height = fmt.Sprintf("%g m", s.MountHeight)
	}
	terminal.PrintFields(w, "site", string(s.ID), "name", s.Name, "in English", s.NameEN, "locality", string(s.Locality), "ward", s.Ward, "position", position,
		"height", height, "tags", terminal.Joined(s.Tags), "noise area", string(s.NoiseArea), "state", siteState(s), "heard", string(s.Presence), "notes", s.Notes,
		"version", fmt.Sprintf("%d, changed %s", s.Version, terminal.TimeText(&s.Updated)))
	if len(s.Devices) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := terminal.NewTable("DEVICE", "KINDS", "SINCE", "HEARD", "REPORTS", "LAST READING")
	for _, d := range s.Devices {
		t.Row(string(d.Device), terminal.Joined(d.Kinds), terminal.TimeText(d.Since), presenceText(d.Presence, d.Online), reports(d.Cadences), terminal.TimeText(d.LastReading))
	}
	t.Print(w)
}

// siteEdits are what is said of a site; nil is not said.
type siteEdits struct {
	NameEN        *string   `name:"name-en" help:"Its name in English." placeholder:"NAME"`
	Locality      *string   `help:"Its locality, such as nha-trang." placeholder:"ID"`
	Ward          *string   `help:"Its ward's official code of 5 digits." placeholder:"CODE"`
	Position      *string   `help:"Latitude and longitude, as they are pasted from a map." placeholder:"12.2389,109.1967"`
	Accuracy      *float64  `help:"How exact the position is, in metres." placeholder:"M"`
	OutsideReason *string   `help:"Why a position outside the province is right." placeholder:"TEXT"`
	Height        *float64  `help:"Metres above ground." placeholder:"M"`
	Tag           *[]string `help:"Its tags, all of them; several with commas." placeholder:"WORD"`
	NoiseArea     *string   `help:"special or ordinary, after QCVN 26:2010/BTNMT." placeholder:"AREA"`
	Notes         *string   `help:"A remark on the site." placeholder:"TEXT"`
}

// apply says it of a site, and reports whether anything was said.
func (e siteEdits) apply(s *api.SiteInput) (changed bool, err error) {
	if e.Position != nil {
		p, err := devices.ParsePosition(*e.Position)
		if err != nil {
			return false, fmt.Errorf("--position is %q: write it like 12.2389,109.1967 or 12°14'20\"N 109°11'48\"E", *e.Position)
		}
		// How exact the old one was, and why it was right, is not said of the new one.
		s.Position = api.Position{Lat: p.Lat, Lon: p.Lon}
		changed = true
	}
	for _, said := range []bool{setGiven(&s.NameEN, e.NameEN), setGiven(&s.Locality, (*telemetry.Locality)(e.Locality)), setGiven(&s.Ward, e.Ward),
		setGiven(&s.Position.Accuracy, e.Accuracy), setGiven(&s.Position.OutsideReason, e.OutsideReason), setGiven(&s.MountHeight, e.Height),
		setGiven(&s.Tags, e.Tag), setGiven(&s.NoiseArea, (*devices.NoiseArea)(e.NoiseArea)), setGiven(&s.Notes, e.Notes)} {
		changed = changed || said
	}
	return changed, nil
}

type sitesAdd struct {
	terminal.CityFlags
	siteEdits
	whyFlag
	ID   string `help:"Its id, which never changes; absent: made of the name." placeholder:"ID"`
	Name string `arg:"" help:"Its name."`
}

// Help is kong's detailed help.
func (sitesAdd) Help() string {
	return `Examples:
  haidang sites add "Cầu Trần Phú" --locality nha-trang --ward 22366 --position 12.2589,109.1987
  haidang sites add "Trạm Hòn Bà" --id hon-ba-2 --locality cam-lam --ward 22453 --position "12°07'N 108°57'E" --height 10`
}

// Run adds it.
func (c *sitesAdd) Run(ctx context.Context, out *terminal.Output) error {
	in := api.SiteInput{ID: telemetry.Site(c.ID), Name: c.Name}
	if _, err := c.apply(&in); err != nil {
		return err
	}
	return askSite(ctx, c.CityFlags, out, terminal.PostTo("/sites", api.SiteWrite{SiteInput: in, Why: c.Why}))
}

type sitesEdit struct {
	terminal.CityFlags
	siteEdits
	whyFlag
	IfVersion int64   `help:"Only if the site is still at this version, as sites show tells it." placeholder:"N"`
	Name      *string `help:"Its name." placeholder:"NAME"`
	Site      string  `arg:"" help:"The site's id, which never changes."`
}

// Help is kong's detailed help.
func (sitesEdit) Help() string {
	return `What is not named stays as it is; an empty text takes away what was said. If somebody else changes
the site at the same time, nothing is overwritten and the command fails.

Examples:
  haidang sites edit cau-tran-phu --height 6 --notes "on the third lamp post"
  haidang sites edit cau-tran-phu --position 12.2591,109.1985 --accuracy 4 --why "measured again"`
}

// Run changes it.
func (c *sitesEdit) Run(ctx context.Context, out *terminal.Output) error {
	var s api.Site
	if err := c.Ask(ctx, terminal.GetFrom(sitePath(c.Site), nil), &s); err != nil {
		return err
	}
	changed, err := c.apply(&s.SiteInput)
	if err != nil {
		return err
	}
	if !setGiven(&s.Name, c.Name) && !changed {
		return errNothingToChange
	}
	seen := s.Version
	if c.IfVersion != 0 {
		seen = c.IfVersion
	}
	return askSite(ctx, c.CityFlags, out, putTo(sitePath(c.Site), seen, c.Site, api.SiteWrite{SiteInput: s.SiteInput, Why: c.Why}))
}

type sitesRetire struct {
	terminal.CityFlags
	Why  string           `required:"" help:"Why, in your own words; kept in the journal of changes." placeholder:"TEXT"`
	At   terminal.Instant `help:"When it was; absent is now." placeholder:"TIME"`
	Site string           `arg:"" help:"The site's id."`
}

// Help is kong's detailed help.
func (sitesRetire) Help() string {
	return `What stands there is taken from it. Its history stays. --why is needed: nobody is asked again.

Examples:
  haidang sites retire cau-cu --why "bridge torn down"`
}

// Run retires it.
func (c *sitesRetire) Run(ctx context.Context, out *terminal.Output) error {
	return askSite(ctx, c.CityFlags, out, terminal.PostTo(sitePath(c.Site)+"/retire", api.Act{Why: c.Why, At: c.At.Optional()}))
}

type sitesReopen struct {
	terminal.CityFlags
	whyFlag
	Site string `arg:"" help:"The site's id."`
}

// Help is kong's detailed help.
func (sitesReopen) Help() string {
	return "Examples:\n  haidang sites reopen cau-cu --why \"the new bridge stands\""
}

// Run takes it into use again.
func (c *sitesReopen) Run(ctx context.Context, out *terminal.Output) error {
	return askSite(ctx, c.CityFlags, out, terminal.PostTo(sitePath(c.Site)+"/reopen", api.Act{Why: c.Why}))
}
