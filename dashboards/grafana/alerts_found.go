package grafana

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// foundAlerts is what Grafana has of our alert rules.
type foundAlerts struct {
	// findings are of each rule that would be pushed, then of each that was pushed
	// and is no longer made.
	findings []Finding
	groups   map[groupKey]liveGroup
	// closed says why they could not be looked at, where none is to be pushed.
	closed string
}

type groupKey struct{ folderUID, name string }

// liveGroup is a group of rules as Grafana has it.
type liveGroup struct {
	every time.Duration
	rules []object
}

// liveRule is where a rule is in Grafana, if it is there.
type liveRule struct {
	model object
	key   groupKey
	// group is the name of the group that it is pushed to.
	group      string
	provenance string
}

// The provenance of rules: from a file, or from this interface, which 9.4 gives to
// all that come in groups: its editor then only shows them.
const (
	fromFile = "file"
	fromAPI  = "api"
)

const alertRules = "/api/v1/provisioning/alert-rules"

func groupPath(k groupKey) string {
	return "/api/v1/provisioning/folder/" + url.PathEscape(k.folderUID) + "/rule-groups/" + url.PathEscape(k.name)
}

func keyOf(rule object) groupKey {
	folder, _ := rule["folderUID"].(string)
	group, _ := rule["ruleGroup"].(string)
	return groupKey{folder, group}
}

func uidOf(rule object) string { uid, _ := rule["uid"].(string); return uid }

// lookAtAlerts finds the bundle's rules, wherever somebody may have moved them, and
// in their folder those of an earlier push.
func (p *Publisher) lookAtAlerts(ctx context.Context, a Alerts) (foundAlerts, error) {
	found := foundAlerts{groups: map[groupKey]liveGroup{}}
	if a.Folder.UID == "" {
		return found, nil
	}
	var all []object
	err := p.Server.ask(ctx, http.MethodGet, alertRules, nil, &all)
	switch {
	case len(a.Groups) == 0 && refusedWith(err, http.StatusForbidden):
		found.closed = "this token may not look at them; none is to be pushed"
		return found, nil
	case len(a.Groups) == 0 && refusedWith(err, http.StatusNotFound):
		found.closed = "alerting is off in this Grafana; none is to be pushed"
		return found, nil
	case err != nil:
		return found, err
	}
	made := map[string]bool{}
	for _, g := range a.Groups {
		for _, r := range g.Rules {
			made[r.UID] = true
		}
	}
	live := map[string]object{}
	for _, r := range all {
		_, ours := readRuleStamp(r)
		if ours = ours && keyOf(r).folderUID == a.Folder.UID; !ours && !made[uidOf(r)] {
			continue
		}
		live[uidOf(r)] = r
		if err := p.loadGroup(ctx, found.groups, keyOf(r)); err != nil {
			return found, err
		}
	}
	for _, g := range a.Groups {
		for _, r := range g.Rules {
			f, err := p.inspectRule(ctx, a, g, r, live[r.UID], found.groups)
			if err != nil {
				return found, fmt.Errorf("look at %s: %w", r.UID, err)
			}
			found.findings = append(found.findings, f)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(live)) {
		if !made[uid] {
			found.findings = append(found.findings, obsolete(a, live[uid], found.groups))
		}
	}
	return found, nil
}

// loadGroup asks for a group, unless it has been asked for: only there Grafana says
// how often it is evaluated.
func (p *Publisher) loadGroup(ctx context.Context, groups map[groupKey]liveGroup, key groupKey) error {
	if _, ok := groups[key]; ok {
		return nil
	}
	g, err := p.group(ctx, key)
	groups[key] = g
	return err
}

// group is a group as it is at this moment; empty if there is none.
func (p *Publisher) group(ctx context.Context, key groupKey) (liveGroup, error) {
	var answer struct {
		Interval float64  `json:"interval"` // seconds
		Rules    []object `json:"rules"`
	}
	err := p.Server.ask(ctx, http.MethodGet, groupPath(key), nil, &answer)
	if refusedWith(err, http.StatusNotFound) {
		return liveGroup{}, nil
	}
	return liveGroup{every: time.Duration(answer.Interval) * time.Second, rules: answer.Rules}, err
}

// inspectRule compares a rule with Grafana's, which is nil if there is none.
func (p *Publisher) inspectRule(ctx context.Context, a Alerts, g RuleGroup, r Rule, live object, groups map[groupKey]liveGroup) (Finding, error) {
	f := Finding{What: isRule, UID: r.UID, Title: r.Title, State: Missing, rule: liveRule{group: g.Name}}
	if live == nil {
		return f, nil
	}
	model, err := parse(r.Model)
	if err != nil {
		return f, fmt.Errorf("read model: %w", err)
	}
	f.rule.model, f.rule.key = live, keyOf(live)
	f.rule.provenance, _ = live["provenance"].(string)
	ours := placed(model, a.Folder.UID, g.Name, g.Every)
	f.live = placed(live, f.rule.key.folderUID, f.rule.key.name, groups[f.rule.key].every)
	stamp, stamped := readRuleStamp(live)
	f.State, f.Newer = standing(stamp, stamped, ruleFingerprint(ours), ruleFingerprint(f.live), r.Kept)
	if !stamped && f.rule.provenance == "" {
		// 9.4 tells it only of a single rule.
		var alone struct {
			Provenance string `json:"provenance"`
		}
		if err := p.Server.ask(ctx, http.MethodGet, alertRules+"/"+r.UID, nil, &alone); err != nil {
			return f, err
		}
		f.rule.provenance = alone.Provenance
	}
	if f.rule.provenance == fromFile {
		f.State = Provisioned
	}
	if f.State == Outdated {
		f.Changes = CompareRules(f.live, ours)
	} else {
		f.Changes = CompareRules(ours, f.live)
	}
	return f, nil
}

// obsolete is the finding of a rule that was pushed and is no longer made.
func obsolete(a Alerts, live object, groups map[groupKey]liveGroup) Finding {
	title, _ := live["title"].(string)
	f := Finding{What: isRule, UID: uidOf(live), Title: shown(title, 190), State: Obsolete, rule: liveRule{model: live, key: keyOf(live)}}
	f.rule.provenance, _ = live["provenance"].(string)
	f.live = placed(live, f.rule.key.folderUID, f.rule.key.name, groups[f.rule.key].every)
	stamp, _ := readRuleStamp(live)
	switch {
	case a.Incomplete != "":
		// It stays, whoever changed it.
	case stamp.Saved != ruleFingerprint(f.live):
		f.State = ByHand
		f.Changes = []Change{{What: "no longer made, and changed by hand since it was"}}
	case stamp.Kept:
		f.State = KeptElse
	}
	return f
}

// ruleFingerprint is the fingerprint of a placed rule.
func ruleFingerprint(placed object) string { return sumOf(plainRule(placed)) }
