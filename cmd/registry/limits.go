package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Limits are the limits of sites, asked of a running city.
type Limits struct {
	List   limitsList   `cmd:"" help:"List limits of sites."`
	Levels limitsLevels `cmd:"" help:"Set a gauge's levels at once: flood alarms I to III, record, datum."`
	Set    limitsSet    `cmd:"" help:"Set one limit of a site, by its code."`
	Remove limitsRemove `cmd:"" help:"Take a limit away."`
	Gauges limitsGauges `cmd:"" help:"Show the gauges whose levels are known, for --like."`
}

// Help is kong's detailed help.
func (Limits) Help() string {
	return `A limit of a site is an alarm, a line on the flood board, and has a source and dates. What is set
counts within a minute, without a restart. What regulations say of all sites (air, noise, rain) is not among them.

Examples:
  haidang limits list dong-trang
  haidang limits levels dong-trang --bd1 8 --bd2 9.5 --bd3 11 --record 13.42 --year 2009 --basis law --source "Quyết định 05/2020/QĐ-TTg"
  haidang limits levels vinh-phuong --like dien-phu
  haidang limits set binh-ba low_oxygen 4.5 --kind water_quality --metric dissolved_oxygen --below --name "Oxy thấp ở lồng nuôi"
  haidang limits remove binh-ba low_oxygen`
}

type limitsList struct {
	terminal.CityFlags
	Kind    string `help:"Only those of this kind, such as water_level." placeholder:"KIND"`
	Device  string `help:"Only those of this device." placeholder:"ID"`
	At      string `help:"Only those in force then: a day or a moment, in Vietnam." placeholder:"2026-11-21"`
	Removed bool   `help:"Those that were taken away, too."`
	Site    string `arg:"" optional:"" help:"Only those of this site."`
}

// Help is kong's detailed help.
func (limitsList) Help() string {
	return `Examples:
  haidang limits list
  haidang limits list dong-trang --at 2025-11-20
  haidang limits list --kind water_level --json`
}

// Run lists.
func (c *limitsList) Run(ctx context.Context, out *terminal.Output) error {
	q := url.Values{"limit": {strconv.Itoa(maxPage)}}
	for name, value := range map[string]string{"site": c.Site, "kind": c.Kind, "device": c.Device, "at": c.At} {
		setIf(q, name, value)
	}
	if c.Removed {
		q.Set("removed", "true")
	}
	all := api.LimitPage{Limits: []api.Limit{}}
	for {
		var page api.LimitPage
		if err := c.Ask(ctx, terminal.GetFrom("/limits", q), &page); err != nil {
			return err
		}
		all.Limits, all.Total = append(all.Limits, page.Limits...), page.Total
		if page.Next == "" {
			break
		}
		q.Set("cursor", page.Next)
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, all)
	}
	if len(all.Limits) == 0 {
		fmt.Fprintln(out.Stdout, "No limit is like that.")
		return nil
	}
	printLimits(out, all.Limits)
	return nil
}

func printLimits(out *terminal.Output, all []api.Limit) {
	t := terminal.NewTable("SITE", "CODE", "LIMIT", "OF", "SEVERITY", "BASIS", "IN FORCE", "SOURCE")
	for _, l := range all {
		code := l.Code
		if l.Device != "" {
			code += " @" + string(l.Device)
		}
		of := string(l.Kind) + " " + string(l.Metric)
		if l.Statistic != "last" {
			of = l.Statistic + " of " + of
		}
		source := l.Reference
		if l.Year != 0 {
			source = fmt.Sprintf("%d · %s", l.Year, source)
		}
		t.Row(string(l.Site), code, limitValue(l), of, l.Severity, l.Basis, limitPeriod(l), terminal.CutTo(source, 50))
	}
	t.Print(out.Stdout)
}

// limitValue is the limit as people read it: "≥ 8 m".
func limitValue(l api.Limit) string {
	return l.Own().Limit().Sign() + " " + strconv.FormatFloat(l.Value, 'f', -1, 64) + " " + l.Unit
}

