package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// both is a text in Vietnamese and in English.
func both(vi, en string) dashboards.Text { return dashboards.Text{VI: vi, EN: en} }

// Rule is one alert rule.
type Rule struct {
	// ID is the limit's, and stable. Platform rules have ids of their own.
	ID       string
	Compared Compared
	// Value is what it is compared with: crossed by more or, where Below is set, by
	// less, and by Value itself unless Strict is set.
	Value         float64
	Below, Strict bool
	// Unit of Value; empty is a number.
	Unit     string
	Severity limits.Severity
	// For is how long it must be crossed before it fires, Keep how long it fires
	// on after it is crossed no more, so that a level that swings about a limit
	// does not ring again and again.
	For, Keep time.Duration
	// Every is how often it is evaluated.
	Every time.Duration
	Name  dashboards.Text
	// Hint is what to do first.
	Hint      dashboards.Text
	Basis     limits.Basis
	Reference dashboards.Text
}

// Compared is what of the readings is compared.
type Compared struct {
	Kind   telemetry.Kind
	Metric telemetry.Metric
	// Of divides it, if set: a share.
	Of telemetry.Metric
	// Sites are those that are looked at; none is all.
	Sites []telemetry.Site
	// Device is the only one that is looked at there; empty is all.
	Device    telemetry.Device
	Statistic limits.Statistic
	Window    time.Duration
	// Cadence is how often a reading is expected; Cadences are the devices of which it
	// is expected at another pace.
	Cadence  time.Duration
	Cadences []Cadence
	// From and To are the local hours within which the whole window must lie;
	// equal is all day.
	From, To int
	// Computed readings are Hải Đăng's own: they bring no quality, and each device
	// (a gateway) is looked at for itself, not each site.
	Computed bool

	// excluded are the devices of Cadences, of all parts of a rule that had to be
	// split; listed says that this part is only about those of Cadences.
	excluded []telemetry.Device
	listed   bool
}

// Options say what rules are made from.
type Options struct {
	// At is the moment whose limits are taken.
	At time.Time
	// Limits is the table that the limits in force are taken from; nil is
	// [limits.All].
	Limits []limits.Limit
	// Cadences are the devices that do not report as often as their kind usually
	// does.
	Cadences []Cadence
	// Areas are the sites of each use.
	Areas map[limits.Area][]telemetry.Site
	// Catalogue gives units and cadences; nil makes one.
	Catalogue *telemetry.Catalogue
}

// All makes the rules, in the order in which people look for them.
func All(o Options) []Rule {
	if o.Catalogue == nil {
		o.Catalogue = telemetry.NewCatalogue()
	}
	if o.Limits == nil {
		o.Limits = limits.All()
	}
	out := index()
	for _, l := range limits.InForce(o.Limits, o.At) {
		if r, ok := fromLimit(l, o); ok {
			out = append(out, r)
		}
	}
	out = append(out, silence()...)
	return append(out, platform()...)
}

// fromLimit is a limit's rule; false if it holds for no site.
func fromLimit(l limits.Limit, o Options) (Rule, bool) {
	sites := l.Sites
	if l.Area != "" {
		if sites = o.Areas[l.Area]; len(sites) == 0 {
			return Rule{}, false
		}
		sites = slices.Sorted(slices.Values(sites))
	}
	r := Rule{
		ID: l.ID, Value: l.Value, Below: l.Below, Strict: l.Strict, Severity: l.Severity,
		Compared: Compared{Kind: l.Kind, Metric: l.Metric, Sites: sites, Device: l.Device, Statistic: l.Statistic, Window: l.Window, From: l.From, To: l.To},
		For:      10 * time.Minute, Keep: 15 * time.Minute, Every: time.Minute,
		Name: both(l.NameVI, l.NameEN), Hint: hint(l.Kind), Basis: l.Basis, Reference: both(l.Reference, l.ReferenceEN),
	}
	if kind := o.Catalogue.Kind(l.Kind); kind != nil {
		r.Compared.Cadence = kind.Cadence
		if m := kind.Metric([]byte(l.Metric)); m != nil {
			r.Unit = m.Unit
		}
	}
	r.Compared = r.Compared.with(o.Cadences)
	if l.Statistic == limits.Rise {
		r.Unit += "/h"
	}
	switch {
	case l.Statistic == limits.Last, l.Statistic == limits.Rise:
		// One wild reading is no flood: the next must say so too.
	case l.Statistic == limits.Sum:
		r.For = 0 // what has fallen has fallen
	default:
		r.For = 5 * time.Minute
	}
	if l.Window >= 8*time.Hour {
		r.Every = 5 * time.Minute // it moves slowly, and is most of what rules cost
	}
	return r, true
}

