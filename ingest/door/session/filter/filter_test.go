package filter_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/door/session/filter"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in, group, rest string
		bad             bool
	}{
		{in: "a", rest: "a"},
		{in: "/", rest: "/"},
		{in: "//a/", rest: "//a/"},
		{in: "#", rest: "#"},
		{in: "+", rest: "+"},
		{in: "a/+/#", rest: "a/+/#"},
		{in: "$SYS/#", rest: "$SYS/#"},
		{in: "gw.01/a b/*/>", rest: "gw.01/a b/*/>"},
		{in: "đèn/Nha Trang", rest: "đèn/Nha Trang"},
		{in: "$share/g/a/+", group: "g", rest: "a/+"},
		{in: "$share/g//", group: "g", rest: "/"},
		{in: "$share/g/#", group: "g", rest: "#"},
		{in: "$share", rest: "$share"},
		{in: "$SHARE/g/a", rest: "$SHARE/g/a"},
		{in: strings.Repeat("a/", filter.MostLevels-1) + "a", rest: strings.Repeat("a/", filter.MostLevels-1) + "a"},
		{in: "", bad: true},
		{in: "a#", bad: true},
		{in: "#/a", bad: true},
		{in: "a/#/b", bad: true},
		{in: "a+/b", bad: true},
		{in: "++", bad: true},
		{in: "a\x00b", bad: true},
		{in: "a\xffb", bad: true},
		{in: "$share/", bad: true},
		{in: "$share/g", bad: true},
		{in: "$share/g/", bad: true},
		{in: "$share//a", bad: true},
		{in: "$share/+/a", bad: true},
		{in: "$share/#/a", bad: true},
		{in: "$share/g/a#", bad: true},
		{in: strings.Repeat("a/", filter.MostLevels) + "a", bad: true},
	} {
		group, rest, err := filter.Parse(c.in)
		if c.bad {
			if !errors.Is(err, filter.ErrInvalid) {
				t.Errorf("%q is taken (%v)", c.in, err)
			}
			continue
		}
		if err != nil || group != c.group || rest != c.rest {
			t.Errorf("%q is %q, %q, %v", c.in, group, rest, err)
		}
	}
}

func TestEach(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"#", "a", true}, {"#", "/a", true}, {"#", "$SYS/a", false}, {"+/a", "$SYS/a", false},
		{"$SYS/#", "$SYS/a", true}, {"$SYS/#", "$SYS", true}, {"$SYS/+", "$SYS/a", true},
		{"a/#", "a", true}, {"a/#", "a/b/c", true}, {"a/#", "ab", false}, {"a/+", "a", false},
		{"a/+", "a/", true}, {"+", "/a", false}, {"+/+", "/a", true}, {"/+", "/a", true},
		{"a/+/c", "a/b/c", true}, {"a/+/c", "a/b/d", false}, {"+/b/#", "a/b/$c", true},
		{"kh/+/air_quality/+", "kh/nha-trang/air_quality/a b.c*d", true},
		{"A", "a", false},
	} {
		var tree filter.Tree[int]
		tree.Add(c.filter, 1)
		var topics filter.Topics[int]
		topics.Set(c.topic, 1)
		selected := false
		topics.Each(c.filter, func(int) { selected = true })
		if tree.Any(c.topic) != c.want || selected != c.want {
			t.Errorf("%q selects %q: tree %t, topics %t, want %t", c.filter, c.topic, tree.Any(c.topic), selected, c.want)
		}
	}
}

// selects is what a filter selects, said another way than the trees do.
func selects(f, topic string) bool {
	if strings.HasPrefix(topic, "$") && (f[0] == '+' || f[0] == '#') {
		return false
	}
	return codec.Matches(f, topic)
}

// random texts of few levels, so that many match.
func random(r *rand.Rand, levels []string) string {
	all := make([]string, 1+r.IntN(5))
	for i := range all {
		all[i] = levels[r.IntN(len(levels))]
	}
	return strings.Join(all, "/")
}

// The trees say what comparing with each filter says, while filters come and go.
func TestTreesAgreeWithComparingEach(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var tree filter.Tree[string]
	var topics filter.Topics[string]
	filters, names := map[string]bool{}, map[string]bool{}
	for range 3000 {
		f := random(r, []string{"a", "b", "", "$x", "+", "+", "#"})
		if _, _, err := filter.Parse(f); err == nil && f != "" {
			if filters[f] {
				if !tree.Remove(f, f) {
					t.Fatalf("%q is not there", f)
				}
				delete(filters, f)
			} else {
				tree.Add(f, f)
				filters[f] = true
			}
		}
		name := random(r, []string{"a", "b", "", "$x", "c"})
		if _, had := topics.Get(name); had != names[name] {
			t.Fatalf("topic %q: %t", name, had)
		}
		if names[name] {
			topics.Delete(name)
			delete(names, name)
		} else if name != "" {
			topics.Set(name, name)
			names[name] = true
		}
		if name != "" {
			compare(t, "topic "+name, func(f func(string)) { tree.Each(name, func(v string) bool { f(v); return true }) }, filters, func(v string) bool { return selects(v, name) })
		}
		if _, _, err := filter.Parse(f); err == nil {
			compare(t, "filter "+f, func(g func(string)) { topics.Each(f, g) }, names, func(v string) bool { return selects(f, v) })
		}
	}
	for f := range filters {
		tree.Remove(f, f)
	}
	for n := range names {
		topics.Delete(n)
	}
	if tree.Len() != 0 || topics.Len() != 0 || tree.Any("a") {
		t.Errorf("left: %d filters, %d topics", tree.Len(), topics.Len())
	}
}

func compare(t *testing.T, what string, each func(func(string)), all map[string]bool, want func(string) bool) {
	t.Helper()
	var got, wanted []string
	each(func(v string) { got = append(got, v) })
	for v := range all {
		if want(v) {
			wanted = append(wanted, v)
		}
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if !slices.Equal(got, wanted) {
		t.Fatalf("%s: %q, want %q", what, got, wanted)
	}
}

func FuzzTree(f *testing.F) {
	for _, s := range [][2]string{{"a/+/#", "a/b"}, {"#", "$SYS/x"}, {"$share/g/+", "x"}, {"//", "//"}, {"+/+", "đ/*"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, s, topic string) {
		_, rest, err := filter.Parse(s)
		if err != nil || topic == "" || strings.ContainsAny(topic, "+#") {
			return
		}
		var tree filter.Tree[int]
		tree.Add(rest, 1)
		if got := tree.Any(topic); got != selects(rest, topic) {
			t.Fatalf("%q selects %q: %t", rest, topic, got)
		}
		if !tree.Remove(rest, 1) || tree.Any(topic) {
			t.Fatalf("%q cannot be removed", rest)
		}
	})
}

// While nobody has subscribed to a topic, asking costs nanoseconds, however many have
// subscribed to others.
func BenchmarkAny(b *testing.B) {
	var tree filter.Tree[int]
	ask := func(b *testing.B) {
		for b.Loop() {
			if tree.Any("kh/nha-trang/air_quality/lamp-00001") {
				b.Fatal("selected")
			}
		}
	}
	b.Run("nobody", ask)
	for i := range 10_000 {
		tree.Add("kh/nha-trang/command/lamp-"+string(rune('0'+i%10))+strings.Repeat("x", i/10), i)
	}
	b.Run("10000 others", ask)
}
