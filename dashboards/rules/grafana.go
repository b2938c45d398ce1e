package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
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

// Groups makes the rules' groups.
func (g Grafana) Groups(all []Rule) []GrafanaGroup {
	var out []GrafanaGroup
	for _, group := range groups(all) {
		made := GrafanaGroup{OrgID: 1, Name: group.name, Folder: g.Folder, Interval: promDuration(group.every)}
		for _, r := range group.rules {
			made.Rules = append(made.Rules, g.of(r)...)
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
	return grafanaFile{APIVersion: 1, Groups: g.Groups(all)}
}

// of makes a rule's rules: in PromQL one, unless its question would be too long; in
// InfluxQL, which cannot join what is asked differently, one for each cadence. Its own
// kind's has the rule's name, the others say theirs.
func (g Grafana) of(r Rule) (out []GrafanaRule) {
	if g.Language == dashboards.InfluxQL {
		for _, o := range r.Compared.cohorts() {
			suffix, title := "", r.Name.In(g.Lang)
			if !o.rest {
				suffix, title = "-"+promDuration(o.every), fmt.Sprintf("%s (%s)", title, windowText(o.every).In(g.Lang))
			}
			q := r.influxQL(o)
			out = append(out, g.rule(r, suffix, title, q.query, q))
		}
		return out
	}
	for i, part := range r.parts() {
		suffix, title := "", r.Name.In(g.Lang)
		if i > 0 {
			suffix, title = fmt.Sprintf("-%d", i+1), fmt.Sprintf("%s (%d)", title, i+1)
		}
		out = append(out, g.rule(r, suffix, title, part.Compared.promql(r.Below, ""), question{reach: max(r.Compared.Window, 10*time.Minute)}))
	}
	return out
}

// rule makes a rule of three steps: A asks, B takes the newest, C compares. The
// hours of a limit are part of the question in PromQL. InfluxQL knows no hours:
// there D asks what time of day it is, E takes the newest, and C compares that too.
func (g Grafana) rule(r Rule, suffix, title, asked string, q question) GrafanaRule {
	_, op := r.sign()
	condition := fmt.Sprintf("$B %s %s", op, number(r.Value))
	var clock []GrafanaQuery
	if q.some {
		clock = []GrafanaQuery{g.ask("D", int(clockFresh/time.Second), influxClock()), expression("E", "reduce", "D", newest())}
		between := "||"
		if q.from < q.to {
			between = "&&"
		}
		condition += fmt.Sprintf(" && ($E >= %s %s $E < %s)", number(q.from), between, number(q.to))
	}
	window := int(q.reach / time.Second)
	if g.Language == dashboards.InfluxQL && !r.Compared.Computed {
		window-- // Grafana takes in both ends, and a window has one
	}
	data := append([]GrafanaQuery{g.ask("A", window, asked), expression("B", "reduce", "A", newest())}, clock...)
	return GrafanaRule{
		UID: g.uid(r, suffix), Title: title, Condition: "C",
		NoDataState: "OK", ExecErrState: "Error", For: grafanaFor(r.For), Annotations: r.annotations(g.Lang, r.grafanaValue()), Labels: r.labels(),
		Data: append(data, expression("C", "math", condition, nil)),
	}
}

// uid is stable, and the same in each language: rules in two of them would ring
// twice. Grafana allows 40 letters, digits, - and _; ids of sites may be longer and
// have other signs, and then the end tells one rule from another.
func (g Grafana) uid(r Rule, suffix string) string {
	const most = 40
	id := "hd-" + r.ID + suffix
	clean := strings.Map(func(c rune) rune {
		if strings.ContainsRune(".:@", c) {
			return '_'
		}
		return c
	}, id)
	if clean == id && len(id) <= most {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	end := "-" + hex.EncodeToString(sum[:4])
	return clean[:min(len(clean), most-len(end))] + end
}

// ask is a step that asks the data source; window is how far back, in seconds.
func (g Grafana) ask(ref string, window int, question string) GrafanaQuery {
	model := map[string]any{"refId": ref, "expr": question, "instant": true, "range": false, "editorMode": "code",
		"datasource": map[string]any{"type": "prometheus", "uid": g.DataSource}, "intervalMs": 60000, "maxDataPoints": 1000}
	if g.Language == dashboards.InfluxQL {
		model = map[string]any{"refId": ref, "query": question, "rawQuery": true, "resultFormat": "time_series",
			"datasource": map[string]any{"type": "influxdb", "uid": g.DataSource}, "intervalMs": 60000, "maxDataPoints": 1000}
	}
	return GrafanaQuery{RefID: ref, TimeRange: grafanaRange{From: window}, DataSourceUID: g.DataSource, Model: model}
}

// newest is how a series becomes a number.
func newest() map[string]any { return map[string]any{"reducer": "last"} }

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
