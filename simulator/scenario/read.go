package scenario

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds a scenario's text.
const maxFile = 4 << 20

// Error is a fault of a scenario's text, with its place in it.
type Error struct {
	File         string
	Line, Column int
	// Path leads to the value: fleet[2].every.
	Path   string
	Detail string
}

func (e *Error) Error() string {
	at := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		at += e.Path + ": "
	}
	return at + e.Detail
}

// reader turns a syntax tree into values, key by key of the table, and remembers
// where each stands.
type reader struct {
	file string
	errs []error
	// at has the node of each path, for what is found wrong later.
	at map[string]ast.Node
}

// value is what stands at a key: a string, a float64, a bool, a list of strings,
// values, or a list of values.
type values map[string]any

func (r *reader) bad(n ast.Node, path, format string, args ...any) {
	e := &Error{File: r.file, Line: 1, Column: 1, Path: path, Detail: fmt.Sprintf(format, args...)}
	if n != nil {
		if t := n.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Column = t.Position.Line, t.Position.Column
		}
	}
	r.errs = append(r.errs, e)
}

// parse reads a document to its values.
func (r *reader) parse(data []byte) values {
	if len(data) > maxFile {
		r.bad(nil, "", "the file has %d bytes; %d is the limit", len(data), maxFile)
		return nil
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			e := &Error{File: r.file, Detail: syntax.Message, Line: 1, Column: 1}
			if t := syntax.Token; t != nil && t.Position != nil {
				e.Line, e.Column = t.Position.Line, t.Position.Column
			}
			r.errs = append(r.errs, e)
			return nil
		}
		r.bad(nil, "", "%v", err)
		return nil
	}
	switch {
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		r.bad(nil, "", "the file is empty; a scenario needs name, period and fleet")
		return nil
	case len(f.Docs) > 1:
		r.bad(f.Docs[1].Body, "", "there are %d documents in the file; a scenario is one", len(f.Docs))
		return nil
	}
	return r.mapping(f.Docs[0].Body, "", keys())
}

// mapping reads a mapping of known keys.
func (r *reader) mapping(n ast.Node, path string, ks []key) values {
	r.at[path] = n
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		r.bad(n, path, "it is %s; a mapping with the keys %s is needed", kindOf(n), names(ks))
		return nil
	}
	out := values{}
	for _, p := range pairs {
		name := p.Key.String()
		if s, ok := p.Key.(*ast.StringNode); ok {
			name = s.Value
		}
		sub := name
		if path != "" {
			sub = path + "." + name
		}
		i := slices.IndexFunc(ks, func(k key) bool { return k.name == name })
		switch {
		case i < 0:
			r.bad(p.Key, sub, "there is no such key%s; there are %s", meant(name, ks), names(ks))
			continue
		case r.at[sub] != nil:
			r.bad(p.Key, sub, "the key is there twice")
			continue
		}
		r.at[sub] = p.Value
		if v := r.value(p.Value, sub, ks[i]); v != nil {
			out[name] = v
		}
	}
	for _, k := range ks {
		if k.need && r.at[strings.TrimPrefix(path+"."+k.name, ".")] == nil {
			r.bad(n, path, "the key %q is missing: %s", k.name, k.about)
		}
	}
	return out
}

// value reads what a key needs; nil is nothing, or an error that is noted.
func (r *reader) value(n ast.Node, path string, k key) any {
	if _, null := n.(*ast.NullNode); null {
		r.bad(n, path, "it has no value; a %s is needed, or leave the key out", k.form)
		return nil
	}
	switch k.form {
	case mapping:
		if v := r.mapping(n, path, k.keys); v != nil {
			return v
		}
	case maps:
		if s, ok := n.(*ast.SequenceNode); ok {
			var list []values
			for i, item := range s.Values {
				list = append(list, r.mapping(item, fmt.Sprintf("%s[%d]", path, i), k.keys))
			}
			return list
		}
		r.bad(n, path, "it is %s; a %s is needed: write each after a hyphen", kindOf(n), k.form)
	case texts, placesForm:
		return r.texts(n, path, k)
	case number, whole:
		if v, ok := numberOf(n); ok && (k.form == number || v == math.Trunc(v) && v >= 0 && v < 1<<53) {
			return v
		}
		r.bad(n, path, "%s is not a %s", n.String(), k.form)
	case truth:
		if b, ok := n.(*ast.BoolNode); ok {
			return b.Value
		}
		r.bad(n, path, "%s is not true or false", n.String())
	default:
		return r.word(n, path, k)
	}
	return nil
}

func (r *reader) texts(n ast.Node, path string, k key) any {
	if s, ok := n.(*ast.StringNode); ok && k.form == placesForm && s.Value == "all" {
		return nil
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.bad(n, path, "it is %s; a %s is needed, such as [a, b]", kindOf(n), k.form)
		return nil
	}
	var list []string
	for i, item := range s.Values {
		sub := fmt.Sprintf("%s[%d]", path, i)
		r.at[sub] = item
		if v, ok := r.word(item, sub, k).(string); ok {
			list = append(list, v)
		}
	}
	return list
}

// word reads a text, one of the allowed ones if they are listed.
func (r *reader) word(n ast.Node, path string, k key) any {
	var v string
	switch s := n.(type) {
	case *ast.StringNode:
		v = s.Value
	case *ast.LiteralNode:
		v = strings.TrimSpace(s.Value.Value)
	case *ast.IntegerNode, *ast.FloatNode: // a ward's code, or a date, without quotes
		v = n.GetToken().Value
	default:
		r.bad(n, path, "it is %s; a %s is needed", kindOf(n), k.form)
		return nil
	}
	if k.words != nil && !slices.Contains(k.words, v) {
		near := nearest(v, k.words)
		if near != "" {
			near = "; did you mean " + near + "?"
		}
		r.bad(n, path, "%q is none of %s%s", v, strings.Join(k.words, ", "), near)
		return nil
	}
	return v
}

func numberOf(n ast.Node) (float64, bool) {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		v, err := strconv.ParseFloat(strings.ReplaceAll(n.GetToken().Value, "_", ""), 64)
		return v, err == nil
	}
	return 0, false
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "empty"
	case *ast.AnchorNode, *ast.AliasNode:
		return "an anchor or alias, which scenarios do not have"
	}
	return strconv.Quote(n.String())
}

func names(ks []key) string {
	out := make([]string, len(ks))
	for i, k := range ks {
		out[i] = k.name
	}
	return strings.Join(out, ", ")
}

func meant(name string, ks []key) string {
	var all []string
	for _, k := range ks {
		all = append(all, k.name)
	}
	if near := nearest(name, all); near != "" {
		return " (did you mean " + near + "?)"
	}
	return ""
}

// nearest is the word that a slip of the fingers made of it; "" if there is none.
func nearest(word string, among []string) string {
	best, at := "", 3
	for _, w := range among {
		if d := distance(word, w); d < at {
			best, at = w, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, last+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// lengthPattern is what a length of time looks like.
const lengthPattern = `^-?([0-9]+(\.[0-9]+)?(d|h|m|s|ms))+$`

// length reads a length of time; days have 24 hours.
func parseLength(s string) (time.Duration, bool) {
	if !regexp.MustCompile(lengthPattern).MatchString(s) {
		return 0, false
	}
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	var days time.Duration
	if d, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(d, 64)
		if err != nil || n > 100_000 {
			return 0, false
		}
		days, s = time.Duration(n*24*float64(time.Hour)), rest
	}
	if s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, false
		}
		days += d
	}
	if negative {
		days = -days
	}
	return days, true
}
