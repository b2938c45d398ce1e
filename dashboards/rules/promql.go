package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// maxQuery is how long an expression may be in bytes: VictoriaMetrics takes 16 KiB.
const maxQuery = 15 << 10

// PromQL is what crosses the limit: a series for each site (each device of the
// platform) at which it is crossed, with the value.
func (r Rule) PromQL() string {
	_, op := r.sign()
	return fmt.Sprintf("%s %s %s", r.Compared.promql(r.Below, ""), op, number(r.Value))
}

// Questions are what crosses the limit, in parts that are short enough for every
// store.
func (r Rule) Questions() (out []string) {
	for _, part := range r.parts() {
		out = append(out, part.PromQL())
	}
	return out
}

// Alert is the rule's whole expression: what crosses the limit, and what has been
// firing for as long as no reading says otherwise.
//
//	crossed or ((max by (locality, site) (ALERTS{…}) * Inf) unless on (locality, site) observed)
//
// Absence clears nothing: observed is the same statistic, uncompared, of what has
// enough readings to be judged. What was measured before it fired ends nothing either:
// an older window counts only of what was firing when that window ended. A value that is only held is Inf, for the last one is
// not known there.
func (r Rule) Alert() string {
	alerts := fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing"}`, r.ID)
	by, observed := r.Compared.by(), r.Compared.promql(r.Below, alerts)
	held := fmt.Sprintf("(max by (%s) (%s) * Inf)", by, alerts)
	if k := r.Compared.Kind; k == telemetry.Platform || k == telemetry.SiteState {
		// Hải Đăng writes all of these: while it writes, what it does not write is gone.
		return fmt.Sprintf("%s or (%s unless on () last_over_time(%s_%s[5m]))", r.PromQL(), held, telemetry.Platform, telemetry.TimeOfDay)
	}
	held = fmt.Sprintf("(%s unless on (%s) %s)", held, by, observed)
	if r.Compared.From != r.Compared.To {
		held += " and on () " + r.Compared.within(0)
	}
	return r.PromQL() + " or " + held
}

// parts are the rule, or several of the same name where its expression would be too
// long.
func (r Rule) parts() []Rule {
	if len(r.Alert()) <= maxQuery {
		return []Rule{r}
	}
	one, other := r, r
	c := r.Compared
	switch sites, cadences := len(c.Sites), len(c.Cadences); {
	case sites > 1:
		one.Compared.Sites, other.Compared.Sites = c.Sites[:sites/2], c.Sites[sites/2:]
		one.Compared, other.Compared = one.Compared.with(c.Cadences), other.Compared.with(c.Cadences)
	case cadences > 1 || cadences == 1 && !c.listed:
		one.Compared.Cadences, one.Compared.listed = c.Cadences[:(cadences+1)/2], true
		other.Compared.Cadences = c.Cadences[(cadences+1)/2:]
	case len(c.excluded) > 0 && !c.listed:
		// Too many to name: slower devices than usual do not have enough readings to be
		// taken for one of these, faster ones have by far.
		r.Compared.excluded = nil
		return []Rule{r}
	default:
		return []Rule{r}
	}
	return append(one.parts(), other.parts()...)
}

// by is what a rule tells apart.
func (c Compared) by() string {
	if c.Computed {
		return "locality, site, device"
	}
	return "locality, site"
}

// promql is what is compared, by site: of several devices the worst. With the series
// of what is firing it is what can end that: what can be told not to cross the limit,
// and is no older.
func (c Compared) promql(below bool, firing string) string {
	worst := "max"
	if below {
		worst = "min"
	}
	var parts []string
	for _, o := range c.cohorts() {
		parts = append(parts, c.promStatistic(o, firing))
	}
	return fmt.Sprintf("%s by (%s) (%s)", worst, c.by(), strings.Join(parts, " or "))
}

const perDevice = "on (locality, site, device)"