// hint is what to do first about a kind's alarms.
func hint(k telemetry.Kind) dashboards.Text {
	switch k {
	case telemetry.WaterLevel:
		return both("Đối chiếu với trạm thượng nguồn và bản tin lũ; báo Ban chỉ huy phòng thủ dân sự địa phương.",
			"Compare with the station upstream and the flood bulletin; tell the local civil defence command.")
	case telemetry.AirQuality, telemetry.AirQualityIndex:
		return both("Xem chất ô nhiễm chính và hướng gió; nếu chỉ một trạm, kiểm tra thiết bị trước.",
			"Look at the dominant pollutant and the wind; if it is one station alone, check the instrument first.")
	case telemetry.Weather:
		return both("Đối chiếu với trạm lân cận và bản tin của đài khí tượng thủy văn.",
			"Compare with neighbouring stations and the weather service's bulletin.")
	case telemetry.Noise:
		return both("Xem biểu đồ theo giờ; nếu kéo dài, cử tổ kiểm tra.", "Look at the hours before; if it lasts, send an inspection.")
	case telemetry.WaterQuality:
		return both("Đối chiếu với điểm đo lân cận; vùng nuôi: báo người nuôi tăng sục khí.",
			"Compare with neighbouring sites; on farms: tell the farmers to aerate.")
	}
	return dashboards.Text{}
}

// Areas are the uses that limits tell apart, and the tags that say them.
func Areas() []limits.Area {
	return []limits.Area{limits.AreaSpecial, limits.AreaOrdinary, limits.AreaRiver, limits.AreaBathing, limits.AreaAquaculture}
}

// AreasOf sorts sites by use, from their tags.
func AreasOf(tags map[telemetry.Site][]string) map[limits.Area][]telemetry.Site {
	out := map[limits.Area][]telemetry.Site{}
	for _, site := range slices.Sorted(maps.Keys(tags)) {
		for _, tag := range tags[site] {
			if a := limits.Area(tag); slices.Contains(Areas(), a) {
				out[a] = append(out[a], site)
			}
		}
	}
	return out
}

// basis says what a limit rests on. What no regulation confirms is never shown as
// law.
func (r Rule) basis() (id string, text dashboards.Text) {
	switch r.Basis {
	case limits.Law:
		return "law", both("Quy định: "+r.Reference.VI, "Regulation: "+r.Reference.EN)
	case limits.Secondary:
		return "secondary", both("Theo nguồn thứ cấp: "+r.Reference.VI, "From a secondary source: "+r.Reference.EN)
	}
	return "operational", both("Ngưỡng vận hành: "+strings.TrimPrefix(r.Reference.VI, "Ngưỡng vận hành; "), "Operational threshold, not law: "+r.Reference.EN)
}

// sign is how the value is compared, as people read it and in PromQL.
func (r Rule) sign() (text, operator string) {
	text = limits.Limit{Below: r.Below, Strict: r.Strict}.Sign()
	return text, strings.NewReplacer("≥", ">=", "≤", "<=").Replace(text)
}

// threshold is the limit as people read it: "≥ 8 m".
func (r Rule) threshold(lang dashboards.Lang) string {
	sign, _ := r.sign()
	v, unit := r.shown()
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if lang == dashboards.Vietnamese {
		text = strings.Replace(text, ".", ",", 1)
	}
	return strings.TrimSpace(sign + " " + text + " " + unit)
}

// shown is the threshold with the unit in which it is told: shares are told in
// percent.
func (r Rule) shown() (float64, string) {
	if r.Compared.Of != "" {
		return r.Value * 100, "%"
	}
	return r.Value, r.Unit
}

// statistic is what is compared, as people read it.
func (r Rule) statistic() dashboards.Text {
	w := windowText(r.Compared.Window)
	switch r.Compared.Statistic {
	case limits.Mean:
		return both("trung bình "+w.VI, "mean of "+w.EN)
	case limits.Sum:
		return both("tổng "+w.VI, "sum of "+w.EN)
	case limits.Rise:
		return both("tốc độ tăng", "rate of rise")
	}
	return both("giá trị mới nhất", "newest value")
}

