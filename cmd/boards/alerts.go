package boards

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/haidang-iot/haidang/dashboards"
	"github.com/haidang-iot/haidang/dashboards/grafana"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// wantsRules reports whether Grafana is to evaluate alert rules. A store that
// speaks PromQL is asked by haidang up itself.
func (f sourceOfBoards) wantsRules() bool {
	return f.Rules == "yes" || f.Rules == "auto" && f.Query == "influxql"
}

// knowsSites reports whether somebody has said which sites there are.
func (f sourceOfBoards) knowsSites() bool { return f.City != "" || f.SitesFile != "" }

// warn says what somebody may not have meant.
func (f sourceOfBoards) warn(w io.Writer, b grafana.Bundle) {
	if !f.knowsSites() {
		fmt.Fprintln(w, "Without --url or --sites-file boards show the ids of sites, not their names, and know no wards and no uses of sites (noise, water).")
	}
	if f.wantsRules() && f.Query == "promql" {
		fmt.Fprintln(w, "With --rules yes Grafana evaluates what haidang up evaluates as well, unless the store is one that it does not write to: then each alarm rings twice.")
	}
	if b.Alerts.Incomplete != "" {
		fmt.Fprintln(w, "Alert rules of areas (noise at night, rivers, bathing, aquaculture) are neither made nor removed: "+b.Alerts.Incomplete+".")
	}
}

// alerts are the alert rules of this day and these sites. They are one set in a
// folder of their own, with the same uids in each language, so that pushing
// another language changes titles and rings no second time.
func (f sourceOfBoards) alerts(p dashboards.Province) (grafana.Alerts, error) {
	lang := dashboards.Lang(f.Lang[0])
	title := map[dashboards.Lang]string{dashboards.Vietnamese: " – cảnh báo", dashboards.English: " – alerts"}[lang]
	a := grafana.Alerts{Folder: grafana.Folder{UID: "haidang-alerts", Title: f.Folder + title}}
	maker := rules.Grafana{Language: dashboards.Language(f.Query), DataSource: f.DataSource, Folder: a.Folder.Title, Lang: lang}
	if !f.wantsRules() {
		if f.Rules == "no" {
			a.Former = former(maker, p, nil)
		}
		return a, nil
	}
	groups := maker.Groups(rules.All(ruleOptions(p)))
	for _, g := range groups {
		every, err := model.ParseDuration(g.Interval)
		if err != nil {
			return a, fmt.Errorf("read interval of %s: %w", g.Name, err)
		}
		made := grafana.RuleGroup{Name: g.Name, Every: time.Duration(every)}
		for _, r := range g.Rules {
			text, err := json.Marshal(r)
			if err != nil {
				return a, fmt.Errorf("write alert rule %s: %w", r.UID, err)
			}
			rule, err := grafana.NewRule(text)
			if err != nil {
				return a, err
			}
			made.Rules = append(made.Rules, rule)
		}
		a.Groups = append(a.Groups, made)
	}
	if !f.knowsSites() {
		a.Incomplete = "without --url or --sites-file it is not known which sites those are"
		return a, nil
	}
	a.Former = former(maker, p, groups)
	return a, nil
}

// former are the uids of the rules of any day, with sites of each area and limits
// of a new city and of this one, taken away or not, that are not among these.
func former(maker rules.Grafana, p dashboards.Province, now []rules.GrafanaGroup) []string {
	made := map[string]bool{}
	for _, g := range now {
		for _, r := range g.Rules {
			made[r.UID] = true
		}
	}
	areas := map[limits.Area][]telemetry.Site{}
	for _, a := range rules.Areas() {
		areas[a] = []telemetry.Site{"any"}
	}
	var out []string
	ever := limits.Table(slices.Concat(limits.Seed(), p.Own, p.GoneLimits))
	for _, day := range limitDays(ever) {
		for _, g := range maker.Groups(rules.All(rules.Options{At: day, Limits: ever, Areas: areas})) {
			for _, r := range g.Rules {
				if !made[r.UID] {
					made[r.UID] = true
					out = append(out, r.UID)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// limitDays are days on which each limit that ever was in force is in force.
func limitDays(ever []limits.Limit) []time.Time {
	var out []time.Time
	for _, l := range ever {
		if !slices.ContainsFunc(out, l.Since.Equal) {
			out = append(out, l.Since)
		}
	}
	return out
}
