package grafanatest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// usualInterval is that of a new group of alert rules, in seconds.
const usualInterval = 60

// ruleRoutes are those of the interface for provisioning alert rules. 9.4 keeps
// them for administrators; 12.4 lets editors write and viewers look. What lies
// between them is taken to be as strict as 9.4.
func (s *Server) ruleRoutes(route func(pattern string, least Role, h handler)) {
	on := func(pattern string, least Role, h handler) {
		route(pattern, least, func(r *http.Request, in object) (int, any) {
			if s.NoAlerting {
				return message(404, "Not found", "")
			}
			return h(r, in)
		})
	}
	look, write := Admin, Admin
	if s.major() >= 12 {
		look, write = Viewer, Editor
	}
	const rules, group = "/api/v1/provisioning/alert-rules", "/api/v1/provisioning/folder/{folder}/rule-groups/{group}"
	on("GET "+rules, look, s.listRules)
	on("GET "+rules+"/{uid}", look, s.getRule)
	on("POST "+rules, write, s.postRule)
	on("PUT "+rules+"/{uid}", write, s.putRule)
	on("DELETE "+rules+"/{uid}", write, s.deleteRule)
	on("GET "+group, look, s.getGroup)
	on("PUT "+group, write, s.putGroup)
}

// provenance is what a request marks rules with.
func provenance(r *http.Request) string {
	if _, disabled := r.Header["X-Disable-Provenance"]; disabled {
		return ""
	}
	return "api"
}

func groupOf(rule object) string { return str(rule, "folderUID") + "/" + str(rule, "ruleGroup") }

// told is a rule as it is answered; 9.4 names its provenance only where it is
// alone.
func (s *Server) told(rule object, alone bool) object {
	out := clone(rule)
	if str(out, "provenance") == "" || !alone && s.major() < 10 {
		delete(out, "provenance")
	}
	return out
}

func (s *Server) sortedRules() []object {
	return slices.SortedFunc(maps.Values(s.rules), func(a, b object) int { return num(a, "id") - num(b, "id") })
}

func (s *Server) listRules(*http.Request, object) (int, any) {
	out := []object{}
	for _, r := range s.sortedRules() {
		out = append(out, s.told(r, false))
	}
	return 200, out
}

func (s *Server) getRule(r *http.Request, _ object) (int, any) {
	rule := s.rules[r.PathValue("uid")]
	switch {
	case rule == nil && s.major() < 10:
		return message(500, "could not find alert rule", "")
	case rule == nil:
		return 404, nil
	}
	return 200, s.told(rule, true)
}

// refuseRule is what is wrong with a rule that somebody saves.
func (s *Server) refuseRule(uid string, in object) (int, any) {
	for other, r := range s.rules {
		if other == uid || str(r, "folderUID") != str(in, "folderUID") || str(r, "title") != str(in, "title") || s.major() >= 12 {
			continue
		}
		return message(500, "a conflicting alert rule is found: rule title under the same organisation and folder should be unique", "")
	}
	switch _, err := time.ParseDuration(str(in, "for")); {
	case str(in, "title") == "":
		return message(400, "invalid alert rule: title is empty", "")
	case err != nil:
		return message(400, "bad request data", "")
	case len(in["data"].([]any)) == 0:
		return message(400, "invalid alert rule: no queries or expressions are found", "")
	case s.major() < 10:
		return 0, nil // it takes what follows
	case s.folders[str(in, "folderUID")] == nil:
		return message(400, "invalid alert rule: folder does not exist", "")
	case uid == "" || len(uid) > 40 || !uidForm.MatchString(uid):
		return message(400, fmt.Sprintf("invalid alert rule\ncannot create rule with UID '%s'", uid), "")
	}
	return 0, nil
}

func (s *Server) postRule(r *http.Request, in object) (int, any) {
	uid := str(in, "uid")
	if s.rules[uid] != nil {
		if s.major() < 10 {
			return message(500, "a conflicting alert rule is found", "")
		}
		return message(409, "Failed to save alert rule due to conflict", "")
	}
	if status, body := s.refuseRule(uid, in); status != 0 {
		return status, body
	}
	if s.intervals[groupOf(in)] == 0 {
		s.intervals[groupOf(in)] = usualInterval
	}
	return 201, s.saveRule(s.next(), uid, in, provenance(r))
}

