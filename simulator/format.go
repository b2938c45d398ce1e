package simulator

import (
	"math"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// FormatName names a payload format.
type FormatName string

// The formats. The pipeline understands Native; messages in the others go to
// topics that nobody subscribes to, until there are codecs for them.
const (
	Native      FormatName = "native"
	ChirpStack  FormatName = "chirpstack"  // ChirpStack v4 uplink event, the catalogue's names in its object
	TTS         FormatName = "tts"         // The Things Stack v3 uplink, likewise
	Milesight   FormatName = "milesight"   // Milesight's decoded objects in ChirpStack's event
	Dragino     FormatName = "dragino"     // Dragino's decoded objects in The Things Stack's uplink
	Tasmota     FormatName = "tasmota"     // tele/…/SENSOR, local time without a zone
	Shelly      FormatName = "shelly"      // Shelly Gen2 NotifyStatus
	Zigbee2MQTT FormatName = "zigbee2mqtt" // no time at all
	SenML       FormatName = "senml"       // RFC 8428
	SparkplugB  FormatName = "sparkplug"   // protobuf
	NGSILD      FormatName = "ngsi-ld"     // Smart Data Models, as FIWARE's brokers have them
)

// FormatNames lists the formats.
func FormatNames() []FormatName {
	return []FormatName{Native, ChirpStack, TTS, Milesight, Dragino, Tasmota, Shelly, Zigbee2MQTT, SenML, SparkplugB, NGSILD}
}

// format is a way to write an uplink.
type format struct {
	name FormatName
	// kinds are those it has words for; none is all.
	kinds []telemetry.Kind
	// topic is where a device publishes; address, if not nil, where an uplink goes
	// that differs from message to message.
	topic   func(d *Device) string
	address func(u *uplink) string
	append  func(b []byte, u *uplink) []byte
}

// formats are all of them by name.
func formats() map[FormatName]*format {
	all := make(map[FormatName]*format)
	for _, f := range []*format{
		{name: Native, topic: nativeTopic, append: func(b []byte, u *uplink) []byte { return appendNative(b, u, nativeFlaw{}) }},
		chirpStack(), tts(), milesight(), dragino(), tasmota(), shelly(), zigbee2MQTT(), senML(), sparkplugB(), ngsiLD(),
	} {
		all[f.name] = f
	}
	return all
}

func nativeTopic(d *Device) string {
	return "kh/" + string(d.Locality) + "/" + string(d.Kind.Kind) + "/" + string(d.ID)
}

// eui is the device's EUI-64, in hexadecimal.
func (d *Device) eui() string {
	const digits = "0123456789abcdef"
	b := []byte("a84041") // Dragino's block, so that it looks familiar
	for h := d.salt; len(b) < 16; h >>= 4 {
		b = append(b, digits[h&15])
	}
	return string(b)
}

// object writes a JSON object.
type object struct {
	b     []byte
	begun bool
}

func (o *object) key(name string) *object {
	if o.begun {
		o.b = append(o.b, ',')
	}
	o.begun = true
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
	return o
}

func (o *object) number(name string, v float64) { o.b = appendNumber(o.key(name).b, v) }
func (o *object) text(name, v string)           { o.b = strconv.AppendQuote(o.key(name).b, v) }
func (o *object) raw(name, v string)            { o.b = append(o.key(name).b, v...) }

// inside writes an object within it.
func (o *object) inside(name string, fill func(*object)) {
	in := begin(o.key(name).b)
	fill(&in)
	o.b = in.end()
}

func begin(b []byte) object { return object{b: append(b, '{')} }

func (o *object) end() []byte { return append(o.b, '}') }

// rounded writes a metric's number under another name and unit, if there is one.
func (o *object) rounded(u *uplink, name string, m telemetry.Metric, factor float64, decimals int) {
	if v, ok := u.get(m); ok {
		o.number(name, round(v*factor, math.Pow10(decimals)))
	}
}

// catalogued writes the kind's own metrics by the catalogue's names.
func (o *object) catalogued(u *uplink) {
	for _, v := range u.own() {
		o.number(string(v.spec.Name), v.number)
	}
}

// battery is how full it is, in per cent, as vendors estimate it from the voltage.
func (u *uplink) battery() float64 {
	v, ok := u.get(telemetry.Battery)
	low, full := 3.5, 4.12
	switch {
	case !ok:
		return 100
	case u.device.Power == Cell:
		low, full = 3.0, 3.66
	}
	return round(100*min(max((v-low)/(full-low), 0), 1), 1)
}

// rssi is the signal strength; -70 where the device itself has none to tell.
func (u *uplink) rssi() float64 {
	if v, ok := u.get(telemetry.RSSI); ok {
		return v
	}
	return -70
}

// utc writes a time as the networks do, in UTC.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
