package simulator

import (
	"math"
	"sort"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Message is what a device publishes.
type Message struct {
	Topic   string
	Payload []byte
}

// Message renders a planned message. The same planned message gives the same
// bytes at any time and on any goroutine.
func (f *Fleet) Message(p Planned) Message {
	d := &f.devices[p.Device]
	return Message{Topic: d.topic, Payload: f.appendPayload(make([]byte, 0, 64+24*len(d.channels)), p)}
}

// appendPayload appends a planned message's payload in the native format.
func (f *Fleet) appendPayload(b []byte, p Planned) []byte {
	b = append(b, `{"ts":`...)
	b = strconv.AppendInt(b, p.Due.UnixMilli(), 10)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, p.Sequence, 10)
	for _, c := range f.devices[p.Device].channels {
		b = append(b, ',', '"')
		b = append(b, c.metric...)
		b = append(b, '"', ':')
		b = c.appendValue(b, p.Due)
	}
	return append(b, '}')
}

// appendValue appends what the channel's instrument shows at a time.
func (c *channel) appendValue(b []byte, t time.Time) []byte {
	scale := math.Pow10(c.decimals)
	// Adding 0 turns a -0 that rounding left into 0.
	return strconv.AppendFloat(b, math.Round(c.signal.At(t)*scale)/scale+0, 'f', -1, 64)
}

// inCatalogueOrder sorts channels as the catalogue lists their metrics.
func inCatalogueOrder(kind *telemetry.KindSpec, cs []channel) []channel {
	place := func(c channel) int {
		if m := kind.Metric([]byte(c.metric)); m != nil {
			return m.Index
		}
		return len(kind.Metrics)
	}
	sort.SliceStable(cs, func(i, j int) bool { return place(cs[i]) < place(cs[j]) })
	return cs
}

// statusTopic is where a device's state is told.
func (d *Device) statusTopic() string {
	return "kh/" + string(d.Locality) + "/" + string(telemetry.Status) + "/" + string(d.ID)
}
