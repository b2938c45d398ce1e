package dashboards

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// lines are the limits as lines across a chart.
func lines(ls []limits.Limit) *thresholdsModel {
	out := &thresholdsModel{Mode: "absolute", Steps: []thresholdStep{{Color: clear}}}
	for _, l := range sorted(ls) {
		out.Steps = append(out.Steps, thresholdStep{&l.Value, severity(l.Severity)})
	}
	return out
}

// begins is the least value that Grafana, whose steps hold their beginning, colours as
// over a limit of too much: what equals a strict one is not over it.
func begins(l limits.Limit) float64 {
	if l.Strict {
		return l.Value + 1e-5 // finer than any instrument tells
	}
	return l.Value
}

// regions colour a value by the limits that it is over. Limits of too little colour
// what is below them.
func regions(ls []limits.Limit) *thresholdsModel {
	var above, below []limits.Limit
	for _, l := range sorted(ls) {
		if l.Below {
			below = append(below, l)
		} else {
			above = append(above, l)
		}
	}
	base := sea
	out := &thresholdsModel{Mode: "absolute"}
	if len(below) > 0 {
		out.Steps = append(out.Steps, thresholdStep{Color: severity(below[0].Severity)})
		for i, l := range below {
			next := base
			if i+1 < len(below) {
				next = severity(below[i+1].Severity)
			}
			out.Steps = append(out.Steps, thresholdStep{&l.Value, next})
		}
	} else {
		out.Steps = append(out.Steps, thresholdStep{Color: base})
	}
	worst := limits.Severity(0)
	for _, l := range above {
		// Of two limits of one severity, such as of night and day, the higher is to be
		// told from the lower.
		if worst = max(l.Severity, worst+1); worst > limits.Extreme {
			worst = limits.Extreme
		}
		from := begins(l)
		out.Steps = append(out.Steps, thresholdStep{&from, severity(worst)})
	}
	return out
}

func sorted(ls []limits.Limit) []limits.Limit {
	out := slices.Clone(ls)
	slices.SortStableFunc(out, func(a, b limits.Limit) int { return cmp.Compare(a.Value, b.Value) })
	return out
}

// explain says for each limit what it is, and what it rests on.
func explain(ls []limits.Limit, unit string, l Lang) string {
	var out []string
	for _, x := range ls {
		name := Text{x.NameVI, x.NameEN}
		value := strings.TrimSpace(fmt.Sprintf("%s %v %s", x.Sign(), x.Value, unit))
		if l == Vietnamese {
			value = strings.Replace(value, ".", ",", 1)
		}
		out = append(out, fmt.Sprintf("- %s: %s. %s", name.In(l), value, basis(x).In(l)))
	}
	return strings.Join(out, "\n")
}

// basis says what a limit rests on, and since when.
func basis(l limits.Limit) Text {
	var since Text
	if !l.Since.IsZero() {
		since = Text{", hiệu lực từ " + l.Since.In(vietnam()).Format("02/01/2006"), ", in force since " + l.Since.In(vietnam()).Format(time.DateOnly)}
	}
	t := Text{l.Reference + since.VI, l.ReferenceEN + since.EN}
	switch l.Basis {
	case limits.Law:
		return Text{"Theo " + t.VI, "By " + t.EN}
	case limits.Secondary:
		return Text{"Theo " + t.VI + " (nguồn thứ cấp)", "By " + t.EN + " (secondary source)"}
	default:
		return Text{"Ngưỡng vận hành (" + strings.TrimPrefix(t.VI, "Ngưỡng vận hành; ") + ")", "Operational threshold, not law (" + t.EN + ")"}
	}
}

// vietnam is Asia/Ho_Chi_Minh, without summer time since 1975.
func vietnam() *time.Location { return time.FixedZone("Asia/Ho_Chi_Minh", 7*60*60) }

// limitsOf are those of some limits that are about a query's metric.
func limitsOf(ls []limits.Limit, q Query) (out []limits.Limit) {
	for _, l := range ls {
		if l.Kind == q.Kind && l.Metric == q.Metric {
			out = append(out, l)
		}
	}
	return out
}