// limitPeriod is when a limit is in force.
func limitPeriod(l api.Limit) string {
	day := func(t *time.Time) string {
		if t == nil {
			return "…"
		}
		return terminal.TimeText(t)
	}
	switch {
	case l.Removed != nil:
		return "removed " + terminal.TimeText(l.Removed)
	case l.From == nil && l.Until == nil:
		return "always"
	}
	return day(l.From) + " – " + day(l.Until)
}

// limitSource is what a limit rests on, and since when.
type limitSource struct {
	Basis    string           `enum:",law,secondary,operational" default:"" help:"What the value rests on: law (read in the regulation or an official feed), secondary (press, another source) or operational (your own). Of new ones operational if left out." placeholder:"law"`
	Source   *string          `help:"The decision or the source; needed with --basis law and secondary." placeholder:"TEXT"`
	SourceEN *string          `name:"source-en" help:"The same in English." placeholder:"TEXT"`
	From     terminal.Instant `help:"It holds from then on, and the value of before ends there; absent: the value is corrected." placeholder:"TIME"`
	Device   string           `help:"Only this device's readings count; absent: all at the site." placeholder:"ID"`
}

type limitsLevels struct {
	terminal.CityFlags
	whyFlag
	limitSource
	BD1    *float64 `name:"bd1" help:"Báo động I, in metres above the gauge's own datum." placeholder:"M"`
	BD2    *float64 `name:"bd2" help:"Báo động II." placeholder:"M"`
	BD3    *float64 `name:"bd3" help:"Báo động III." placeholder:"M"`
	Record *float64 `help:"The highest level on record." placeholder:"M"`
	Year   int      `help:"The record's year." placeholder:"YYYY"`
	Normal *float64 `help:"A reservoir's normal level." placeholder:"M"`
	Flood  *float64 `help:"A reservoir's flood level." placeholder:"M"`
	Datum  *string  `help:"What levels are counted from." placeholder:"TEXT"`
	Like   string   `help:"Take what is known of this gauge (limits gauges) for all that is not named." placeholder:"GAUGE"`
	Site   string   `arg:"" help:"The site's id."`
}

// Help is kong's detailed help.
func (limitsLevels) Help() string {
	return `All of them at once, or none: báo động I < II < III ≤ record, normal < flood level. What is not named
stays as it is. Levels are above the gauge's own datum: never compare two gauges.

Examples:
  haidang limits levels dong-trang --bd1 8 --bd2 9.5 --bd3 11 --record 13.42 --year 2009 --basis law --source "Quyết định 05/2020/QĐ-TTg"
  haidang limits levels dong-trang --bd3 11.5 --from 2027-01-01 --basis law --source "Quyết định 01/2027/QĐ-TTg"
  haidang limits levels vinh-phuong --like dien-phu
  haidang limits levels ho-suoi-dau --normal 42.5 --flood 43.47 --datum "cao độ quốc gia"`
}

// Run sets them.
func (c *limitsLevels) Run(ctx context.Context, out *terminal.Output) error {
	in := api.LevelsInput{Device: telemetry.Device(c.Device), BD1: c.BD1, BD2: c.BD2, BD3: c.BD3, Record: c.Record, RecordYear: c.Year, Normal: c.Normal, Flood: c.Flood,
		Datum: c.Datum, Basis: c.Basis, Reference: c.Source, ReferenceEN: c.SourceEN, From: c.From.Optional(), Like: telemetry.Site(c.Like), Why: c.Why}
	said := slices.ContainsFunc([]*float64{c.BD1, c.BD2, c.BD3, c.Record, c.Normal, c.Flood}, func(v *float64) bool { return v != nil })
	if !said && c.Year == 0 && c.Datum == nil && c.Like == "" {
		return errors.New("no level is given: say which, such as --bd1 8 --bd2 9.5 --bd3 11, or --like GAUGE")
	}
	var all api.Limits
	if err := c.Ask(ctx, putTo(sitePath(c.Site)+"/levels", 0, "", in), &all); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, all)
	}
	printLimits(out, all.Limits)
	return nil
}

