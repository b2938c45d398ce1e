package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/haidang-iot/haidang/dashboards"
)

// Grafana says where and how Grafana-managed rules are made.
type Grafana struct {
	// Language is what the data source is asked in.
	Language dashboards.Language
	// DataSource is the uid of the data source that the rules ask.
	DataSource string
	// Folder is the title of the folder that holds them; it is made.
	Folder string
	// Lang is the language of titles, summaries and descriptions.
	Lang dashboards.Lang
}

type grafanaFile struct {
	APIVersion int            `json:"apiVersion" yaml:"apiVersion"`
	Groups     []GrafanaGroup `json:"groups" yaml:"groups"`
	MuteTimes  []muteTime     `json:"muteTimes,omitempty" yaml:"muteTimes,omitempty"`
}

// GrafanaGroup is a group of rules as Grafana's unified alerting has it, from 9.4
// to 13.
type GrafanaGroup struct {
	OrgID    int           `json:"orgId" yaml:"orgId"`
	Name     string        `json:"name" yaml:"name"`
	Folder   string        `json:"folder" yaml:"folder"`
	Interval string        `json:"interval" yaml:"interval"`
	Rules    []GrafanaRule `json:"rules" yaml:"rules"`
}

// GrafanaRule is one rule of it.
type GrafanaRule struct {
	UID          string            `json:"uid" yaml:"uid"`
	Title        string            `json:"title" yaml:"title"`
	Condition    string            `json:"condition" yaml:"condition"`
	Data         []GrafanaQuery    `json:"data" yaml:"data"`
	NoDataState  string            `json:"noDataState" yaml:"noDataState"`
	ExecErrState string            `json:"execErrState" yaml:"execErrState"`
	For          string            `json:"for" yaml:"for"`
	Annotations  map[string]string `json:"annotations" yaml:"annotations"`
	Labels       map[string]string `json:"labels" yaml:"labels"`
	IsPaused     bool              `json:"isPaused" yaml:"isPaused"`
}

// GrafanaQuery is a step of a rule: a query, or an expression over other steps.
type GrafanaQuery struct {
	RefID         string         `json:"refId" yaml:"refId"`
	TimeRange     grafanaRange   `json:"relativeTimeRange" yaml:"relativeTimeRange"`
	DataSourceUID string         `json:"datasourceUid" yaml:"datasourceUid"`
	Model         map[string]any `json:"model" yaml:"model"`
}

type grafanaRange struct {
	From int `json:"from" yaml:"from"`
	To   int `json:"to" yaml:"to"`
}

// muteTime is when notifications of a rule that does not hold all day are held
// back, where the query language knows no hours.
type muteTime struct {
	OrgID     int            `json:"orgId" yaml:"orgId"`
	Name      string         `json:"name" yaml:"name"`
	Intervals []muteInterval `json:"time_intervals" yaml:"time_intervals"`
}

type muteInterval struct {
	Times    []muteSpan `json:"times" yaml:"times"`
	Location string     `json:"location" yaml:"location"`
}

type muteSpan struct {
	Start string `json:"start_time" yaml:"start_time"`
	End   string `json:"end_time" yaml:"end_time"`
}

// Groups makes the rules' groups.
func (g Grafana) Groups(all []Rule) []GrafanaGroup {
	var out []GrafanaGroup
	for _, group := range groups(all) {
		made := GrafanaGroup{OrgID: 1, Name: group.name, Folder: g.Folder, Interval: promDuration(group.every)}
		for _, r := range group.rules {
			made.Rules = append(made.Rules, g.rule(r))
		}
		out = append(out, made)
	}
	return out
}

// YAML renders a file for Grafana's provisioning folder "alerting".
func (g Grafana) YAML(all []Rule) ([]byte, error) {
	text, err := yaml.Marshal(g.file(all))
	if err != nil {
		return nil, fmt.Errorf("write Grafana rules: %w", err)
	}
	return append([]byte(header), text...), nil
}

// JSON renders the same as JSON.
func (g Grafana) JSON(all []Rule) ([]byte, error) {
	text, err := json.MarshalIndent(g.file(all), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write Grafana rules: %w", err)
	}
	return append(text, '\n'), nil
}