func windowText(d time.Duration) dashboards.Text {
	if d >= time.Hour {
		h := int(d / time.Hour)
		return both(fmt.Sprintf("%d giờ", h), fmt.Sprintf("%d h", h))
	}
	return both(fmt.Sprintf("%d phút", int(d/time.Minute)), fmt.Sprintf("%d min", int(d/time.Minute)))
}

// summary is a template that names the place, description one that tells all;
// value is the dialect's expression of the value with its unit.
func (r Rule) summary() dashboards.Text {
	if r.Compared.Kind == telemetry.Platform {
		return both(r.Name.VI+": {{ $labels.device }}", r.Name.EN+": {{ $labels.device }}")
	}
	return both(r.Name.VI+": {{ $labels.site }}", r.Name.EN+": {{ $labels.site }}")
}

func (r Rule) description(value dashboards.Text) dashboards.Text {
	_, basis := r.basis()
	s := r.statistic()
	where := both("Tại {{ $labels.site }} ({{ $labels.locality }})", "At {{ $labels.site }} ({{ $labels.locality }})")
	if r.Compared.Kind == telemetry.Platform {
		where = both("Tại {{ $labels.device }}", "At {{ $labels.device }}")
	}
	return both(
		fmt.Sprintf("%s: %s là %s (ngưỡng %s). %s.", where.VI, s.VI, value.VI, r.threshold(dashboards.Vietnamese), strings.TrimSuffix(basis.VI, ".")),
		fmt.Sprintf("%s: %s is %s (limit %s). %s.", where.EN, s.EN, value.EN, r.threshold(dashboards.English), strings.TrimSuffix(basis.EN, ".")),
	)
}

// annotations are what a notification says; value is how the dialect writes it.
func (r Rule) annotations(lang dashboards.Lang, value string) map[string]string {
	_, unit := r.shown()
	held := strings.Contains(value, "$value }}") && r.Compared.Of == ""                   // in PromQL: see [Rule.Alert]
	said := both(strings.Replace(value, " }}", ` | reReplaceAll "[.]" "," }}`, 1), value) // 9,5 in Vietnamese
	if unit != "" && r.Compared.Of == "" {                                                // a share brings its own %
		value += " " + unit
		said = both(said.VI+" "+unit, said.EN+" "+unit)
	}
	if held {
		unless := func(none, some string) string {
			return "{{ if gt $value 1e300 }}" + none + "{{ else }}" + some + "{{ end }}"
		}
		value, said = unless("–", value), both(unless("chưa có số đo mới", said.VI), unless("not measured anew", said.EN))
	}
	id, basis := r.basis()
	summary, description := r.summary(), r.description(said)
	out := map[string]string{
		"summary": summary.In(lang), "summary_vi": r.Name.VI, "summary_en": r.Name.EN,
		"description": description.In(lang), "description_vi": description.VI, "description_en": description.EN,
		"value": value, "unit": unit, "threshold": r.threshold(lang), "reference": basis.In(lang), "basis": id,
		"runbook_vi": r.Hint.VI, "runbook_en": r.Hint.EN,
	}
	if r.Compared.Of != "" {
		out["share"] = "true" // the value itself is one, of 1
	}
	maps.DeleteFunc(out, func(_, text string) bool { return text == "" })
	return out
}

// labels are those that a rule adds to the series'.
func (r Rule) labels() map[string]string {
	return map[string]string{"severity": r.Severity.String(), "limit": r.ID, "kind": string(r.Compared.Kind), "metric": string(r.Compared.Metric)}
}

// group is a name under which rules are evaluated together.
type group struct {
	name  string
	every time.Duration
	rules []Rule
}

// groups gathers rules by kind and by how often they are evaluated.
func groups(all []Rule) []group {
	var out []group
	for _, r := range all {
		name := string(r.Compared.Kind)
		if r.Every > time.Minute {
			name += "_" + strconv.Itoa(int(r.Every/time.Minute)) + "m"
		}
		i := slices.IndexFunc(out, func(g group) bool { return g.name == name })
		if i < 0 {
			i = len(out)
			out = append(out, group{name: name, every: r.Every})
		}
		out[i].rules = append(out[i].rules, r)
	}
	slices.SortStableFunc(out, func(a, b group) int { return cmp.Compare(a.name, b.name) })
	return out
}
