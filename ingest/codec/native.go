package codec

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Native decodes the native format; the package's documentation states it. It
// reuses all of its memory, so that an ordinary message costs no allocation.
type Native struct {
	kinds      map[telemetry.Kind]*kind
	kindNames  string
	computed   map[telemetry.Kind]bool
	maxPayload int

	// dec reads straight from the payload through source, without a copy.
	dec     *jsontext.Decoder
	options []jsontext.Options
	source  bytes.Buffer

	obj      object
	readings [1]telemetry.Reading
}

// kind is a kind with what is worth making once of it.
type kind struct {
	spec    *telemetry.KindSpec
	metrics string // the names, as a person reads them
}

// NewNative makes a codec for the native format. A payload of more than
// maxPayload bytes is not decoded; 0 or less stands for [DefaultMaxPayload].
func NewNative(cat *telemetry.Catalogue, maxPayload int) *Native {
	if maxPayload <= 0 {
		maxPayload = DefaultMaxPayload
	}
	specs := cat.Kinds()
	n := &Native{
		kinds:      make(map[telemetry.Kind]*kind, len(specs)),
		maxPayload: maxPayload,
		dec:        new(jsontext.Decoder),
		// Repeated keys are found here, field by field: to the decoder one of
		// them would spoil the whole message.
		options: []jsontext.Options{jsontext.AllowDuplicateNames(true)},
	}
	names := make([]string, 0, len(specs))
	most := 0
	for i := range specs {
		spec := &specs[i]
		names = append(names, string(spec.Kind))
		most = max(most, len(spec.Metrics))
		n.kinds[spec.Kind] = &kind{spec: spec, metrics: metricNames(spec)}
	}
	n.kindNames = strings.Join(names, ", ")
	n.computed = map[telemetry.Kind]bool{}
	for _, k := range cat.Computed() {
		n.computed[k.Kind] = true
	}
	n.obj.marks = make([]mark, most)
	n.obj.values = make([]telemetry.Value, 0, most)
	return n
}

func metricNames(spec *telemetry.KindSpec) string {
	names := make([]string, len(spec.Metrics))
	for i := range spec.Metrics {
		names[i] = string(spec.Metrics[i].Name)
	}
	return strings.Join(names, ", ")
}

// Decode implements [Codec]. The steps are in the order in which a person would
// want to hear of what is wrong: the address, the form, the time, the fields.
func (n *Native) Decode(m Message) (Decoded, error) {
	topic, err := n.parseTopic(m.Topic)
	if err != nil {
		return Decoded{}, err
	}
	if len(m.Payload) > n.maxPayload {
		return Decoded{}, whole(telemetry.TooLarge, "the payload has %d bytes; %d is the limit", len(m.Payload), n.maxPayload)
	}
	word := bytes.TrimSpace(m.Payload)
	if len(word) == 0 {
		return Decoded{}, whole(telemetry.Empty, "the payload is empty")
	}
	n.obj.begin(topic.kind, m.Received)
	isStatus := topic.kind.spec.Kind == telemetry.Status
	if isStatus && word[0] != '{' {
		err = n.obj.readState(word)
	} else {
		err = n.readObject(m.Payload)
	}
	if err != nil {
		return Decoded{}, err
	}
	return n.finish(m, topic, isStatus)
}

// finish makes the reading of what was read.
func (n *Native) finish(m Message, t topic, isStatus bool) (Decoded, error) {
	o := &n.obj
	at, given := m.Received.UTC(), false
	if !isStatus {
		if err := cmp.Or(o.checkTime(), o.checkMisnamed()); err != nil {
			return Decoded{}, err
		}
		if o.timeGiven {
			at, given = o.time, true
		}
	}
	if len(o.values) == 0 && len(o.problems) == 0 {
		return Decoded{}, whole(telemetry.Empty, "the payload has no value for any metric of %s", t.kind.spec.Kind)
	}
	if m.Retained && !given && !isStatus {
		return Decoded{}, whole(telemetry.NoTime,
			"the message is retained and has no ts, so when it was measured is not known; send ts, or do not retain readings")
	}
	d := Decoded{Problems: o.listed()}
	values := o.used()
	if len(values) == 0 {
		return d, nil
	}
	n.readings[0] = telemetry.Reading{
		Locality:  t.locality,
		Device:    t.device,
		Kind:      t.kind.spec,
		Time:      at,
		TimeGiven: given,
		Received:  m.Received,
		Values:    values,
	}
	d.Readings = n.readings[:]
	return d, nil
}
