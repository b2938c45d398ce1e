package codec

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxDepth is how deep what stands in a field may be nested. Nothing nested is
// ever used; the bound keeps a payload of brackets from costing memory.
const maxDepth = 64

const timeKey = "ts"

// object gathers what is read of one payload. Its memory serves every message in
// turn.
type object struct {
	kind   *kind
	values []telemetry.Value
	// marks has a place for each of the kind's metrics, by Index. A mark of an
	// earlier round is no mark: that saves wiping them for each message.
	marks   []mark
	round   uint64
	dropped int // values that were taken back: their Spec is nil

	time      time.Time
	timeGiven bool
	timeFault string // why the ts is none
	times     int    // how often it came

	received time.Time // the message's
	misnamed misnamed

	problems   []telemetry.Problem
	unlisted   int              // problems beyond maxProblems
	unlistedOf telemetry.Reason // the first one's reason
}

// mark remembers a metric that was met.
type mark struct {
	round    uint64
	at       int // its place in values, -1 if it has none
	repeated bool
}

func (o *object) begin(k *kind, received time.Time) {
	o.kind, o.received, o.misnamed = k, received, misnamed{}
	o.values = o.values[:0]
	o.round++
	o.dropped = 0
	o.time, o.timeGiven, o.timeFault, o.times = time.Time{}, false, "", 0
	o.problems = o.problems[:0]
	o.unlisted = 0
}

// used are the values that stand.
func (o *object) used() []telemetry.Value {
	if o.dropped == 0 {
		return o.values
	}
	kept := o.values[:0]
	for _, v := range o.values {
		if v.Spec != nil {
			kept = append(kept, v)
		}
	}
	return kept
}

// readState reads the payload of a status message that is no object.
func (o *object) readState(word []byte) error {
	spec := o.kind.spec.Metric([]byte(telemetry.Online))
	state := 0.0
	switch strings.ToLower(string(word[:min(len(word), maxQuoted)])) {
	case `online`, `"online"`, `true`, `1`:
		state = 1
	case `offline`, `"offline"`, `false`, `0`:
	default:
		return whole(telemetry.WrongType,
			`a status is online, offline, 1, 0 or an object like {"online":true}; %s is none of them`, quote(string(word)))
	}
	o.values = append(o.values, telemetry.Value{Spec: spec, Number: state})
	return nil
}

// readObject reads a payload to its end. It fails only where the payload is not
// one well-formed object.
func (n *Native) readObject(payload []byte) error {
	n.source = *bytes.NewBuffer(payload)
	n.dec.Reset(&n.source, n.options...)
	if k := n.dec.PeekKind(); k != jsontext.KindInvalid && k != jsontext.KindBeginObject {
		if err := n.dec.SkipValue(); err != nil { // it only begins like one
			return explainSyntax(payload, err)
		}
		return whole(telemetry.NotJSON, "the payload is %s; one object like {\"ts\":1795293000123,\"bat\":3.7} is needed", article(k))
	}
	if _, err := n.dec.ReadToken(); err != nil {
		return explainSyntax(payload, err)
	}
	for n.dec.PeekKind() != jsontext.KindEndObject {
		key, err := n.readKey()
		if err == nil {
			err = n.readField(key)
		}
		if err != nil {
			return explainSyntax(payload, err)
		}
	}
	if _, err := n.dec.ReadToken(); err != nil {
		return explainSyntax(payload, err)
	}
	end := int(n.dec.InputOffset())
	if rest := bytes.TrimLeft(payload[end:], " \t\r\n"); len(rest) > 0 {
		return whole(telemetry.NotJSON, "%s follows the object, at byte offset %d; a payload is one object and nothing else",
			quote(string(rest[:min(len(rest), maxQuoted)])), len(payload)-len(rest))
	}
	return nil
}

// readKey reads a key. It is valid until the next read.
func (n *Native) readKey() ([]byte, error) {
	raw, err := n.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	return content(raw)
}

// content is the text of a JSON string. Only where something is escaped in it
// does it take memory of its own.
func content(raw jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	return jsontext.AppendUnquote(nil, []byte(raw))
}

