package broker

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestSubjectsOf(t *testing.T) {
	for _, c := range []struct {
		filter string
		want   []string
	}{
		{"a", []string{"a"}},
		{"a/b", []string{"a.b"}},
		{"kh/nha-trang/+/d1", []string{"kh.nha-trang.*.d1"}},
		{"kh/nha-trang/#", []string{"kh.nha-trang.>", "kh.nha-trang"}},
		{"#", []string{">"}},
		{"+", []string{"*"}},
		{"+/#", []string{"*.>", "*"}},
		{"a.b/c", []string{"a//b.c"}},
		{"./..", []string{"//.////"}},
		{"a/.b", []string{"a.//b"}},
		{"/", []string{"/./"}},
		{"/a", []string{"/.a"}},
		{"a/", []string{"a./"}},
		{"a//b", []string{"a./.b"}},
		{"//#", []string{"/./.>", "/./"}},
		{"a//", []string{"a././"}},
		{"$SYS/#", []string{"$SYS.>", "$SYS"}},
		{"a*/>b/c", []string{"a*.>b.c"}},
		{"Ninh Hòa", nil}, {"ninh-hòa/đèn", []string{"ninh-hòa.đèn"}},
		{"", nil}, {"a/#/b", nil}, {"a+", nil}, {"a/b#", nil}, {"a/*", nil}, {"a/>/b", nil}, {"*", nil},
		{"a\x00", nil}, {"a\xff", nil}, {"a\tb", nil}, {"a\x7f", nil}, {strings.Repeat("a", 1<<16), nil},
	} {
		got, err := subjectsOf(c.filter)
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, %v; want %q", clip(c.filter), got, err, c.want)
		}
		if c.want != nil && filterOf(got[0]) != c.filter {
			t.Errorf("%q comes back as %q", c.filter, filterOf(got[0]))
		}
	}
}

// Nothing granted is nothing allowed, although nats-server takes an empty list
// for everything.
func TestEmptyGrantAllowsNothing(t *testing.T) {
	p, err := permissions(Grant{Identity: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(p.Publish.Deny, ">") || !slices.Contains(p.Subscribe.Deny, ">") {
		t.Errorf("%+v %+v", p.Publish, p.Subscribe)
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	l := Login{Username: "u", Password: "geheim"}
	var log strings.Builder
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "login", l, "password", l.Password)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "login", l, "password", l.Password)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%08.3f", "%T %v"} {
		fmt.Fprintf(&log, strings.ReplaceAll(verb, "%T ", ""), l)
		fmt.Fprintf(&log, strings.ReplaceAll(verb, "%T ", ""), l.Password)
	}
	if err := json.NewEncoder(&log).Encode(l); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"geheim", fmt.Sprintf("%x", "geheim"), fmt.Sprintf("%X", "geheim")} {
		if strings.Contains(log.String(), leak) {
			t.Errorf("the secret is in %s", log.String())
		}
	}
}

// The client's name comes first in nats-server's formats, and the client chose
// half of it.
func TestClientIDDoesNotFormat(t *testing.T) {
	id := strings.Repeat("%[1]999999d", 1000)
	name := fmt.Sprintf("127.0.0.1:5 - mid:7 - %q", id)
	if got := line(name+" - %v - %s", []any{"authentication error", `User "x"`}); len(got) > 2*maxLine {
		t.Errorf("%d bytes", len(got))
	}
	if got, want := line(`127.0.0.1:5 - mid:7 - "%d" - %v`, []any{1}), `127.0.0.1:5 - mid:7 - "%d" - 1`; got != want {
		t.Errorf("got %s", got)
	}
	if got := line("100%", nil); got != "100%" {
		t.Errorf("got %s", got)
	}
	v, ok := parseViolation(nil, name+publishViolation, []any{[]byte("a.b")})
	if !ok || v.Topic != "a/b" || v.ClientID != id || v.key.id != 7 || v.Kind != RefusedPublish {
		t.Errorf("%v %+v", ok, v)
	}
	v, ok = parseViolation(nil, `[::1]:5 - mid:7 - "a\" - Publish Violation" - Subscription Violation - Subject "kh", SID kh fwc`, nil)
	if !ok || v.Topic != "kh/#" || v.Kind != RefusedSubscribe {
		t.Errorf("%v %+v", ok, v)
	}
	for _, other := range []string{"", "x", " - mid:", "a - mid:x - ", "a - mid:1 - x", `a - mid:1 - "x" - else`, `a - cid:1 - "x"`} {
		if _, ok := parseViolation(nil, other, nil); ok {
			t.Errorf("%q is a violation", other)
		}
	}
}