// promStatistic is the statistic of a cohort's devices.
func (c Compared) promStatistic(o cohort, firing string) string {
	if c.Computed {
		last := func(m telemetry.Metric) string {
			return fmt.Sprintf("last_over_time(%s[%s])", c.selector(m, o), promDuration(c.Window))
		}
		if c.Of != "" {
			return last(c.Metric) + " / " + perDevice + " " + last(c.Of)
		}
		return last(c.Metric)
	}
	s := c.span(o.every)
	var looks []string
	for i := range s.windows {
		if i > 0 && o.every >= coarse {
			s.step = coarse // what is late may be seen later
		}
		ago := time.Duration(i) * s.window
		look := c.look(o, s, ago, firing != "")
		if i > 0 && firing != "" {
			look = fmt.Sprintf("%s and on (%s) %s offset %s", look, c.by(), firing, promDuration(ago))
		}
		looks = append(looks, look)
	}
	text := strings.Join(looks, " or ")
	if len(looks) > 1 {
		text = "(" + text + ")"
	}
	if c.From != c.To {
		text = "(" + text + " and on () " + c.within(time.Second) + " and on () " + c.within(c.reach(s, o.every)) + ")"
	}
	return text
}

// look is the statistic over one window that ended a while ago.
func (c Compared) look(o cohort, s span, ago time.Duration, judged bool) string {
	over := func(function, each string) string { return overTime(function, each, s.window, s.step, ago) }
	counted := fmt.Sprintf("%s >= %d", over("sum_over_time", c.good(o, "count_over_time", s.step)), s.enough)
	switch s.statistic {
	case limits.Mean:
		if telemetry.Energetic(c.Metric) {
			energy := over("avg_over_time", "(10 ^ ("+c.good(o, "avg_over_time", s.step)+" / 10))")
			return fmt.Sprintf("(10 * log10(%s) and %s)", energy, counted)
		}
		return fmt.Sprintf("%s / (%s)", over("sum_over_time", c.good(o, "sum_over_time", s.step)), counted)
	case limits.Sum:
		sum := over("sum_over_time", c.good(o, "sum_over_time", s.step))
		if s.share > 1 {
			sum += fmt.Sprintf(" / %d", s.share)
		}
		if judged { // part of an amount is over a limit as soon as it is, and under it never
			return fmt.Sprintf("(%s and %s)", sum, counted)
		}
		return sum
	case limits.Rise:
		return c.rise(o, s, ago)
	}
	return over("last_over_time", c.good(o, "last_over_time", s.step))
}

// rise is how fast, per hour, the newest reading of a window has risen since the
// newest one before the window: one wild reading tells for as long only as it is one
// of these two.
func (c Compared) rise(o cohort, s span, ago time.Duration) string {
	value := c.good(o, "last_over_time", s.step)
	at := "timestamp(" + value + ")"
	since := func(function, each string) string {
		return fmt.Sprintf("(%s - %s)", overTime(function, each, s.window, s.step, ago), overTime(function, each, s.before, s.step, ago+s.window))
	}
	return fmt.Sprintf("3600 * %s / %s", since("last_over_time", value), since("max_over_time", at))
}

// overTime is a function over the steps of a window that ended a while ago.
func overTime(function, each string, window, step, ago time.Duration) string {
	text := fmt.Sprintf("%s(%s[%s:%s]", function, each, promDuration(window), promDuration(step))
	if ago > 0 {
		text += " offset " + promDuration(ago)
	}
	return text + ")"
}

// good is a function of the readings of a step that no instrument has flagged: a
// value and its quality are of one moment. Steps are whole windows, so that each
// reading is in one, however far an engine looks back from a moment.
func (c Compared) good(o cohort, function string, step time.Duration) string {
	d := promDuration(step)
	return fmt.Sprintf("(%s(%s[%s]) unless %s (max_over_time(%s[%s]) > 0))", function, c.selector(c.Metric, o), d, perDevice, c.selector(telemetry.QualityCode, o), d)
}

// newest is when each site's newest good reading was measured, with the seconds of
// grace of its devices' cadence as a label; of sites of which none is recent there is
// nothing.
func (c Compared) newest() string {
	var parts []string
	for _, o := range c.cohorts() {
		value := c.selector(c.Metric, o)
		at := fmt.Sprintf("(timestamp(%s) > time() - 60)", value)
		if !c.Computed {
			at = fmt.Sprintf("(timestamp(%s) > time() - 60 unless %s (max_over_time(%s[1m]) > 0))", value, perDevice, c.selector(telemetry.QualityCode, o))
		}
		parts = append(parts, fmt.Sprintf(`label_replace(max_over_time(%s[%s:1m]), "grace", "%d", "", "")`, at, promDuration(max(6*time.Hour, 4*o.every)), int(grace(o.every)/time.Second)))
	}
	return fmt.Sprintf("max by (%s, grace) (%s)", c.by(), strings.Join(parts, " or "))
}