type limitsSet struct {
	terminal.CityFlags
	whyFlag
	limitSource
	Kind      *telemetry.Kind   `help:"What is measured, such as water_quality; of bd1 to flood it is known." placeholder:"KIND"`
	Metric    *telemetry.Metric `help:"Which quantity of it, such as dissolved_oxygen." placeholder:"METRIC"`
	Statistic *string           `help:"What is compared: last (the newest value), mean or sum of the window, or rise within it; last if left out, of amounts such as rain sum." placeholder:"last"`
	Window    terminal.Duration `help:"The window; an hour if left out." placeholder:"24h"`
	Below     *bool             `negatable:"" help:"Less is worse, as with oxygen."`
	Strict    *bool             `negatable:"" help:"To equal the value is no breach."`
	Severity  *string           `help:"watch, warning, danger or extreme; warning if left out." placeholder:"warning"`
	Name      *string           `help:"What it is called, in Vietnamese, without the place." placeholder:"NAME"`
	NameEN    *string           `name:"name-en" help:"The same in English." placeholder:"NAME"`
	Year      *int              `help:"Of a record." placeholder:"YYYY"`
	Datum     *string           `help:"What levels are counted from." placeholder:"TEXT"`
	Until     terminal.Instant  `help:"Until when it holds; absent: it goes on." placeholder:"TIME"`
	Site      string            `arg:"" help:"The site's id."`
	Code      string            `arg:"" help:"Which of its limits: bd1, bd2, bd3, record, normal, flood, or a word of your own."`
	Value     float64           `arg:"" help:"In the catalogue's unit."`
}

// Help is kong's detailed help.
func (limitsSet) Help() string {
	return `One that is in force is changed: what is not named stays as it is. With --from after its beginning it ends
there, and the new value succeeds it.

Examples:
  haidang limits set binh-ba low_oxygen 4.5 --kind water_quality --metric dissolved_oxygen --below --name "Oxy thấp ở lồng nuôi"
  haidang limits set cho-dam noon_heat 36 --kind weather --metric temperature --statistic mean --window 1h --severity danger --name "Nóng ở chợ"
  haidang limits set binh-ba low_oxygen 5 --from 2027-01-01 --why "new breed"
  haidang limits set dong-trang bd3 11.2`
}

// Run sets it.
func (c *limitsSet) Run(ctx context.Context, out *terminal.Output) error {
	seen, _, err := c.find(ctx)
	if err != nil {
		return err
	}
	in := seen.LimitInput
	in.Device, in.Code, in.Value = telemetry.Device(c.Device), c.Code, c.Value
	in.From, in.Until = c.From.Optional(), cmp.Or(c.Until.Optional(), in.Until)
	setGiven(&in.Kind, c.Kind)
	setGiven(&in.Metric, c.Metric)
	setGiven(&in.Below, c.Below)
	setGiven(&in.Strict, c.Strict)
	setGiven(&in.Year, c.Year)
	for to, given := range map[*string]*string{&in.Statistic: c.Statistic, &in.Severity: c.Severity, &in.NameVI: c.Name, &in.NameEN: c.NameEN,
		&in.Datum: c.Datum, &in.Reference: c.Source, &in.ReferenceEN: c.SourceEN} {
		setGiven(to, given)
	}
	in.Basis = cmp.Or(c.Basis, in.Basis)
	if c.Window > 0 {
		in.WindowSeconds = time.Duration(c.Window).Seconds()
	}
	if in.Statistic == "" && in.Metric != "" {
		in.Statistic = usualStatistic(in.Kind, in.Metric)
	}
	var l api.Limit
	if err := c.Ask(ctx, putTo(sitePath(c.Site)+"/limits/"+url.PathEscape(c.Code), 0, "", api.LimitWrite{LimitInput: in, Why: c.Why}), &l); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, l)
	}
	printLimits(out, []api.Limit{l})
	return nil
}

