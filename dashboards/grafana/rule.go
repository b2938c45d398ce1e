package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Alerts are the alert rules that Grafana evaluates: one set, whatever the
// languages of the boards, for two would ring twice.
//
// Without groups there are to be none: those of an earlier push are removed. The
// zero Alerts leaves Grafana's alone.
type Alerts struct {
	// Folder is where they are. What an earlier push left in it that is no longer
	// made is removed, and what others keep there stays.
	Folder Folder
	Groups []RuleGroup
	// Incomplete, if not empty, says why rules may be missing that ought to be
	// here. Then those of an earlier push stay that would be removed otherwise.
	Incomplete string
	// Former are uids of rules that are not among these but may have been once.
	// Files need them: what they no longer hold, Grafana keeps.
	Former []string
}

// RuleGroup is rules that are evaluated together.
type RuleGroup struct {
	Name  string
	Every time.Duration
	Rules []Rule
}

// Rule is one alert rule.
type Rule struct {
	UID, Title string
	// Model is the rule's JSON, as Grafana's interface for provisioning has it.
	// Its uid and title are those above; folder and group are not in it.
	Model json.RawMessage
	// Kept says that the model is one that was changed by hand and kept (Pull).
	Kept bool
}

// NewRule reads uid and title of a model.
func NewRule(model []byte) (Rule, error) {
	var m struct {
		UID   string `json:"uid"`
		Title string `json:"title"`
	}
	if err := json.Unmarshal(model, &m); err != nil {
		return Rule{}, fmt.Errorf("read alert rule: %w", err)
	}
	r := Rule{UID: m.UID, Title: m.Title, Model: bytes.Clone(model)}
	return r, r.check()
}

func (r Rule) check() error {
	if !uidForm.MatchString(r.UID) {
		return fmt.Errorf("the alert rule %q has the uid %q: Grafana takes 1 to 40 letters, digits, - and _", r.Title, r.UID)
	}
	m, err := parse(r.Model)
	if err != nil {
		return fmt.Errorf("the alert rule %s is no JSON object: %w", r.UID, err)
	}
	if r.Title == "" || m["uid"] != r.UID || m["title"] != r.Title {
		return fmt.Errorf("the alert rule %s says in its model that it is %v, %v; both are needed", r.UID, m["uid"], m["title"])
	}
	return nil
}

// evaluationBase is what Grafana's intervals are multiples of.
const evaluationBase = 10 * time.Second

// check reports what Grafana would refuse; folders are the boards'.
func (a Alerts) check(folders map[string]bool) error {
	if len(a.Groups) == 0 {
		return nil
	}
	if err := a.Folder.check(); err != nil {
		return err
	}
	if folders[a.Folder.UID] || folders[a.Folder.Title] {
		// Grafana makes the folder of rules from files itself, before the boards'
		// and under a uid of its own choice.
		return fmt.Errorf("the alert rules' folder %s, %q is one of boards: they need one of their own", a.Folder.UID, a.Folder.Title)
	}
	if strings.Contains(a.Folder.Title, "/") {
		return fmt.Errorf("the alert rules' folder is called %q: newer Grafanas take / for a folder within a folder", a.Folder.Title)
	}
	groups, uids, titles := map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, g := range a.Groups {
		if g.Name == "" || groups[g.Name] {
			return fmt.Errorf("the name %q of a group of alert rules is empty or taken", g.Name)
		}
		groups[g.Name] = true
		if g.Every < evaluationBase || g.Every%evaluationBase != 0 {
			return fmt.Errorf("the alert rules %s are evaluated every %v: Grafana takes multiples of %v", g.Name, g.Every, evaluationBase)
		}
		for _, r := range g.Rules {
			if err := r.check(); err != nil {
				return err
			}
			if uids[r.UID] {
				return fmt.Errorf("two alert rules have the uid %s", r.UID)
			}
			if other, ok := titles[r.Title]; ok {
				return fmt.Errorf("the alert rules %s and %s are both called %q: Grafana takes a title once in a folder", other, r.UID, r.Title)
			}
			uids[r.UID], titles[r.Title] = true, r.UID
		}
	}
	return nil
}

