package dashboards

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// promql is the query in PromQL. Its series carry the labels of its group.
func (d Dialect) promql(q Query) string {
	e := d.promAcross(q, q.Metric)
	if q.Per != "" {
		e += " / " + d.promAcross(q, q.Per)
	}
	switch {
	case q.Times == 0 || q.Times == 1:
		return e
	case q.Per != "":
		return fmt.Sprintf("%s * (%s)", number(q.Times), e)
	}
	return number(q.Times) + " * " + e
}

// promAcross brings the series of a group together.
func (d Dialect) promAcross(q Query, m telemetry.Metric) string {
	inner := d.promOver(q, m)
	if q.AtLeast != nil {
		inner = fmt.Sprintf("%s >= %s", inParentheses(inner), number(*q.AtLeast))
	}
	if q.AtMost != nil {
		inner = fmt.Sprintf("%s <= %s", inParentheses(inner), number(*q.AtMost))
	}
	f := [...]string{Average: "avg", Total: "sum", Largest: "max", Smallest: "min", Median: "quantile", Number: "count"}[q.Across]
	if labels := q.By.labels(); len(labels) > 0 {
		f += fmt.Sprintf(" by (%s) ", strings.Join(labels, ", "))
	}
	switch {
	case d.energeticAcross(q):
		if q.AtLeast != nil || q.AtMost != nil {
			inner = "(" + inner + ")"
		}
		return promLevel(fmt.Sprintf("%s(%s)", f, promEnergy(inner)))
	case q.Across == Median:
		inner = "0.5, " + inner
	}
	return fmt.Sprintf("%s(%s)", f, inner)
}

// promEnergy is what of levels is averaged, and promLevel the level of such a mean;
// see [telemetry.Linear].
func promEnergy(level string) string { return fmt.Sprintf("10 ^ (%s / 10)", inParentheses(level)) }
func promLevel(energy string) string { return fmt.Sprintf("10 * log10(%s)", energy) }

// promAgain brings values of pieces of a window, each computed at the piece's end, to
// that of the window.
func promAgain(s Stat, energetic bool, e, window string, piece time.Duration, offset string) string {
	if energetic {
		return promLevel(fmt.Sprintf("avg_over_time((%s)[%s:%s]%s)", promEnergy(e), window, short(piece), offset))
	}
	return fmt.Sprintf("%s_over_time(%s[%s:%s]%s)", promHourly(s), e, window, short(piece), offset)
}

// inParentheses puts what ends in an operator between parentheses.
func inParentheses(e string) string {
	if strings.Contains(e, " unless ") || strings.Contains(e, " - ") || strings.Contains(e, " or ") {
		return "(" + e + ")"
	}
	return e
}

// promOver brings the readings of each device over time together.
func (d Dialect) promOver(q Query, m telemetry.Metric) string {
	k, _ := q.spec(d.Catalogue)
	spec := k.Metric([]byte(m))
	stat := q.stat(spec)
	window, offset := "$__interval", ""
	if q.Window > 0 {
		window = short(q.Window)
	}
	if q.Shape == Buckets {
		offset = " offset -" + window
	}
	matchers := d.promMatchers(q)
	name := string(q.Kind) + "_" + string(m)
	if kept, again := d.hourly(q, m); kept != "" {
		if q.Shape == Now {
			return fmt.Sprintf("last_over_time(%s_%s%s[%s])", telemetry.HourlyKind(q.Kind), spec.HourlyName(kept), matchers, short(q.lookback()))
		}
		// Of an hour's revisions the last counts.
		e := fmt.Sprintf("last_over_time(%s_%s%s[1h])", telemetry.HourlyKind(q.Kind), spec.HourlyName(kept), matchers)
		return promAgain(again, d.energetic(q, m), e, window, time.Hour, offset)
	}
	quality := ""
	if judged(k) {
		quality = string(q.Kind) + "_" + string(telemetry.QualityCode) + matchers
	}
	switch stat {
	case Rise:
		return PromRise(name+matchers, quality, offset)
	case Age:
		return fmt.Sprintf("time() - max_over_time((timestamp(%s%s) unless on (locality, site, device) last_over_time(%s[5m]) > 0)[%s:5m])", name, matchers, quality, window)
	}
	over := func(window, offset string) string {
		e := fmt.Sprintf("%s(%s%s[%s]%s)", promFunction(stat), name, matchers, window, offset)
		if d.energetic(q, m) {
			// No function of PromQL maps each reading of a window: of each cadence the last
			// reading counts.
			each := fmt.Sprintf("last_over_time(%s%s[%s])", name, matchers, short(k.Cadence))
			e = promAgain(stat, true, each, window, k.Cadence, offset)
		}
		if !judged(k) || stat == Increase {
			return e
		}
		worst := "max_over_time"
		if stat == Last {
			worst = "last_over_time" // what it says now counts, not what it said
		}
		return fmt.Sprintf("%s unless on (locality, site, device) %s(%s_quality%s[%s]%s) > 0", e, worst, q.Kind, matchers, window, offset)
	}
	if q.Shape == Now && q.Reach > q.Window {
		older := fmt.Sprintf("last_over_time(%s[%s:%s])", PromGood(name+matchers, quality), short(q.Reach), short(promSlot))
		if stat == Sum {
			older = "(" + over(window, " offset "+window) + ")"
		}
		return over(window, offset) + " or " + older
	}
	if q.Window <= time.Hour || stat == Last || stat == Increase || !judged(k) {
		return over(window, offset)
	}
	slot := q.slot(d.Catalogue)
	return promAgain(stat, d.energetic(q, m), "("+over(short(slot), "")+")", window, slot, offset)
}

// promHourly is how aggregates of pieces are brought together to the same of the
// whole.
func promHourly(s Stat) string {
	return map[Stat]string{Mean: "avg", Min: "min", Max: "max", Sum: "sum"}[s]
}

func promFunction(s Stat) string {
	return map[Stat]string{Mean: "avg_over_time", Min: "min_over_time", Max: "max_over_time", Last: "last_over_time",
		Sum: "sum_over_time", Increase: "increase"}[s]
}

// promMatchers is the selector's part between braces.
func (d Dialect) promMatchers(q Query) string {
	var m []string
	for _, v := range q.Variables {
		if v.Filter != "" {
			m = append(m, fmt.Sprintf(`%s=~"%s"`, v.Filter, v.reference()))
		}
	}
	if len(q.Sites) > 0 {
		m = append(m, "site=~"+strconv.Quote(alternatives(q.Sites, regexp.QuoteMeta)))
	}
	if len(q.Except) > 0 {
		m = append(m, "site!~"+strconv.Quote(alternatives(q.Except, regexp.QuoteMeta)))
	}
	if len(m) == 0 {
		return ""
	}
	return "{" + strings.Join(m, ",") + "}"
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
