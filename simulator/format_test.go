package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// Each format has a golden file with a message of each kind that it has words for.
func TestFormatsAreGolden(t *testing.T) {
	start := time.Date(2026, 3, 10, 23, 0, 0, 0, time.UTC)
	for _, name := range simulator.FormatNames() {
		var b bytes.Buffer
		for _, k := range telemetry.NewCatalogue().Kinds() {
			s := simulator.Scenario{Name: "x", Seed: 1, Start: start, End: start.Add(time.Hour),
				Fleet: []simulator.Group{{Kind: k.Kind, Count: 1, Every: 10 * time.Minute, Format: name, Power: simulator.Solar, Radio: simulator.NBIoT}}}
			if k.Kind == telemetry.Status || s.Check() != nil {
				continue
			}
			f := scenarioFleet(t, s)
			for e := range f.Feed(0, f.Start(), f.Start().Add(20*time.Minute)) {
				fmt.Fprintf(&b, "%s\n%s\n\n", e.Topic, readable(t, name, e.Payload))
				if want := map[bool]simulator.Fate{true: simulator.Stored, false: simulator.Unsubscribed}[name == simulator.Native]; e.Fate != want {
					t.Errorf("%s: %s", name, line(e))
				}
			}
		}
		if b.Len() == 0 {
			t.Errorf("%s has no kind", name)
		}
		golden(t, "formats/"+string(name)+".golden", b.Bytes())
	}
}

// readable checks that a payload is well-formed, and makes text of protobuf.
func readable(t *testing.T, name simulator.FormatName, payload []byte) string {
	t.Helper()
	if name == simulator.SparkplugB {
		return sparkplugText(t, payload)
	}
	if !json.Valid(payload) {
		t.Errorf("%s: not JSON: %s", name, payload)
	}
	return string(payload)
}

// sparkplugText decodes a Sparkplug B payload by the numbers of its fields in
// sparkplug_b.proto.
func sparkplugText(t *testing.T, b []byte) string {
	t.Helper()
	var out []string
	each(t, b, func(n protowire.Number, v uint64, raw []byte) {
		switch n {
		case 1:
			out = append(out, fmt.Sprintf("timestamp %d", v))
		case 2:
			var m []string
			each(t, raw, func(n protowire.Number, v uint64, raw []byte) {
				switch n {
				case 1:
					m = append(m, string(raw))
				case 3:
					m = append(m, fmt.Sprintf("timestamp %d", v))
				case 4:
					m = append(m, fmt.Sprintf("datatype %d", v))
				case 11, 14:
					m = append(m, fmt.Sprintf("value %d", v))
				case 13:
					m = append(m, fmt.Sprintf("value %v", math.Float64frombits(v)))
				default:
					t.Errorf("metric field %d", n)
				}
			})
			out = append(out, "metric "+strings.Join(m, " "))
		case 3:
			out = append(out, fmt.Sprintf("seq %d", v))
		default:
			t.Errorf("payload field %d", n)
		}
	})
	return strings.Join(out, "\n")
}

func each(t *testing.T, b []byte, field func(n protowire.Number, v uint64, raw []byte)) {
	t.Helper()
	for len(b) > 0 {
		n, kind, used := protowire.ConsumeTag(b)
		if used < 0 {
			t.Fatal(protowire.ParseError(used))
		}
		b = b[used:]
		var v uint64
		var raw []byte
		switch kind {
		case protowire.VarintType:
			v, used = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, used = protowire.ConsumeFixed64(b)
		default:
			raw, used = protowire.ConsumeBytes(b)
		}
		if used < 0 {
			t.Fatal(protowire.ParseError(used))
		}
		field(n, v, raw)
		b = b[used:]
	}
}

// Garbage in another format is cut, and is nobody's all the same.
func TestEveryFormatSurvivesFaults(t *testing.T) {
	s := troubled()
	s.Fleet = nil
	for _, name := range simulator.FormatNames() {
		for _, k := range []telemetry.Kind{telemetry.AirQuality, telemetry.Energy, telemetry.Waste} {
			one := s
			one.Fleet = []simulator.Group{{Kind: k, Count: 2, Format: name}}
			if one.Check() == nil {
				s.Fleet = append(s.Fleet, one.Fleet...)
			}
		}
	}
	f := scenarioFleet(t, s)
	formats := map[simulator.FormatName]int{}
	for i := range f.Devices() {
		for e := range f.Feed(i, f.Start(), f.End()) {
			if d := &f.Devices()[i]; !e.Unsent {
				formats[d.Format()]++
				if d.Format() != simulator.Native && (e.Fate != simulator.Unsubscribed || len(e.Points) > 0 || strings.HasPrefix(e.Topic, "kh/")) {
					t.Errorf("%s", line(e))
				}
			}
		}
	}
	if len(formats) != len(simulator.FormatNames()) {
		t.Errorf("formats: %v", formats)
	}
}
