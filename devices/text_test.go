package devices_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/text/unicode/norm"

	"github.com/haidang-iot/haidang/devices"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func golden(t *testing.T, name, have string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s differs (run with -update if that is right):\n%s", file, diff)
	}
}

func TestSearchKey(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"Nha Trang", "nha trang"},
		{"nha-trang", "nha trang"},
		{"Đồng Trăng, sông Cái", "dong trang song cai"},
		{norm.NFD.String("Đồng Trăng"), "dong trang"},
		{"Ninh Hòa", "ninh hoa"},
		{"Ninh Hoà", "ninh hoa"},
		{"ƯỚC MƠ", "uoc mo"},
		{"PM2,5", "pm2 5"},
		{"kcn_suoi.dau:1", "kcn suoi dau 1"},
		{"  --  ", ""},
		{"%_'\"", ""},
		{"\xff\xfe", ""},
	} {
		if have := devices.SearchKey(c.text); have != c.want {
			t.Errorf("%q: have %q, want %q", c.text, have, c.want)
		}
	}
}

func FuzzSearchKey(f *testing.F) {
	for _, s := range []string{"Nha Trang", "Đ", "İ", "ﬁ", "ⅷ", "a\u0301\u0323", "ﷺ", "½", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key := devices.SearchKey(s)
		switch {
		case !utf8.ValidString(key):
			t.Errorf("%q: the key %q is not UTF-8", s, key)
		case devices.SearchKey(key) != key:
			t.Errorf("%q: the key of %q is %q", s, key, devices.SearchKey(key))
		case strings.Contains(key, "  ") || strings.TrimSpace(key) != key || strings.ContainsAny(key, "%_'\\"):
			t.Errorf("%q: the key is %q", s, key)
		case utf8.ValidString(s) && (devices.SearchKey(norm.NFD.String(s)) != key || devices.SearchKey(norm.NFC.String(s)) != key):
			t.Errorf("%q: its forms have other keys than %q", s, key)
		}
	})
}

func TestSlug(t *testing.T) {
	for text, want := range map[string]string{
		"Tháp Trầm Hương": "thap-tram-huong", "  Cầu Đá / Viện!": "cau-da-vien", "海": "", "海 a": "a", strings.Repeat("ab ", 40): strings.Repeat("ab-", 19) + "ab",
	} {
		if have := devices.Slug(text); strings.TrimRight(have, "-") != have || len(have) > 60 || len(want) < 60 && have != want {
			t.Errorf("%q: have %q, want %q", text, have, want)
		}
	}
}

func TestParsePosition(t *testing.T) {
	for _, c := range []struct {
		text     string
		lat, lon float64
	}{
		{"12.2389, 109.1967", 12.2389, 109.1967},
		{"12.2389 109.1967", 12.2389, 109.1967},
		{"12.2389,109.1967", 12.2389, 109.1967},
		{" 12,2389; 109,1967 ", 12.2389, 109.1967},
		{"12,2389 109,1967", 12.2389, 109.1967},
		{"12,2389, 109,1967", 12.2389, 109.1967},
		{"12,2389,109,1967", 12.2389, 109.1967},
		{"12,109", 12, 109},
		{"-12.5, 109", -12.5, 109},
		{"109.1967, 12.2389", 109.1967, 12.2389}, // read as it stands
		{"geo:12.2389,109.1967?z=19", 12.2389, 109.1967},
		{`12°14'20.04"N 109°11'48.12"E`, 12.2389, 109.1967},
		{`12°14'20,04"B 109°11'48,12"Đ`, 12.2389, 109.1967},
		{`12°14′20.04″B, 109°11′48.12″Đ`, 12.2389, 109.1967},
		{`109°11'48.12"E, 12°14'20.04"N`, 12.2389, 109.1967},
		{"12.2389N 109.1967E", 12.2389, 109.1967},
		{"12 14.334 N 109 11.802 E", 12.2389, 109.1967},
		{"12°S 109°W", -12, -109},
		{"12°N 109°Đ", -12, 109}, // N is Nam, south, beside Đ
	} {
		p, err := devices.ParsePosition(c.text)
		if err != nil || math.Abs(p.Lat-c.lat) > 1e-6 || math.Abs(p.Lon-c.lon) > 1e-6 {
			t.Errorf("%q: have %v, %v; want %v, %v", c.text, p, err, c.lat, c.lon)
		}
	}
	for _, text := range []string{"", "12", "12.1", "a, b", "1,2,3", "NaN, NaN", "Inf 1", "0x10, 1", "1e3, 5", "200, 300", "12°N", "12°N 13°N", "12°61'N 109°E",
		"12°N 109°E x", "1_0, 5", "12.1.1, 5", strings.Repeat("9", 400) + ", 5", "\xff, \xff", "N E", "geo:"} {
		if p, err := devices.ParsePosition(text); !devices.HasReason(err, devices.ReasonBadCoordinates) {
			t.Errorf("%q: have %v, %v", text, p, err)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"12.2389, 109.1967", "12,2389,109,1967", `12°14'20.04"N 109°11'48.12"E`, "geo:1,2", "12°N 109°Đ", ";", "-0 -0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := devices.ParsePosition(s)
		if err != nil {
			if devices.CodeOf(err) != devices.Invalid {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if math.IsNaN(p.Lat) || math.Abs(p.Lat) > 180 || math.Abs(p.Lon) > 180 {
			t.Fatalf("%q: have %v", s, p)
		}
		again, err := devices.ParsePosition(p.String())
		if err != nil || math.Abs(again.Lat-p.Lat) > 1e-6 || math.Abs(again.Lon-p.Lon) > 1e-6 {
			t.Errorf("%q: have %v, and from its own text %v, %v", s, p, again, err)
		}
	})
}

func TestMessages(t *testing.T) {
	var b strings.Builder
	for _, r := range devices.Reasons() {
		vi, en := devices.Sentences(r)
		fmt.Fprintf(&b, "%s\n  vi %s\n  en %s\n", r, vi, en)
		if vi == "" || en == "" || vi == en || !norm.NFC.IsNormalString(vi) {
			t.Errorf("%s: %q, %q", r, vi, en)
		}
		if r != devices.ReasonInternal && strings.HasPrefix(en, "A fault in the system") {
			t.Errorf("%s has no sentence of its own", r)
		}
	}
	golden(t, "messages.golden", b.String())
}
