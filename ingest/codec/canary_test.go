package codec_test

import (
	"testing"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func TestCanaryTopic(t *testing.T) {
	for filter, want := range map[string]string{
		"kh/nha-trang/#":             "kh/nha-trang/canary/~gw",
		"kh/nha-trang/+/+":           "kh/nha-trang/~gw/~gw",
		"kh/nha-trang/air_quality/+": "kh/nha-trang/air_quality/~gw",
		"#":                          "canary/~gw",
		"kh/nha-trang/noise/n-1":     "",
		"$share/group/kh/nha-trang/": "",
	} {
		topic, ok := codec.CanaryTopic(filter, "gw")
		if topic != want || ok != (want != "") {
			t.Errorf("the canary of %s goes to %q (%t), want %q", filter, topic, ok, want)
		}
		if c, back := codec.ParseCanary(topic, codec.CanaryPayload(7)); ok && (!back || c.Gateway != "gw" || c.Number != 7) {
			t.Errorf("the canary of %s comes back as %+v (%t)", filter, c, back)
		}
	}
}

func TestParseCanary(t *testing.T) {
	for _, c := range []struct {
		topic, payload string
		locality       telemetry.Locality
		ok             bool
	}{
		{"kh/nha-trang/canary/~gw", "canary 12", "nha-trang", true},
		{"kh/~gw/air_quality/~gw", "canary 12", "", true},
		{"kh/canary/~gw", "canary 12", "", true},
		{"canary/~gw", "canary 12", "", true},
		{"kh/nha-trang/canary/gw", "canary 12", "", false}, // a device may be named so
		{"kh/nha-trang/canary/~gw", `{"ts":1}`, "", false},
		{"kh/nha-trang/canary/~gw", "canary 0", "", false},
		{"kh/nha-trang/canary/~gw", "canary 1000000000000", "", false},
		{"kh/nha-trang/canary/~gw", "", "", false},
		{"kh/nha-trang/canary/~", "canary 12", "", false},
	} {
		got, ok := codec.ParseCanary(c.topic, []byte(c.payload))
		if ok != c.ok || ok && got.Locality != c.locality {
			t.Errorf("%s %q is %+v (%t), want locality %q (%t)", c.topic, c.payload, got, ok, c.locality, c.ok)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a", false},
		{"a", "a/b", false},
		{"#", "a/b", true},
		{"a/#", "a", true}, // MQTT 3.1.1, 4.7.1.2: '#' includes the parent
		{"a/#", "a/b/c", true},
		{"a/#", "ab/c", false},
		{"a/+/c", "a/b/c", true},
		{"a/+/c", "a/c", false},
		{"a/+", "a/", true},
		{"+", "a/b", false},
		{"+/+", "/a", true},
		{"/+", "/a", true},
		{"", "", true},
	} {
		if got := codec.Matches(c.filter, c.topic); got != c.want {
			t.Errorf("Matches(%q, %q) is %t", c.filter, c.topic, got)
		}
	}
}