func (s *Server) putRule(r *http.Request, in object) (int, any) {
	uid := r.PathValue("uid")
	old := s.rules[uid]
	if old == nil {
		return 404, nil
	}
	if p := str(old, "provenance"); p != "" && p != provenance(r) {
		return message(500, fmt.Sprintf("cannot changed provenance from '%s' to '%s'", p, provenance(r)), "")
	}
	if status, body := s.refuseRule(uid, in); status != 0 {
		return status, body
	}
	if s.intervals[groupOf(in)] == 0 { // it takes its interval along
		s.intervals[groupOf(in)] = s.intervals[groupOf(old)]
	}
	return 200, s.saveRule(num(old, "id"), uid, in, provenance(r))
}

// saveRule fills in what Grafana does; what it does not know it drops.
func (s *Server) saveRule(id int, uid string, in object, provenance string) object {
	rule := object{"id": id, "uid": uid, "orgID": 1, "updated": time.Now(), "provenance": provenance}
	for _, name := range []string{"folderUID", "ruleGroup", "title", "condition", "data", "noDataState", "execErrState", "for", "annotations", "labels"} {
		if in[name] != nil {
			rule[name] = in[name]
		}
	}
	for _, name := range []string{"isPaused", "keep_firing_for", "notification_settings", "record"} {
		if s.major() >= 10 {
			rule[name] = map[string]any{"isPaused": false, "keep_firing_for": "0s"}[name]
			if in[name] != nil {
				rule[name] = in[name]
			}
		}
	}
	rule = clone(rule)
	for _, q := range rule["data"].([]any) {
		query, _ := q.(object)
		if query["queryType"] == nil {
			query["queryType"] = ""
		}
		for name, usual := range map[string]any{"intervalMs": 1000.0, "maxDataPoints": 43200.0} {
			if model, _ := query["model"].(object); model != nil && model[name] == nil {
				model[name] = usual
			}
		}
	}
	if s.RewriteRule != nil {
		s.RewriteRule(rule)
	}
	s.rules[uid] = rule
	s.ruleSaves++
	return s.told(rule, true)
}

func (s *Server) deleteRule(r *http.Request, _ object) (int, any) {
	uid := r.PathValue("uid")
	if old := s.rules[uid]; old != nil && str(old, "provenance") == "file" {
		return message(500, "cannot delete with provided provenance", "")
	}
	delete(s.rules, uid)
	return 204, ""
}

func (s *Server) inGroup(r *http.Request) []object {
	return slices.DeleteFunc(s.sortedRules(), func(rule object) bool {
		return str(rule, "folderUID") != r.PathValue("folder") || str(rule, "ruleGroup") != r.PathValue("group")
	})
}

func (s *Server) getGroup(r *http.Request, _ object) (int, any) {
	out := []object{}
	for _, rule := range s.inGroup(r) {
		out = append(out, s.told(rule, false))
	}
	if len(out) == 0 {
		return message(404, "rulegroup not found", "")
	}
	folder, group := r.PathValue("folder"), r.PathValue("group")
	return 200, object{"title": group, "folderUid": folder, "interval": s.intervals[folder+"/"+group], "rules": out}
}

// putGroup replaces a group; without rules it changes the interval alone. 9.4 knows
// no header here, marks every rule that it changes, and makes no rule whose uid is
// given: seen there, and not documented.
func (s *Server) putGroup(r *http.Request, in object) (int, any) {
	folder, group := r.PathValue("folder"), r.PathValue("group")
	interval := num(in, "interval")
	if interval <= 0 || interval%10 != 0 {
		return message(400, "invalid alert rule: interval should be non-zero and divided exactly by scheduler interval: 10", "")
	}
	if in["rules"] != nil {
		return message(500, "this fake replaces no groups as a whole: rules are saved one by one", "")
	}
	mark := provenance(r)
	if s.major() < 10 {
		mark = "api"
	}
	if s.intervals[folder+"/"+group] != interval {
		for _, rule := range s.inGroup(r) {
			rule["provenance"] = mark
		}
	}
	s.intervals[folder+"/"+group] = interval
	return 200, object{"title": group, "folderUid": folder, "interval": interval, "rules": nil}
}

// RuleSaves is how many alert rules were saved.
func (s *Server) RuleSaves() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ruleSaves
}

// ProvisionRule marks an alert rule as one from a provisioning file.
func (s *Server) ProvisionRule(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules[uid]["provenance"] = "file"
	delete(s.rules[uid]["annotations"].(object), "__haidang_pushed__")
}

// uniqueTitles reports whether a folder takes a title once, and whether there is one
// folder of a title. 9.4 wants both, 12.4 neither; versions between them are taken
// to be as strict as 9.4.
func (s *Server) uniqueTitles() bool { return s.major() < 12 }

// changed is the word for a version that is out of date; 12.4 has none for folders.
func (s *Server) changed() string {
	if s.major() >= 12 {
		return ""
	}
	return "version-mismatch"
}
