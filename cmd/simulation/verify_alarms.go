package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/haidang-iot/haidang/cmd/alarms"
	"github.com/haidang-iot/haidang/cmd/boards"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/score"
)

// alarmScoring says which alarms are scored, and by which rules.
type alarmScoring struct {
	Alarms alarmSource `help:"Score alarms against the physical truth, too: which should have been raised and were, were not, or for nothing, and how late. --alarms=raised takes those that the city at --url raised, --alarms=replayed those that its rules would have raised over what is stored; --alarms alone takes those raised where all was sent as it was due (--sent due, --follow or a speed of 1x), else those replayed." placeholder:"raised|replayed"`
	Rules  string      `help:"Rules that are replayed: city, those in force in the city at --url; table, those of this program's table of limits, with the uses of the named places; or a Prometheus rule file. city if left out, or, with --prometheus and without --url, table." placeholder:"city|table|FILE"`
}

// alarmSource is where the alarms come from that are scored; empty scores none.
type alarmSource string

const (
	alarmsAuto     alarmSource = "auto"
	alarmsRaised   alarmSource = "raised"
	alarmsReplayed alarmSource = "replayed"
)

// IsBool implements kong.BoolMapperValue: the flag may stand alone.
func (alarmSource) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (s *alarmSource) Decode(ctx *kong.DecodeContext) error {
	*s = alarmsAuto
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	var text string
	if err := ctx.Scan.PopValueInto("alarms", &text); err != nil {
		return err
	}
	*s = alarmSource(text)
	if !slices.Contains([]alarmSource{alarmsAuto, alarmsRaised, alarmsReplayed}, *s) {
		return fmt.Errorf("it is %q: give --alarms, --alarms=raised or --alarms=replayed", text)
	}
	return nil
}

// asDue is by how much a message may have been late to have been sent as it was
// due: a round of the rules.
const asDue = alarm.Interval

// settleAlarms decides which alarms are scored.
func (c *Verify) settleAlarms(from time.Time) error {
	switch {
	case c.Alarms == "" && c.Rules != "":
		return errors.New("--rules is given, but no alarms are scored: add --alarms")
	case c.Alarms == alarmsAuto && c.Rules == "" && (c.Follow || c.sentAsDue(from)):
		c.Alarms = alarmsRaised
	case c.Alarms == alarmsAuto:
		c.Alarms = alarmsReplayed
	}
	switch {
	case c.Alarms == alarmsReplayed && c.Influx != "":
		return errors.New("--alarms=replayed evaluates rules in PromQL, and --influx names a store that has none; Grafana keeps the history of its own rules")
	case c.Alarms == alarmsRaised && c.Rules != "":
		return errors.New("--rules is given, but --alarms=raised scores what the city raised by its own: leave one of them out")
	case c.Alarms == alarmsReplayed && c.Rules == "":
		if c.Rules = "city"; c.Prometheus != "" && c.URL == terminal.DefaultURL {
			c.Rules = "table"
		}
	}
	return nil
}

// checkRules reads --rules where it is a file: that it is wrong is to be told before
// the readings are compared, which takes long. So is which of its rules are not
// scored: silence on them would read as praise.
func (c *Verify) checkRules(stderr io.Writer) error {
	if c.Alarms != alarmsReplayed || c.Rules == "city" || c.Rules == "table" {
		return nil
	}
	_, alerts, err := alarms.FileRules(c.Rules)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: give city, table or a Prometheus rule file", err)
	}
	if err != nil {
		return err
	}
	strange := slices.DeleteFunc(slices.Clone(alerts), score.Judged(limits.All()))
	const remedy = "an alert is scored whose name is that of a limit, as `haidang dashboards rules` writes it"
	switch {
	case len(strange) == len(alerts):
		return fmt.Errorf("--rules %s: none of its %d alerts can be scored: %s", c.Rules, len(alerts), remedy)
	case len(strange) > 0:
		fmt.Fprintf(stderr, "Not scored of %s: %s: %s.\n", c.Rules, strings.Join(strange, ", "), remedy)
	}
	return nil
}

// sentAsDue reports whether --sent and --speed say so.
func (c *Verify) sentAsDue(from time.Time) bool {
	received, err := c.received(from)
	if err != nil || received == nil {
		return false
	}
	for _, due := range []time.Time{from, from.Add(time.Hour)} {
		if received(due).Sub(due).Abs() > asDue {
			return false
		}
	}
	return true
}