// selector is a metric of a cohort's devices at the sites.
func (c Compared) selector(m telemetry.Metric, o cohort) string {
	var matchers []string
	switch len(c.Sites) {
	case 0:
	case 1:
		matchers = append(matchers, fmt.Sprintf("site=%q", c.Sites[0]))
	default:
		matchers = append(matchers, fmt.Sprintf("site=~%q", alternatives(c.Sites)))
	}
	switch {
	case c.Device != "":
		matchers = append(matchers, fmt.Sprintf("device=%q", c.Device))
	case len(o.devices) == 0:
	case o.rest:
		matchers = append(matchers, fmt.Sprintf("device!~%q", alternatives(o.devices)))
	default:
		matchers = append(matchers, fmt.Sprintf("device=~%q", alternatives(o.devices)))
	}
	name := string(c.Kind) + "_" + string(m)
	if len(matchers) == 0 {
		return name
	}
	return name + "{" + strings.Join(matchers, ",") + "}"
}

// alternatives is a regular expression of ids, in which only a full stop means
// something there.
func alternatives[T ~string](ids []T) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = strings.ReplaceAll(string(id), ".", "[.]")
	}
	return strings.Join(out, "|")
}

// within holds while the moment a while ago is between the hours of the limit.
func (c Compared) within(ago time.Duration) string {
	hour := fmt.Sprintf("hour(vector(time() + %d))", int((7*time.Hour-ago)/time.Second)) // Asia/Ho_Chi_Minh has no summer time
	if c.From < c.To {
		return fmt.Sprintf("(%s >= %d and %s < %d)", hour, c.From, hour, c.To)
	}
	return fmt.Sprintf("(%s >= %d or %s < %d)", hour, c.From, hour, c.To)
}

func promDuration(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return strconv.Itoa(int(d/time.Second)) + "s"
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

type promFile struct {
	Groups []promGroup `yaml:"groups"`
}

type promGroup struct {
	Name     string     `yaml:"name"`
	Interval string     `yaml:"interval"`
	Rules    []promRule `yaml:"rules"`
}

type promRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Keep        string            `yaml:"keep_firing_for,omitempty"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// rarest is how often a rule is evaluated at least: what it holds it finds in ALERTS as
// of its evaluation before, and Prometheus sees no sample that is five minutes old.
const rarest = 4 * time.Minute

// Prometheus renders a rule file; lang is the language of "summary" and
// "description", both languages are beside them.
func Prometheus(all []Rule, lang dashboards.Lang) ([]byte, error) {
	var file promFile
	all = slices.Clone(all)
	for i := range all {
		all[i].Every = min(all[i].Every, rarest)
	}
	for _, g := range groups(all) {
		out := promGroup{Name: g.name, Interval: promDuration(g.every)}
		for _, r := range g.rules {
			for _, part := range r.parts() {
				rule := promRule{Alert: r.ID, Expr: part.Alert(), Labels: r.labels(), Annotations: r.annotations(lang, r.promValue())}
				if k := r.Compared.Kind; k != telemetry.Platform && k != telemetry.SiteState {
					rule.Annotations["newest"] = part.Compared.newest()
				}
				if r.For > 0 {
					rule.For = promDuration(r.For)
				}
				if r.Keep > 0 {
					rule.Keep = promDuration(r.Keep)
				}
				out.Rules = append(out.Rules, rule)
			}
		}
		file.Groups = append(file.Groups, out)
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("write Prometheus rules: %w", err)
	}
	return append([]byte(header), text...), nil
}

const header = "# Made by: haidang dashboards rules. Limits change by date and areas by the registry: make it anew, do not edit.\n"

// promValue is the value in a template of Prometheus.
func (r Rule) promValue() string {
	if r.Compared.Of != "" {
		return "{{ $value | humanizePercentage }}"
	}
	return `{{ printf "%.2f" $value }}`
}
