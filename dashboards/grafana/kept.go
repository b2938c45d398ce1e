package grafana

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Kept is what was changed by hand and is kept: models in files, one for each
// board and, in the folder rules, for each alert rule.
type Kept struct {
	Boards []Board
	Rules  []KeptRule
}

// KeptRule is an alert rule with the group and the interval that it was given.
type KeptRule struct {
	Rule
	Group string
	Every time.Duration
}

// Pull returns what was changed by hand, as Grafana has it. What is as it was
// pushed, or would be, is not among it: kept, it would hide what a newer Hải Đăng
// makes of it. A rule that is no longer made has no place to be kept in; one that
// was moved to another folder comes back.
func (p *Publisher) Pull(ctx context.Context, b Bundle) (Kept, error) {
	findings, err := p.Inspect(ctx, b)
	if err != nil {
		return Kept{}, err
	}
	var out Kept
	for _, f := range findings {
		switch {
		case !f.State.Overwrites():
		case f.What == isBoard:
			err = out.addBoard(unstamped(f.live))
		case f.rule.group != "":
			err = out.addRule(f.UID, f.live)
		}
		if err != nil {
			return Kept{}, fmt.Errorf("keep Grafana's version of %s: %w", f.UID, err)
		}
	}
	return out, nil
}

func (k *Kept) addBoard(m object) error {
	model, err := encode(m)
	if err != nil {
		return err
	}
	board, err := NewBoard(model)
	board.Kept = true
	k.Boards = append(k.Boards, board)
	return err
}

// addRule keeps a placed rule, or one that was read from a file.
func (k *Kept) addRule(uid string, m object) error {
	m = plainRule(m)
	m["uid"] = uid
	group, _ := m["ruleGroup"].(string)
	seconds, _ := m["interval"].(float64)
	model, err := encode(without(m, "folderUID", "ruleGroup", "interval"))
	if err != nil {
		return err
	}
	r, err := NewRule(model)
	r.Kept = true
	k.Rules = append(k.Rules, KeptRule{Rule: r, Group: group, Every: time.Duration(seconds) * time.Second})
	return err
}

// keptRules is the folder of alert rules in that of kept boards.
const keptRules = "rules"

// Write writes what is kept to a folder, each into a file named after its uid.
func (k Kept) Write(dir string) error {
	files := map[string][]byte{}
	for _, b := range k.Boards {
		files[b.UID+".json"] = b.Model
	}
	for _, r := range k.Rules {
		m, err := parse(r.Model)
		if err != nil {
			return fmt.Errorf("read alert rule %s: %w", r.UID, err)
		}
		m["ruleGroup"], m["interval"] = r.Group, r.Every.Seconds()
		if files[keptRules+"/"+r.UID+".json"], err = encode(m); err != nil {
			return err
		}
	}
	return WriteFiles(dir, files)
}

// ReadKept reads what Write wrote.
func ReadKept(dir string) (Kept, error) {
	var k Kept
	if _, err := os.Stat(dir); err != nil {
		return k, fmt.Errorf("read what was kept: %w", err)
	}
	read := func(pattern string, add func(object) error) error {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return fmt.Errorf("list %s: %w", dir, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("read what was kept: %w", err)
			}
			m, err := parse(text)
			if err == nil {
				err = add(m)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		return nil
	}
	err := errors.Join(
		read("*.json", k.addBoard),
		read(keptRules+"/*.json", func(m object) error {
			if err := k.addRule(uidOf(m), m); err != nil {
				return err
			}
			if r := k.Rules[len(k.Rules)-1]; r.Group == "" || r.Every <= 0 {
				return fmt.Errorf("the alert rule %s says no ruleGroup and interval: let `haidang dashboards pull` write it", r.UID)
			}
			return nil
		}))
	return k, err
}

// With replaces boards and alert rules by those that were kept. One that is none
// of the bundle's is an error: it would silently not be used. Only where there are
// to be no alert rules at all, those that were kept are passed over.
func (b Bundle) With(k Kept) (Bundle, error) {
	b.Sets, b.Alerts = slices.Clone(b.Sets), b.Alerts.clone()
	for i := range b.Sets {
		b.Sets[i].Boards = slices.Clone(b.Sets[i].Boards)
	}
	for _, kept := range k.Boards {
		found := false
		for _, set := range b.Sets {
			if i := slices.IndexFunc(set.Boards, func(b Board) bool { return b.UID == kept.UID }); i >= 0 {
				set.Boards[i], found = kept, true
			}
		}
		if !found {
			return b, fmt.Errorf("a file has the board %s, and there is none of this uid: remove the file, or is it of another --lang?", kept.UID)
		}
	}
	for _, kept := range k.Rules {
		if len(b.Alerts.Groups) > 0 && !b.Alerts.with(kept.Rule, kept.Group, kept.Every) {
			return b, fmt.Errorf("a file has the alert rule %s, and there is none of this uid: remove the file, or is --url missing?", kept.UID)
		}
	}
	return b, nil
}
