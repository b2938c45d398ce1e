package grafana

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// alertTasks make Grafana have the alert rules: what is no longer made goes first,
// for a title is taken once in a folder, then group by group. Rules are saved one
// by one: 9.4 takes a group as a whole only if it knows each rule in it, and what
// others keep in the group is left alone.
func (p *Publisher) alertTasks(a Alerts, found foundAlerts) []task {
	if found.closed != "" {
		return []task{func(context.Context) (Step, error) {
			return Step{What: "alert rules", Done: left, Why: found.closed}, nil
		}}
	}
	var gone, tasks []task
	of := map[string][]Finding{}
	pushed := false
	for _, f := range found.findings {
		if f.rule.group == "" {
			gone = append(gone, func(ctx context.Context) (Step, error) { return p.removeRule(ctx, a, f) })
			continue
		}
		of[f.rule.group] = append(of[f.rule.group], f)
		pushed = pushed || f.State != Provisioned
	}
	if pushed {
		tasks = append(tasks, func(ctx context.Context) (Step, error) { return p.pushFolder(ctx, a.Folder) })
	}
	tasks = append(tasks, gone...)
	for _, g := range a.Groups {
		tasks = append(tasks, func(ctx context.Context) (Step, error) { return p.pushGroup(ctx, a.Folder, g, of[g.Name]) })
	}
	return tasks
}

func (p *Publisher) removeRule(ctx context.Context, a Alerts, f Finding) (Step, error) {
	s := Step{What: isRule, Name: f.Title, UID: f.UID, Done: removed}
	switch {
	case a.Incomplete != "":
		s.Done, s.Why = left, a.Incomplete
		return s, nil
	case f.rule.provenance == fromFile:
		s.Done, s.Why = left, "Grafana has it from a provisioning file"
		return s, nil
	case p.DryRun:
		return s, nil
	}
	return s, p.Server.askWith(ctx, http.MethodDelete, alertRules+"/"+f.UID, editable(f.rule.provenance), nil, nil)
}

// editable is the header with which a rule can still be changed in Grafana's
// editor. What is marked as this interface's own stays so: no version takes that
// back for a single rule.
func editable(provenance string) http.Header {
	if provenance == fromAPI {
		return nil
	}
	return http.Header{"X-Disable-Provenance": {"true"}}
}

// pushGroup makes a group have its rules. Those that come from a provisioning file
// are left as they are.
func (p *Publisher) pushGroup(ctx context.Context, folder Folder, g RuleGroup, findings []Finding) (Step, error) {
	s := Step{What: "alert rules", Name: fmt.Sprintf("%d rules, every %v", len(g.Rules), g.Every), UID: g.Name, Done: unchanged}
	byFile, missing := 0, 0
	for _, f := range findings {
		switch f.State {
		case Same:
			continue
		case Provisioned:
			byFile++
			continue
		case Missing:
			missing++
		}
		s.Done = updated
	}
	switch {
	case byFile > 0 && byFile == len(findings):
		s.Done, s.Why = left, "Grafana has them from a provisioning file; render that file anew"
	case missing > 0 && missing == len(findings):
		s.Done = created
	}
	if s.Done == left || s.Done == unchanged || p.DryRun {
		return s, nil
	}
	return s, p.saveGroup(ctx, groupKey{folder.UID, g.Name}, g, findings)
}

// unsaved is a rule that Grafana does not yet have as it should.
type unsaved struct {
	uid   string
	made  object
	stamp Stamp
	live  object // placed; nil if Grafana has none
}

// saveGroup saves the rules of a group that differ and looks at what Grafana made
// of them, so that the stamps are true.
func (p *Publisher) saveGroup(ctx context.Context, key groupKey, g RuleGroup, findings []Finding) error {
	var todo []unsaved
	for i, f := range findings {
		if f.State == Same || f.State == Provisioned {
			continue
		}
		model, err := parse(g.Rules[i].Model)
		if err != nil {
			return fmt.Errorf("read model of %s: %w", f.UID, err)
		}
		print := ruleFingerprint(placed(model, key.folderUID, key.name, g.Every))
		todo = append(todo, unsaved{f.UID, model, Stamp{Made: print, Saved: print, Kept: g.Rules[i].Kept}, f.live})
	}
	for range 2 {
		for _, r := range todo {
			if err := p.saveRule(ctx, key, r); err != nil {
				return fmt.Errorf("save %s: %w", r.uid, err)
			}
		}
		after, err := p.settleInterval(ctx, key, g.Every)
		if err != nil {
			return err
		}
		if todo, err = untrue(todo, key, after); err != nil || len(todo) == 0 {
			return err
		}
	}
	return fmt.Errorf("this Grafana (%s) makes something else of the same alert rules each time they are saved, so changes by hand cannot be told: report it with the group's JSON", p.Server.Version)
}

// saveRule makes a rule, or saves it over the one that was seen. This interface
// knows no versions that would refuse what is out of date.
func (p *Publisher) saveRule(ctx context.Context, key groupKey, r unsaved) error {
	body := stampedRule(r.made, r.stamp)
	body["folderUID"], body["ruleGroup"] = key.folderUID, key.name
	if r.live == nil {
		return p.Server.askWith(ctx, http.MethodPost, alertRules, editable(""), body, nil)
	}
	var now object
	if err := p.Server.ask(ctx, http.MethodGet, alertRules+"/"+r.uid, nil, &now); err != nil {
		return err
	}
	seen, _ := r.live["interval"].(float64)
	at := keyOf(now)
	if ruleFingerprint(placed(now, at.folderUID, at.name, time.Duration(seen)*time.Second)) != ruleFingerprint(r.live) {
		return errors.New("somebody saved it at this moment: look with `haidang dashboards diff`, then push again")
	}
	provenance, _ := now["provenance"].(string)
	return p.Server.askWith(ctx, http.MethodPut, alertRules+"/"+r.uid, editable(provenance), body, nil)
}

// settleInterval gives a group its interval, which new ones do not have, and
// returns it as it then is.
func (p *Publisher) settleInterval(ctx context.Context, key groupKey, every time.Duration) (liveGroup, error) {
	g, err := p.group(ctx, key)
	if err != nil || g.every == every {
		return g, err
	}
	provenance := ""
	for _, r := range g.rules {
		if r["provenance"] == fromAPI {
			provenance = fromAPI
		}
	}
	// Without rules it changes the interval alone.
	body := object{"title": key.name, "folderUid": key.folderUID, "interval": int(every / time.Second)}
	if err := p.Server.askWith(ctx, http.MethodPut, groupPath(key), editable(provenance), body, nil); err != nil {
		return g, fmt.Errorf("set the interval of %s: %w", key.name, err)
	}
	return p.group(ctx, key)
}

// untrue are the rules of which Grafana made something else than their stamps say,
// as versions do that rewrite rules: to be saved once more, with what it makes of
// them.
func untrue(saved []unsaved, key groupKey, after liveGroup) (out []unsaved, err error) {
	for _, r := range saved {
		i := slices.IndexFunc(after.rules, func(live object) bool { return uidOf(live) == r.uid })
		if i < 0 {
			return nil, fmt.Errorf("%s was saved, but Grafana does not find it", r.uid)
		}
		r.live = placed(after.rules[i], key.folderUID, key.name, after.every)
		if print := ruleFingerprint(r.live); print != r.stamp.Saved {
			r.stamp.Saved = print
			out = append(out, r)
		}
	}
	return out, nil
}