// scoreAlarms scores the alarms of the crossings' period.
func (c *Verify) scoreAlarms(ctx context.Context, truth *score.Crossings, out *terminal.Output) (*score.Alarms, error) {
	if c.Alarms == alarmsRaised {
		all, err := c.raised(ctx, truth)
		if err != nil {
			return nil, err
		}
		scored := score.ScoreAlarms(truth, all)
		scored.How = string(alarmsRaised)
		return scored, nil
	}
	file, name, err := c.ruleFile()
	if err != nil {
		return nil, err
	}
	store, err := c.store()
	if err != nil {
		return nil, err
	}
	p := store.(*score.Prometheus) // settleAlarms lets no other through
	show := c.progress(out)
	r := alarm.Replay{Rules: file, Store: &alarm.Remote{URL: p.URL, Client: p.Client}, From: truth.From, To: truth.To.Add(score.LateBy),
		Only: score.Judged(c.limits), Progress: func(done, total int) { show(done, total, "alarms") }}
	found, err := r.Run(ctx)
	if err != nil {
		return nil, err
	}
	scored := score.ScoreAlarms(truth, alarmsOf(found))
	scored.How, scored.Rules = string(alarmsReplayed), name
	if c.Prometheus == "" {
		scored.Uncomputed = c.uncomputed(ctx)
	}
	return scored, nil
}

// uncomputed is how many hours the city has still to compute VN_AQI of, which it does
// every five minutes; 0 where it does not say.
func (c *Verify) uncomputed(ctx context.Context) int {
	var text []byte
	if c.Call(ctx, http.MethodGet, "/metrics", nil, &text) != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "haidang_figures_notes "); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(n), 64) // what is no number is not said
			return int(v)
		}
	}
	return 0
}

// ruleFile gives the rules that are replayed, and says whose they are.
func (c *Verify) ruleFile() (file func(context.Context, time.Time) ([]byte, error), name string, err error) {
	switch c.Rules {
	case "city":
		return alarms.CityRules(c.ClientFlags), terminal.Redact(c.URL), nil
	case "table":
		cadences := cadencesOf(c.fleet)
		return func(_ context.Context, at time.Time) ([]byte, error) {
			return rules.Prometheus(rules.All(rules.Options{At: at, Areas: rules.AreasOf(seedUses()), Cadences: cadences}), "vi")
		}, "table", nil
	}
	file, _, err = alarms.FileRules(c.Rules)
	return file, c.Rules, err
}

// cadencesOf is how often the devices of a fleet report.
func cadencesOf(f *simulator.Fleet) []rules.Cadence {
	all := make([]rules.Cadence, 0, len(f.Devices()))
	for i := range f.Devices() {
		d := &f.Devices()[i]
		all = append(all, rules.Cadence{Site: d.Site(), Device: d.ID, Kind: d.Kind.Kind, Every: d.Every})
	}
	return all
}

// uses says of which use a simulated device's site is and which limits hold: as the
// city has it whose rules are scored, else as the named place has it at which the
// device stands, and the table.
func (c *Verify) uses(ctx context.Context) (func(*simulator.Device) []limits.Area, []limits.Limit, error) {
	if c.Alarms == "" || c.Rules == "table" || c.Prometheus != "" && c.URL == terminal.DefaultURL {
		places := rules.AreasOf(seedUses())
		return func(d *simulator.Device) []limits.Area { return usesOf(places, d.Place().Site) }, limits.All(), nil
	}
	asked, err := boards.RulesOf(ctx, terminal.CityFlags{ClientFlags: c.ClientFlags})
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the uses and limits of sites: %w", err)
	}
	return func(d *simulator.Device) []limits.Area { return usesOf(asked.Areas, d.Site()) }, asked.Limits, nil
}

func usesOf(areas map[limits.Area][]telemetry.Site, site telemetry.Site) (out []limits.Area) {
	for area, sites := range areas {
		if slices.Contains(sites, site) {
			out = append(out, area)
		}
	}
	return out
}

// seedUses are the uses of the named places.
func seedUses() map[telemetry.Site][]string {
	uses := map[telemetry.Site][]string{}
	for _, s := range seed.Sites() {
		uses[s.ID] = s.Uses()
	}
	return uses
}

// alarmsOf are alarms as they are scored.
func alarmsOf(all []ingest.Alarm) []score.Alarm {
	out := make([]score.Alarm, 0, len(all))
	for _, a := range all {
		out = append(out, score.Alarm{Limit: a.Rule, Locality: a.Locality, Site: a.Site, Raised: a.Raised, Cleared: a.Cleared})
	}
	return out
}

// raised reads the city's alarms of the crossings' period.
func (c *Verify) raised(ctx context.Context, truth *score.Crossings) ([]score.Alarm, error) {
	q := url.Values{"state": {"all"}, "limit": {"1000"}, "from": {truth.From.Format(time.RFC3339)}, "to": {truth.To.Add(score.LateBy).Format(time.RFC3339)}}
	var all []score.Alarm
	for {
		var page api.AlarmPage
		if err := c.Call(ctx, http.MethodGet, "/api/v1/alarms?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		if page.Evaluated != "here" {
			return nil, errors.New("--alarms: this city's alarms are evaluated by Grafana, and it keeps none itself")
		}
		all = append(all, alarmsOf(page.Alarms)...)
		if page.Next == 0 {
			return all, nil
		}
		q.Set("before", strconv.FormatInt(page.Next, 10))
	}
}