func (g Grafana) file(all []Rule) grafanaFile {
	out := grafanaFile{APIVersion: 1, Groups: g.Groups(all)}
	if g.Language == dashboards.InfluxQL {
		out.MuteTimes = muteTimes(all)
	}
	return out
}

// rule makes a rule of three steps: A asks, B takes the newest, C compares. The
// hours are part of the question in PromQL; in InfluxQL the label hours says them,
// and a mute timing of that name is beside the rules.
func (g Grafana) rule(r Rule) GrafanaRule {
	labels := r.labels()
	if g.Language == dashboards.InfluxQL && r.Compared.hours() != "" {
		labels["hours"] = r.Compared.hours()
	}
	annotations := r.annotations(g.Lang, r.grafanaValue())
	op := ">="
	if r.Below {
		op = "<"
	}
	window := int(max(r.Compared.Window, 10*time.Minute) / time.Second)
	if g.Language == dashboards.InfluxQL {
		window = int(r.Compared.Window / time.Second)
	}
	return GrafanaRule{
		UID: g.uid(r), Title: r.Name.In(g.Lang), Condition: "C",
		NoDataState: "OK", ExecErrState: "Error", For: grafanaFor(r.For), Annotations: annotations, Labels: labels,
		Data: []GrafanaQuery{
			{RefID: "A", TimeRange: grafanaRange{From: window}, DataSourceUID: g.DataSource, Model: g.query(r)},
			expression("B", "reduce", "A", map[string]any{"reducer": "last"}),
			expression("C", "math", fmt.Sprintf("$B %s %s", op, number(r.Value)), nil),
		},
	}
}

// uid is stable, and the same in each language: rules in two of them would ring
// twice. Grafana allows 40 characters.
func (g Grafana) uid(r Rule) string {
	id := "hd-" + r.ID
	return id[:min(len(id), 40)]
}

func (g Grafana) query(r Rule) map[string]any {
	if g.Language == dashboards.InfluxQL {
		return map[string]any{"refId": "A", "query": r.InfluxQL(), "rawQuery": true, "resultFormat": "time_series",
			"datasource": map[string]any{"type": "influxdb", "uid": g.DataSource}, "intervalMs": 60000, "maxDataPoints": 1000}
	}
	return map[string]any{"refId": "A", "expr": r.Compared.promql(r.Below) + r.Compared.promHours(), "instant": true, "range": false, "editorMode": "code",
		"datasource": map[string]any{"type": "prometheus", "uid": g.DataSource}, "intervalMs": 60000, "maxDataPoints": 1000}
}

func expression(ref, kind, text string, more map[string]any) GrafanaQuery {
	model := map[string]any{"refId": ref, "type": kind, "expression": text, "datasource": map[string]any{"type": "__expr__", "uid": "__expr__"},
		"intervalMs": 60000, "maxDataPoints": 1000}
	maps.Copy(model, more)
	return GrafanaQuery{RefID: ref, DataSourceUID: "__expr__", Model: model}
}

// grafanaValue is the value in a template of Grafana.
func (r Rule) grafanaValue() string {
	if r.Compared.Of != "" {
		return "{{ humanizePercentage $values.B.Value }}"
	}
	return `{{ printf "%.2f" $values.B.Value }}`
}

func grafanaFor(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	return promDuration(d)
}

// muteTimes are the hours outside those of the rules' labels.
func muteTimes(all []Rule) []muteTime {
	var out []muteTime
	seen := map[string]bool{}
	for _, r := range all {
		c := r.Compared
		name := "outside-" + c.hours()
		if c.hours() == "" || seen[name] {
			continue
		}
		seen[name] = true
		// The window must have left the hours before, too.
		from, to := c.From+int(c.Window/time.Hour), c.To
		out = append(out, muteTime{OrgID: 1, Name: name, Intervals: []muteInterval{{Times: outside(from, to), Location: "Asia/Ho_Chi_Minh"}}})
	}
	slices.SortFunc(out, func(a, b muteTime) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// outside is the day without the hours from one to another.
func outside(from, to int) []muteSpan {
	clock := func(h int) string { return fmt.Sprintf("%02d:00", h) }
	if from > to {
		return []muteSpan{{clock(to), clock(from)}}
	}
	return []muteSpan{{"00:00", clock(from)}, {clock(to), "24:00"}}
}
