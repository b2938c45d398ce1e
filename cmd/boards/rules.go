package boards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

type dashboardsRules struct {
	terminal.CityFlags
	Out        string           `required:"" help:"Folder to write to; made if need be." placeholder:"DIR"`
	Prometheus bool             `help:"Write a rule file for Prometheus or vmalert."`
	Grafana    bool             `help:"Write rules that Grafana manages, for a data source in PromQL and one in InfluxQL."`
	Query      string           `enum:"promql,influxql,both" default:"both" help:"With --grafana: language of the data source, promql or influxql; a file for each if left out." placeholder:"promql"`
	DataSource string           `aliases:"datasource" default:"haidang" help:"With --grafana: uid of the data source that the rules ask, haidang if left out." placeholder:"UID"`
	Folder     string           `default:"Hải Đăng – cảnh báo" help:"With --grafana: title of the folder that holds the rules, Hải Đăng – cảnh báo if left out." placeholder:"TITLE"`
	Lang       string           `enum:"vi,en" default:"vi" help:"Language of titles, summaries and descriptions: vi or en." placeholder:"vi"`
	At         terminal.Instant `help:"Whose day's limits; default: now." placeholder:"2026-11-21"`
	NoSites    bool             `help:"Do not ask the city about its sites: limits of an area (noise, river, bathing, aquaculture) then have no rule, and gauges the levels of a new city."`
}

// Help is kong's detailed help.
func (dashboardsRules) Help() string {
	return `Examples:
  haidang dashboards rules --out rules                       all files, with the sites of the city at --url
  haidang dashboards rules --out rules --prometheus --no-sites
  haidang dashboards rules --out /etc/grafana/provisioning/alerting --grafana --query influxql --data-source influx

Limits change by date and by what the city says of its sites: their own limits, their noise areas, their tags (river,
bathing, aquaculture). Write the files anew when any has changed. ` + "`haidang up`" + ` evaluates the same rules by itself over the embedded store and needs no file;
they are for a Prometheus, vmalert or Grafana of your own. Where Grafana evaluates them, ` + "`haidang dashboards push`" + ` and
` + "`render`" + ` put the same ones there by themselves.

Grafana must be given only the file of its data source's language: the rules of both have the same uids, and of two files in
its folder provisioning/alerting the last one read counts. InfluxQL knows no hours: rules of the day or
the night read the time of day that haidang up writes every 15 s (platform, time_of_day), and do not fire without it.`
}

// Run writes the files.
func (c *dashboardsRules) Run(ctx context.Context, out *terminal.Output) error {
	if !c.Prometheus && !c.Grafana {
		c.Prometheus, c.Grafana = true, true
	}
	o := rules.Options{At: time.Time(c.At)}
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if !c.NoSites {
		asked, err := RulesOf(ctx, c.CityFlags)
		if err != nil {
			return fmt.Errorf("%w (or leave the limits of areas out, with --no-sites)", err)
		}
		asked.At = o.At
		o = asked
	}
	all := rules.All(o)
	files := map[string][]byte{}
	var err, errs error
	if c.Prometheus {
		files["haidang.rules.yaml"], err = rules.Prometheus(all, dashboards.Lang(c.Lang))
		errs = errors.Join(errs, err)
	}
	if c.Grafana {
		for _, d := range []dashboards.Language{dashboards.PromQL, dashboards.InfluxQL} {
			if c.Query != "both" && c.Query != string(d) {
				continue
			}
			files["haidang-alerts-"+string(d)+".yaml"], err = rules.Grafana{Language: d, DataSource: c.DataSource, Folder: c.Folder, Lang: dashboards.Lang(c.Lang)}.YAML(all)
			errs = errors.Join(errs, err)
		}
	}
	if errs != nil {
		return errs
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("make the folder --out %s: %w", c.Out, err)
	}
	for name, text := range files {
		path := filepath.Join(c.Out, name)
		if err := terminal.WriteFile(path, 0o644, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
			return fmt.Errorf("write to --out: %w", err)
		}
		fmt.Fprintf(out.Stdout, "%s   %d rules\n", path, len(all))
	}
	return nil
}

// RulesOf are what the city's rules are made from: which of its sites are of which
// use, the limits that sites have of their own, and how often their devices report.
func RulesOf(ctx context.Context, city terminal.CityFlags) (rules.Options, error) {
	var known placesFile
	flags := placesFlags{City: city.URL, CityToken: city.Token, CityCA: city.CA}
	if err := flags.ask(ctx, &known); err != nil {
		return rules.Options{}, err
	}
	return ruleOptions(known.province(dashboards.Province{})), nil
}

// ruleOptions are what a province's rules are made from, at its moment.
func ruleOptions(p dashboards.Province) rules.Options {
	o := rules.Options{At: p.Now, Limits: table(p.Own), Catalogue: telemetry.NewCatalogue()}
	uses := map[telemetry.Site][]string{}
	for _, s := range p.Sites {
		uses[s.ID] = s.Uses()
		for _, c := range s.Cadences {
			if k := o.Catalogue.Kind(c.Kind); k == nil || k.Cadence == c.Every {
				continue
			}
			o.Cadences = append(o.Cadences, rules.Cadence{Site: s.ID, Device: c.Device, Kind: c.Kind, Every: c.Every})
		}
	}
	o.Areas = rules.AreasOf(uses)
	return o
}