// with puts a rule that was kept in the place of the generated one, in the group
// and with the interval that it had in Grafana. It reports whether there is one.
func (a *Alerts) with(kept Rule, group string, every time.Duration) bool {
	for i := range a.Groups {
		old := slices.IndexFunc(a.Groups[i].Rules, func(r Rule) bool { return r.UID == kept.UID })
		if old < 0 {
			continue
		}
		if a.Groups[i].Name == group {
			a.Groups[i].Rules[old] = kept
			a.Groups[i].Every = every
			return true
		}
		a.Groups[i].Rules = slices.Delete(a.Groups[i].Rules, old, old+1)
		to := slices.IndexFunc(a.Groups, func(g RuleGroup) bool { return g.Name == group })
		if to < 0 {
			a.Groups = append(a.Groups, RuleGroup{Name: group, Every: every})
			to = len(a.Groups) - 1
		}
		a.Groups[to].Rules = append(a.Groups[to].Rules, kept)
		return true
	}
	return false
}

// clone copies the groups, so that with changes nobody else's.
func (a Alerts) clone() Alerts {
	a.Groups = slices.Clone(a.Groups)
	for i := range a.Groups {
		a.Groups[i].Rules = slices.Clone(a.Groups[i].Rules)
	}
	return a
}

// placed is a rule's model with where it is and how often it is evaluated, which
// a person can change too.
func placed(m object, folderUID, group string, every time.Duration) object {
	out := without(m)
	out["folderUID"], out["ruleGroup"], out["interval"] = folderUID, group, every.Seconds()
	return out
}

// plainRule is a rule without what is Grafana's own affair, without our stamp and
// without members that say nothing: null, empty, no, zero. Versions of Grafana
// differ in which of those they name.
func plainRule(m object) object {
	out := saysSomething(without(m, "id", "uid", "orgID", "updated", "provenance", "guid", "version"))
	notes, _ := out["annotations"].(object)
	if notes = without(notes, ruleStampName); len(notes) > 0 {
		out["annotations"] = notes
	} else {
		delete(out, "annotations")
	}
	if queries, ok := out["data"].([]any); ok {
		for i, v := range queries {
			if q, ok := v.(object); ok {
				q = saysSomething(q)
				model, _ := q["model"].(object)
				q["model"] = saysSomething(model)
				queries[i] = q
			}
		}
	}
	return out
}

// saysSomething is a deep copy without nulls, and on the first level without
// members that are empty, no or zero.
func saysSomething(m object) object {
	out := object{}
	for k, v := range m {
		switch v := withoutNulls(v).(type) {
		case nil:
			continue
		case object:
			if len(v) == 0 {
				continue
			}
			out[k] = v
		case []any:
			if len(v) == 0 {
				continue
			}
			out[k] = v
		default:
			if v != "" && v != "0s" && v != false && v != 0.0 {
				out[k] = v
			}
		}
	}
	return out
}

// ruleStampName is the annotation that carries a rule's stamp. What begins and
// ends with two underscores Grafana leaves out of notifications.
const ruleStampName = "__haidang_pushed__"

func readRuleStamp(m object) (Stamp, bool) {
	notes, _ := m["annotations"].(object)
	text, _ := notes[ruleStampName].(string)
	return parseStamp(text)
}

// stampedRule is a copy of the model with the stamp.
func stampedRule(m object, s Stamp) object {
	out := without(m)
	notes, _ := m["annotations"].(object)
	fresh := without(notes)
	fresh[ruleStampName] = s.String()
	out["annotations"] = fresh
	return out
}

// CompareRules says what leads from one placed model of a rule to another.
func CompareRules(before, after object) []Change {
	var out []Change
	differences("", plainRule(before), plainRule(after), func(path string, a, b any) {
		out = append(out, Change{What: "changed", Path: path, Old: text(a), New: text(b)})
	})
	return out
}