// readField reads the value that belongs to a key. An error is one of the
// payload's syntax; what is wrong with the value itself is listed.
func (n *Native) readField(key []byte) error {
	o := &n.obj
	if string(key) == timeKey {
		return n.readTime()
	}
	spec := o.kind.spec.Metric(key)
	if spec == nil {
		o.unknown(key)
		return n.readUnknown(key)
	}
	if !o.firstMet(spec) {
		return n.skip()
	}
	switch k := n.dec.PeekKind(); k {
	case jsontext.KindNumber:
		raw, err := n.dec.ReadValue()
		if err != nil {
			return err
		}
		o.number(spec, raw)
	case jsontext.KindString:
		raw, err := n.dec.ReadValue()
		if err != nil {
			return err
		}
		text, err := content(raw)
		if err != nil {
			return err
		}
		o.text(spec, text)
	case jsontext.KindTrue, jsontext.KindFalse:
		if _, err := n.dec.ReadToken(); err != nil {
			return err
		}
		o.truth(spec, k == jsontext.KindTrue)
	case jsontext.KindBeginObject, jsontext.KindBeginArray:
		o.problem(spec, telemetry.WrongType, "the value is "+article(k)+"; "+o.needed(spec)+", and payloads are flat")
		return n.skip()
	default: // null, or a fault that skip returns
		return n.skip()
	}
	return nil
}

// skip reads past a value. It does not recurse, however deep the value is.
func (n *Native) skip() error {
	outside := n.dec.StackDepth()
	for {
		if _, err := n.dec.ReadToken(); err != nil {
			return err
		}
		switch depth := n.dec.StackDepth(); {
		case depth <= outside:
			return nil
		case depth > maxDepth:
			return errTooDeep(n.dec.InputOffset())
		}
	}
}

func errTooDeep(at int64) error {
	return &jsontext.SyntacticError{ByteOffset: at, Err: errors.New("nested too deep")}
}

// firstMet marks a metric as met. Of one that was met before, the value is taken
// back: neither is used.
func (o *object) firstMet(spec *telemetry.MetricSpec) bool {
	m := &o.marks[spec.Index]
	if m.round != o.round {
		*m = mark{round: o.round, at: -1}
		return true
	}
	if m.at >= 0 {
		o.values[m.at].Spec = nil
		o.dropped++
		m.at = -1
	}
	if !m.repeated {
		m.repeated = true
		o.problem(spec, telemetry.RepeatedField, "the field comes more than once, so none of its values is used")
	}
	return false
}

func (o *object) set(spec *telemetry.MetricSpec, v float64) {
	o.marks[spec.Index].at = len(o.values)
	o.values = append(o.values, telemetry.Value{Spec: spec, Number: v})
}

func (o *object) number(spec *telemetry.MetricSpec, raw []byte) {
	v, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case err != nil:
		o.problem(spec, telemetry.NotFinite, cut(string(raw))+" is too large for a number")
	case isWord(spec) && v != math.Trunc(v):
		o.problem(spec, telemetry.WrongType, cut(string(raw))+" is not a whole number; "+o.needed(spec))
	default:
		o.set(spec, v)
	}
}

func (o *object) truth(spec *telemetry.MetricSpec, v bool) {
	switch {
	case spec.Form != telemetry.Flag:
		o.problem(spec, telemetry.WrongType, "the value is "+strconv.FormatBool(v)+"; "+o.needed(spec))
	case v:
		o.set(spec, 1)
	default:
		o.set(spec, 0)
	}
}

// text handles a string: right only as a word for the quality.
func (o *object) text(spec *telemetry.MetricSpec, text []byte) {
	if spec.Name == telemetry.QualityCode {
		switch string(text) {
		case "measuring", "00":
			o.set(spec, float64(telemetry.Measuring))
			return
		case "calibrating", "01":
			o.set(spec, float64(telemetry.Calibrating))
			return
		case "error", "02":
			o.set(spec, float64(telemetry.InstrumentError))
			return
		}
	}
	s := string(text)
	detail := quote(s) + " is a string; " + o.needed(spec)
	switch v, err := strconv.ParseFloat(strings.TrimSpace(s), 64); {
	case spec.Name == telemetry.QualityCode:
	case s == "" || err == nil && (math.IsNaN(v) || math.IsInf(v, 0)):
		detail += "; for no value leave the field out or send null"
	case err == nil:
		detail += ", without quotes"
	}
	o.problem(spec, telemetry.WrongType, detail)
}

// isWord is whether a metric's numbers stand for words, with none in between.
func isWord(spec *telemetry.MetricSpec) bool {
	return spec.Form == telemetry.Flag || spec.Name == telemetry.QualityCode
}

// needed says what a metric's value has to be.
func (o *object) needed(spec *telemetry.MetricSpec) string {
	switch {
	case spec.Form == telemetry.Flag:
		return "true, false, 1 or 0 is needed"
	case spec.Name == telemetry.QualityCode:
		return `0 ("measuring"), 1 ("calibrating") or 2 ("error") is needed`
	default:
		return "a number is needed"
	}
}
