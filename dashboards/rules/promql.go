package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// PromQL is the rule's expression: it has a series for each site (each device of
// the platform) at which the limit is crossed, with the value.
func (r Rule) PromQL() string {
	op := ">="
	if r.Below {
		op = "<"
	}
	return fmt.Sprintf("%s %s %s%s", r.Compared.promql(r.Below), op, number(r.Value), r.Compared.promHours())
}

// promql is what is compared, by site.
func (c Compared) promql(below bool) string {
	worst := "max"
	if below {
		worst = "min"
	}
	by := "locality, site"
	if c.Computed {
		by = "locality, site, device"
	}
	return fmt.Sprintf("%s by (%s) (%s)", worst, by, c.promStatistic())
}

const perDevice = "on (locality, site, device)"

func (c Compared) promStatistic() string {
	window := promDuration(c.Window)
	if c.Computed {
		last := func(m telemetry.Metric) string { return fmt.Sprintf("last_over_time(%s[%s])", c.selector(m), window) }
		if c.Of != "" {
			return last(c.Metric) + " / " + perDevice + " " + last(c.Of)
		}
		return last(c.Metric)
	}
	step := c.step()
	switch c.Statistic {
	case limits.Mean:
		mean := fmt.Sprintf("avg_over_time(%s[%s:%s])", c.good(), window, promDuration(step))
		if telemetry.Energetic(c.Metric) {
			mean = fmt.Sprintf("10 * log10(avg_over_time((10 ^ (%s / 10))[%s:%s]))", c.good(), window, promDuration(step))
		}
		return fmt.Sprintf("%s and count_over_time(%s[%s:%s]) >= %d", mean, c.good(), window, promDuration(step), c.enough())
	case limits.Sum:
		return c.promSum(window)
	case limits.Rise:
		return fmt.Sprintf("%s - last_over_time(%s[10m:1m] offset %s)", c.good(), c.good(), window)
	}
	return fmt.Sprintf("last_over_time(%s[%s:%s])", c.good(), window, promDuration(step))
}

// good is the newest readings that no instrument has flagged: a value and its
// quality are of one moment, so they are looked back for alike.
func (c Compared) good() string {
	return fmt.Sprintf("(%s unless %s (%s > 0))", c.selector(c.Metric), perDevice, c.selector(telemetry.QualityCode))
}

// promSum adds amounts up. Where nothing was flagged within the window it is exact;
// else only what was not flagged is added, one reading a minute at most, so that it
// is never too much.
func (c Compared) promSum(window string) string {
	fresh := fmt.Sprintf("(%s and %s (time() - timestamp(%s) < 60))", c.good(), perDevice, c.selector(c.Metric))
	return fmt.Sprintf("(sum_over_time(%s[%s]) unless %s (max_over_time(%s[%s]) > 0)) or %s sum_over_time(%s[%s:1m])",
		c.selector(c.Metric), window, perDevice, c.selector(telemetry.QualityCode), window, perDevice, fresh, window)
}

// step is how finely a window is looked at: no coarser than the five minutes that
// PromQL looks back, so that no reading is passed over.
func (c Compared) step() time.Duration {
	if c.Window <= time.Hour {
		return time.Minute
	}
	return 5 * time.Minute
}

// enough is how many steps of a window must have a reading: half of those that
// are expected. A mean of a day is not told from its first hour.
func (c Compared) enough() int {
	steps := int(c.Window / c.step())
	if c.Cadence > c.step() {
		steps = int(c.Window / c.Cadence)
	}
	return max(1, steps/2)
}

// selector is a metric at the sites.
func (c Compared) selector(m telemetry.Metric) string {
	name := string(c.Kind) + "_" + string(m)
	var terms []string
	switch len(c.Sites) {
	case 0:
	case 1:
		terms = append(terms, fmt.Sprintf("site=%q", c.Sites[0]))
	default:
		sites := make([]string, len(c.Sites))
		for i, s := range c.Sites {
			sites[i] = strings.ReplaceAll(string(s), ".", "[.]") // nothing else in an id means something in a regular expression
		}
		terms = append(terms, fmt.Sprintf("site=~%q", strings.Join(sites, "|")))
	}
	if c.Device != "" {
		terms = append(terms, fmt.Sprintf("device=%q", c.Device))
	}
	if len(terms) == 0 {
		return name
	}
	return name + "{" + strings.Join(terms, ",") + "}"
}

// promHours holds a limit of the night back while the window reaches into the day.
func (c Compared) promHours() string {
	if c.From == c.To {
		return ""
	}
	within := func(shift time.Duration) string {
		hour := fmt.Sprintf("hour(vector(time() + %d))", int((7*time.Hour-shift)/time.Second)) // Asia/Ho_Chi_Minh has no summer time
		if c.From < c.To {
			return fmt.Sprintf("(%s >= %d and %s < %d)", hour, c.From, hour, c.To)
		}
		return fmt.Sprintf("(%s >= %d or %s < %d)", hour, c.From, hour, c.To)
	}
	return " and on () " + within(time.Second) + " and on () " + within(c.Window)
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

// Prometheus renders a rule file; lang is the language of "summary" and
// "description", both languages are beside them.
func Prometheus(all []Rule, lang dashboards.Lang) ([]byte, error) {
	var file promFile
	for _, g := range groups(all) {
		out := promGroup{Name: g.name, Interval: promDuration(g.every)}
		for _, r := range g.rules {
			rule := promRule{Alert: r.ID, Expr: r.PromQL(), Labels: r.labels(), Annotations: r.annotations(lang, r.promValue())}
			if r.For > 0 {
				rule.For = promDuration(r.For)
			}
			if r.Keep > 0 {
				rule.Keep = promDuration(r.Keep)
			}
			out.Rules = append(out.Rules, rule)
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
