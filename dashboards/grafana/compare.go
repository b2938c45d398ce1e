package grafana

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Change is one difference between two models of a board.
type Change struct {
	// Panel is the title of the panel, or empty for the board itself.
	Panel string
	// What is added, removed, moved or changed.
	What string
	// Path is the option that changed, such as fieldConfig.defaults.unit.
	Path string
	// Old and New are its values as compact JSON; empty if there is none.
	Old, New string
}

// String is the change in a line.
func (c Change) String() string {
	switch {
	case c.What == "moved":
		return fmt.Sprintf("moved from %s to %s", c.Old, c.New)
	case c.What != "changed":
		return c.What
	case c.Old == "":
		return fmt.Sprintf("%s: added %s", c.Path, shown(c.New, maxValue))
	case c.New == "":
		return fmt.Sprintf("%s: removed, was %s", c.Path, shown(c.Old, maxValue))
	}
	return fmt.Sprintf("%s: %s → %s", c.Path, shown(c.Old, maxValue), shown(c.New, maxValue))
}

// maxValue is how much of a value is printed, in characters.
const maxValue = 160

// panel is one panel of a board, wherever it is.
type panel struct {
	id    string
	title string
	model object
	grid  string
}

// Compare says what leads from one model of a board to another: first the board's
// own options, then panel by panel in the order of the new one.
func Compare(before, after object) []Change {
	before, after = plain(before), plain(after)
	var out []Change
	differences("", without(before, "panels"), without(after, "panels"), func(path string, a, b any) {
		out = append(out, Change{What: "changed", Path: path, Old: text(a), New: text(b)})
	})
	old, fresh := panels(before), panels(after)
	match := pair(old, fresh)
	for i, now := range fresh {
		j, ok := match[i]
		if !ok {
			out = append(out, Change{Panel: now.title, What: "added"})
			continue
		}
		was := old[j]
		name := was.title
		if was.grid != now.grid {
			out = append(out, Change{Panel: name, What: "moved", Old: was.grid, New: now.grid})
		}
		differences("", was.model, now.model, func(path string, a, b any) {
			out = append(out, Change{Panel: name, What: "changed", Path: path, Old: text(a), New: text(b)})
		})
	}
	kept := map[int]bool{}
	for _, j := range match {
		kept[j] = true
	}
	for j, was := range old {
		if !kept[j] {
			out = append(out, Change{Panel: was.title, What: "removed"})
		}
	}
	return out
}

// panels lists the panels of a board and of its collapsed rows.
func panels(m object) (out []panel) {
	list, _ := m["panels"].([]any)
	for _, v := range list {
		o, _ := v.(object)
		if o == nil {
			continue
		}
		title, _ := o["title"].(string)
		if title == "" {
			title = fmt.Sprintf("%v without title", o["type"])
		}
		out = append(out, panel{id: text(o["id"]), title: title, model: without(o, "panels", "gridPos"), grid: place(o["gridPos"])})
		out = append(out, panels(o)...)
	}
	return out
}

// place is a panel's place in words.
func place(v any) string {
	g, _ := v.(object)
	if g == nil {
		return "nowhere"
	}
	n := func(k string) string { f, _ := g[k].(float64); return strconv.Itoa(int(f)) }
	return fmt.Sprintf("column %s row %s size %s×%s", n("x"), n("y"), n("w"), n("h"))
}

// pair finds the old panel of each new one: the one with the same id, if title
// or type is the same too, else the one with the same title and type, which an
// editor has numbered anew, else the one with the same id.
func pair(old, fresh []panel) map[int]int {
	match, taken := map[int]int{}, map[int]bool{}
	try := func(same func(a, b panel) bool) {
		for i, now := range fresh {
			if _, ok := match[i]; ok {
				continue
			}
			for j, was := range old {
				if !taken[j] && same(was, now) {
					match[i], taken[j] = j, true
					break
				}
			}
		}
	}
	kind := func(a, b panel) bool { return a.model["type"] == b.model["type"] }
	try(func(a, b panel) bool { return a.id == b.id && a.title == b.title })
	try(func(a, b panel) bool { return a.title == b.title && kind(a, b) })
	try(func(a, b panel) bool { return a.id == b.id && a.id != "" && kind(a, b) })
	return match
}

// differences walks two values and tells of the smallest parts that differ.
func differences(path string, a, b any, tell func(path string, a, b any)) {
	if reflect.DeepEqual(a, b) {
		return
	}
	ao, aIs := a.(object)
	bo, bIs := b.(object)
	if aIs && bIs {
		for _, k := range keys(ao, bo) {
			differences(join(path, k), ao[k], bo[k], tell)
		}
		return
	}
	al, aIs := a.([]any)
	bl, bIs := b.([]any)
	if aIs && bIs {
		an, aok := named(al)
		bn, bok := named(bl)
		if aok && bok {
			for _, k := range keys(an, bn) {
				differences(path+"["+k+"]", an[k], bn[k], tell)
			}
			return
		}
	}
	tell(path, a, b)
}

// named is a list whose elements have names of their own, by those: variables
// and annotations by name, queries by refId, links by title, overrides by what
// they match. Any other list is compared as a whole.
func named(list []any) (object, bool) {
	out := object{}
	for _, v := range list {
		o, _ := v.(object)
		name := ""
		for _, k := range []string{"name", "refId", "title", "matcher"} {
			if o[k] != nil {
				name = strings.Trim(text(o[k]), `"`)
				break
			}
		}
		if m, ok := o["matcher"].(object); ok {
			name = strings.Trim(text(m["options"]), `"`)
		}
		if name == "" || out[name] != nil {
			return nil, false
		}
		out[name] = v
	}
	return out, true
}

func keys(a, b object) []string {
	var out []string
	for k := range a {
		out = append(out, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func without(m object, names ...string) object {
	out := make(object, len(m))
	for k, v := range m {
		if !slices.Contains(names, k) {
			out[k] = v
		}
	}
	return out
}

// text is a value as compact JSON, empty for none.
func text(v any) string {
	if v == nil {
		return ""
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // for people
	if e.Encode(v) != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSpace(b.String())
}
