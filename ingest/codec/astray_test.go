package codec_test

import (
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// province knows four localities and one device.
type province struct{}

func (province) Localities() []telemetry.Locality {
	return []telemetry.Locality{"cam-lam", "cam-ranh", "nha-trang", "ninh-hoa"}
}

func (province) Stands(d telemetry.Device) (telemetry.Locality, telemetry.Kind) {
	if d == "aq-01" {
		return "nha-trang", telemetry.AirQuality
	}
	return "", ""
}

func TestAstrayTopics(t *testing.T) {
	topics := codec.NewTopics(telemetry.NewCatalogue())
	const right = "kh/nha-trang/air_quality/aq-01"
	for _, c := range []struct {
		topic   string
		fault   codec.Fault
		nearest string
	}{
		{right, "", ""},
		{"kh/nha-trang/status/aq-01", "", ""},
		{"", codec.EmptyTopic, ""},
		{"kh/nha-trang/air_quality/\xff", codec.NotUTF8, "kh/nha-trang/air_quality/<device>"},
		{"kh/+/air_quality/aq-01", codec.Wildcard, right},
		{"#", codec.Wildcard, ""},
		{"/" + right, codec.LeadingSlash, right},
		{"//" + right, codec.LeadingSlash, right},
		{right + "/", codec.TrailingSlash, right},
		{"kh/nha-trang//air_quality/aq-01", codec.EmptyLevel, right},
		{"kh//air_quality/aq-01", codec.EmptyLevel, right},
		{"site1/" + right, codec.Prefixed, right},
		{"a/b/c/kh/cam-ranh/noise/n-7", codec.Prefixed, "kh/cam-ranh/noise/n-7"},
		{"vn/nha-trang/air_quality/aq-01", codec.OtherRoot, right},
		{"nha-trang/air_quality/aq-01", codec.OtherRoot, right},
		{"zigbee2mqtt/kitchen", codec.OtherRoot, ""},
		{"KH/nha-trang/air_quality/aq-01", codec.WrongCase, right},
		{"kh/Nha-Trang/air_quality/aq-01", codec.WrongCase, right},
		{"kh/nha-trang/Air_Quality/aq-01", codec.WrongCase, right},
		{"kh/nhatrang/air_quality/aq-01", codec.NoSuchPlace, right},
		{"kh/nha_trang/air_quality/x-9", codec.NoSuchPlace, "kh/nha-trang/air_quality/x-9"},
		{"kh/nha-tranq/air_quality/x-9", codec.NoSuchPlace, "kh/nha-trang/air_quality/x-9"},
		{"kh/Ninh-Hòa/noise/n-1", codec.Characters, "kh/ninh-hoa/noise/n-1"},
		{"kh/hue/noise/n-1", codec.NoSuchPlace, "kh/<locality>/noise/n-1"},
		{"kh/hue/air_quality/aq-01", codec.NoSuchPlace, right},
		{"kh/nha-trang/aq-01", codec.MissingLevel, right},
		{"kh/nha-trang/n-1", codec.MissingLevel, "kh/nha-trang/<kind>/n-1"},
		{"kh/nha-trang/air_quality", codec.MissingLevel, "kh/nha-trang/air_quality/<device>"},
		{"kh/air_quality/aq-01", codec.MissingLevel, right},
		{"kh/air_quality/x-1", codec.MissingLevel, "kh/<locality>/air_quality/x-1"},
		{"kh", codec.MissingLevel, ""},
		{right + "/data", codec.ExtraLevel, right},
		{"kh/nha-trang/ward-7/air_quality/aq-01", codec.ExtraLevel, right},
		{"kh/nha-trang/air_quality/aq 01", codec.Space, right},
		{"kh/nha trang/air_quality/aq-01", codec.Space, right},
		{" kh/nha-trang/air_quality/aq-01", codec.Space, right},
		{"kh/nha-trang/air_quality/aq-01 ", codec.Space, right},
		{"kh/nha-trang/air_quality/trạm-1", codec.Characters, "kh/nha-trang/air_quality/tram-1"},
		{"kh/cam-ranh/weather/Trạm đo mưa số 1", codec.Space, "kh/cam-ranh/weather/Tram-do-mua-so-1"},
		{"kh/nha-trang/air_quality/" + strings.Repeat("d", 65), codec.TooLongLevel, "kh/nha-trang/air_quality/<device>"},
		{"kh/nha-trang/air/aq-01", codec.NoSuchKind, right},
		{"kh/nha-trang/zzz/aq-01", codec.NoSuchKind, right},
		{"kh/nha-trang/zzz/x-9", codec.NoSuchKind, "kh/nha-trang/<kind>/x-9"},
		{"kh/nha-trang/command/aq-01", codec.Command, ""},
		{"kh/nha-trang/platform/haidang", codec.ComputedKind, ""},
		{"kh/" + strings.Repeat("nha-trang", 8000) + "/noise/n", codec.TooLongLevel, ""},
	} {
		a := topics.Examine(c.topic, province{})
		if a.Fault != c.fault || a.Nearest != c.nearest {
			t.Errorf("%.80q: %s, did you mean %q; want %s, %q", c.topic, a.Fault, a.Nearest, c.fault, c.nearest)
		}
		if near := topics.Examine(a.Nearest, province{}); a.Nearest != "" && !strings.Contains(a.Nearest, "<") && near.Fault != "" {
			t.Errorf("%.80q: the nearest topic %q is none: %s", c.topic, a.Nearest, near.Fault)
		}
	}
}

// FuzzAstrayTopics demands of every topic that what is offered in its place is sound, and
// that the two judges of a topic agree.
func FuzzAstrayTopics(f *testing.F) {
	for _, s := range []string{"", "kh/nha-trang/noise/n-1", "/kh//x", "KH/Nha Trang/air_quality/aq 01", "a/kh/+/#/\xff", "kh/kh/kh/kh/kh"} {
		f.Add(s)
	}
	topics, native := codec.NewTopics(telemetry.NewCatalogue()), codec.NewNative(telemetry.NewCatalogue(), 0)
	f.Fuzz(func(t *testing.T, topic string) {
		a := topics.Examine(topic, province{})
		if a.Nearest != "" && !strings.Contains(a.Nearest, "<") {
			if near := topics.Examine(a.Nearest, province{}); near.Fault != "" {
				t.Errorf("%q: the nearest topic %q is none: %s", topic, a.Nearest, near.Fault)
			}
		}
		_, err := native.Decode(codec.Message{Topic: topic, Payload: []byte("1")})
		p, _ := err.(telemetry.Problem)
		refused := p.Reason == telemetry.BadTopic || p.Reason == telemetry.UnknownKind
		if refused && a.Fault == "" || !refused && a.Fault != "" && a.Fault != codec.NoSuchPlace && a.Fault != codec.WrongCase {
			t.Errorf("%q: %s, but its codec says %v", topic, a.Fault, err)
		}
	})
}