// find is the limit that is in force when it is to be changed; false if there is none.
func (c *limitsSet) find(ctx context.Context) (api.Limit, bool, error) {
	at := time.Now()
	if t := c.From.Optional(); t != nil {
		at = *t
	}
	return findLimit(ctx, c.CityFlags, c.Site, c.Code, c.Device, at)
}

// usualStatistic is how a quantity is compared where nobody says it.
func usualStatistic(k telemetry.Kind, m telemetry.Metric) string {
	if spec := telemetry.NewCatalogue().Kind(k); spec != nil {
		if s := spec.Metric([]byte(m)); s != nil && s.Form == telemetry.Amount {
			return "sum"
		}
	}
	return "last"
}

// findLimit is a site's limit of a code that is in force at a moment.
func findLimit(ctx context.Context, f terminal.CityFlags, site, code, device string, at time.Time) (api.Limit, bool, error) {
	var all api.Limits
	if err := f.Ask(ctx, terminal.GetFrom(sitePath(site)+"/limits", nil), &all); err != nil {
		return api.Limit{}, false, err
	}
	for _, l := range all.Limits {
		if l.Code == code && string(l.Device) == device && l.Own().InForce(at) {
			return l, true, nil
		}
	}
	return api.Limit{}, false, nil
}

type limitsRemove struct {
	terminal.CityFlags
	whyFlag
	Device string `help:"The one for this device's readings." placeholder:"ID"`
	ID     int64  `help:"The one of this number, as limits list --json tells it; in place of the one in force now." placeholder:"N"`
	Site   string `arg:"" help:"The site's id."`
	Code   string `arg:"" help:"Which of its limits."`
}

// Help is kong's detailed help.
func (limitsRemove) Help() string {
	return `It is as if it had never held. To end a limit and keep its past, give it an end:
haidang limits set SITE CODE VALUE --until TIME.

Examples:
  haidang limits remove binh-ba low_oxygen --why "cages moved"
  haidang limits remove dong-trang bd3 --id 17`
}

// Run removes it.
func (c *limitsRemove) Run(ctx context.Context, out *terminal.Output) error {
	var l api.Limit
	found := false
	var err error
	if c.ID == 0 {
		l, found, err = findLimit(ctx, c.CityFlags, c.Site, c.Code, c.Device, time.Now())
	} else {
		var all api.Limits
		err = c.Ask(ctx, terminal.GetFrom(sitePath(c.Site)+"/limits", nil), &all)
		if i := slices.IndexFunc(all.Limits, func(o api.Limit) bool { return o.ID == c.ID && o.Code == c.Code }); err == nil && i >= 0 {
			l, found = all.Limits[i], true
		}
	}
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("site %s has no limit %s in force: see haidang limits list %s", c.Site, c.Code, c.Site)
	}
	q := terminal.Question{Method: http.MethodDelete, Path: fmt.Sprintf("/limits/%d", l.ID), Version: l.Version, About: c.Site, Within: terminal.AskTime}
	if c.Why != "" {
		q.Query = url.Values{"why": {c.Why}}
	}
	if err := c.Fetch(ctx, q, io.Discard); err != nil {
		return err
	}
	fmt.Fprintf(out.Stdout, "Limit %s of %s (%s) is removed.\n", l.Code, l.Site, limitValue(l))
	return nil
}

type limitsGauges struct {
	terminal.CityFlags
}

// Help is kong's detailed help.
func (limitsGauges) Help() string {
	return `None of it holds by itself: a new registry has the levels of those that are sites of it, and for any other
site --like takes them over.

Examples:
  haidang limits gauges
  haidang limits levels vinh-phuong --like dien-phu`
}

// Run shows them.
func (c *limitsGauges) Run(ctx context.Context, out *terminal.Output) error {
	var all api.KnownGauges
	if err := c.Ask(ctx, terminal.GetFrom("/gauges", nil), &all); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, all)
	}
	var rows []api.Limit
	for _, g := range all.Gauges {
		rows = append(rows, g.Limits...)
	}
	printLimits(out, rows)
	return nil
}
