package ingest

import (
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/minio/highwayhash"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// batchWork is one batch on its way through the loader's steps. It is used again for
// the next batch.
type batchWork struct {
	items  []item
	points []telemetry.Point
	// owners holds, for each point, the item it came from.
	owners []int
	// values backs the points' values, so that a batch allocates little.
	values []telemetry.Value
	fates  []KeyFate
	// kept holds the keys of this batch's own messages, until they are committed.
	kept map[MessageKey]bool

	positions map[Sequence]uint64
	// noted is what the journal is to note: how far its own records went.
	noted map[Sequence]uint64
	// again counts the messages whose numbers were accounted for already, lost those
	// whose numbers nobody came with.
	again, lost map[Sequence]uint64
	// marks are the records that are in the batch.
	marks   []Mark
	corrupt []Delivery
	// done are the records that may leave the journal with the batch.
	done  []Delivery
	bytes int // of the items' payloads
	taken Taken
}

// item is one message of a batch and what becomes of it.
type item struct {
	sequence Sequence
	message  Message
	device   telemetry.Device   // whose it is, if that could be read
	row      telemetry.Locality // in which row of its account it is counted
	key      MessageKey
	// content says that a message's content identifies it: it brings its own time,
	// or is the broker's memory of its topic. A device's status is retained by
	// design, and true again whenever the broker says it.
	content bool
	// redriven is the quarantined message this is, if it comes from there.
	redriven *Quarantined
	problems []telemetry.Problem
	// stored counts the values that are in the store.
	stored    int
	duplicate bool
	canary    uint64 // its number; 0 if it is none
	fate      Fate
}

// owner is whose message it is: as its readings say, or else its topic.
func (it *item) owner() telemetry.Device {
	if it.device != "" {
		return it.device
	}
	return codec.TopicDevice(it.message.Topic)
}

func newBatchWork(taken Taken) *batchWork {
	return &batchWork{positions: map[Sequence]uint64{}, noted: map[Sequence]uint64{}, again: map[Sequence]uint64{}, lost: map[Sequence]uint64{}, kept: map[MessageKey]bool{}, taken: taken}
}

func (w *batchWork) reset() {
	clear(w.items)
	clear(w.points)
	clear(w.done)
	clear(w.positions)
	clear(w.noted)
	clear(w.again)
	clear(w.lost)
	clear(w.kept)
	w.items, w.points, w.owners, w.values = w.items[:0], w.points[:0], w.owners[:0], w.values[:0]
	w.marks, w.done, w.corrupt, w.bytes = w.marks[:0], w.done[:0], nil, 0
}

// decode turns the messages into points with the device in the site's place,
// checked against the catalogue, and marks duplicates.
func (l *Loader) decode(w *batchWork) {
	now := l.Now()
	for i := range w.items {
		it := &w.items[i]
		if l.takeCanary(w, i, now) {
			continue
		}
		d, ok := l.decodeOne(it)
		it.content = it.message.Retained && !isStatus(d.Readings) || ok && allGiven(d.Readings)
		it.key = l.hash.of(it)
		if it.duplicate = l.isDuplicate(w, it); it.duplicate {
			it.problems = nil
			continue
		}
		for _, r := range d.Readings {
			l.check(w, i, r, now)
		}
		w.kept[it.key] = true
	}
}

// isDuplicate reports whether the same message has been dealt with before. Where
// the content identifies a message, the same content is enough. Else ("25 °C",
// without a time, may well be true twice) it is one if the same content did come
// under the same key of the sender's; or if the broker says that it may have sent
// it before and the same content did come under the same packet identifier.
func (l *Loader) isDuplicate(w *batchWork, it *item) bool {
	fate := l.Ledger.Seen(it.key)
	if w.kept[it.key] {
		fate = Kept
	}
	if it.redriven != nil { // its own key is remembered as Held
		return it.content && fate == Kept && !it.redriven.Partial
	}
	return fate != Unseen && (it.content || it.message.Redelivered || it.message.Key != 0)
}

// decodeOne decodes one message; what is wrong with all of it becomes the item's
// problem.
func (l *Loader) decodeOne(it *item) (codec.Decoded, bool) {
	m, lost := it.message, l.place(it)
	if m.FullSize > len(m.Payload) {
		it.problems = append(it.problems, telemetry.Problem{Reason: telemetry.TooLarge,
			Detail: fmt.Sprintf("the payload has %d bytes, more than the journal takes; its first %d are kept", m.FullSize, len(m.Payload))})
		return codec.Decoded{}, false
	}
	if lost != nil {
		it.problems = append(it.problems, asProblem(lost))
		return codec.Decoded{}, false
	}
	d, err := l.Codec(it.sequence.Gateway, m.Topic).Decode(codec.Message{Topic: m.Topic, Payload: m.Payload, Received: m.Received, Retained: m.Retained})
	if err != nil {
		p := asProblem(err)
		if p.Reason == telemetry.BadTopic || p.Reason == telemetry.UnknownKind {
			near := l.topics.Examine(m.Topic, l.Admission)
			if near.Nearest != "" {
				p.Detail += "; did you mean " + near.Nearest + "?"
			}
			if near.Known { // who looks for what became of it will look there
				it.device = near.Device
			}
		}
		it.problems = append(it.problems, p)
		return codec.Decoded{}, false
	}
	it.problems = append(it.problems, d.Problems...)
	return d, true
}

// check puts the storable values of a reading into the batch.
func (l *Loader) check(w *batchWork, owner int, r telemetry.Reading, now time.Time) {
	it := &w.items[owner]
	it.device = r.Device
	// What keeps all of a reading from the store comes before what is wrong with
	// single fields: it is to be mended first, and what the message waits for.
	if p, ok := l.checkTime(r.Time, now); !ok {
		it.problems = slices.Insert(it.problems, 0, p)
		return
	}
	site, err := l.Admission.Admit(r.Locality, r.Kind.Kind, r.Device, r.Time)
	if err != nil {
		it.problems = slices.Insert(it.problems, 0, asProblem(err))
		if l.Listener != nil {
			l.Listener.Refused(r.Device, it.message, it.sequence.Gateway)
		}
		return
	}
	start := len(w.values)
	for _, v := range r.Values {
		every := time.Duration(0)
		if v.Spec.Growth > 0 && l.Cadence != nil {
			every = l.Cadence(r.Device, r.Kind.Kind)
		}
		if p, ok := v.Spec.CheckIn(v.Number, every); !ok {
			it.problems = append(it.problems, p)
			continue
		}
		w.values = append(w.values, v)
	}
	if len(w.values) == start {
		return
	}
	it.stored += len(w.values) - start
	w.points = append(w.points, telemetry.Point{
		Series: telemetry.Series{Kind: r.Kind.Kind, Locality: r.Locality, Site: site, Device: r.Device},
		Time:   r.Time, Values: w.values[start:len(w.values):len(w.values)],
	})
	w.owners = append(w.owners, owner)
}

func (l *Loader) checkTime(t, now time.Time) (telemetry.Problem, bool) {
	if ahead := t.Sub(now); ahead > futureTolerance {
		return telemetry.Problem{Field: "ts", Reason: telemetry.FutureTime,
			Detail: fmt.Sprintf("%s is %v ahead of now; at most %v is taken: set the device's clock", t.UTC().Format(time.RFC3339), ahead.Round(time.Second), futureTolerance)}, false
	}
	if age := now.Sub(t); age > l.Retention {
		return telemetry.Problem{Field: "ts", Reason: telemetry.TooOld,
			Detail: fmt.Sprintf("%s is older than the store keeps (%d days): set the device's clock, or raise --retention and re-drive", t.UTC().Format(time.RFC3339), int(l.Retention.Hours()/24))}, false
	}
	return telemetry.Problem{}, true
}

// reject takes back what the store refused.
func (w *batchWork) reject(e *store.RejectedError) {
	if e == nil {
		return
	}
	for _, r := range e.Rejections {
		it := &w.items[w.owners[r.Point]]
		reason := telemetry.StoreRefused
		if r.Conflict {
			reason = telemetry.Conflict
		}
		it.problems = append(it.problems, telemetry.Problem{Field: string(r.Metric), Reason: reason, Detail: r.Detail})
		if r.Metric == "" {
			it.stored -= len(w.points[r.Point].Values)
		} else {
			it.stored--
		}
	}
}

func asProblem(err error) telemetry.Problem {
	if p, ok := err.(telemetry.Problem); ok {
		return p
	}
	return telemetry.Problem{Reason: telemetry.NotJSON, Detail: err.Error()}
}

func allGiven(readings []telemetry.Reading) bool {
	for _, r := range readings {
		if !r.TimeGiven {
			return false
		}
	}
	return len(readings) > 0
}

func isStatus(readings []telemetry.Reading) bool {
	return len(readings) > 0 && readings[0].Kind.Kind == telemetry.Status
}

// keyHash makes message keys. 128 bits leave no chance of two different
// messages being taken for one: a key met by accident would lose a reading.
type keyHash struct{ hash.Hash }

func newKeyHash() keyHash {
	// The key need not be secret, only always the same.
	h, err := highwayhash.New128([]byte("haidang message key, version 01 "))
	if err != nil {
		panic("highwayhash: " + err.Error()) // only for a key that is not 32 bytes
	}
	return keyHash{h}
}

func (h keyHash) of(it *item) (k MessageKey) {
	h.Reset()
	h.Write([]byte(it.message.Topic))
	h.Write([]byte{0})
	h.Write(it.message.Payload)
	switch {
	case it.content:
	case it.message.Key != 0:
		key := [9]byte{1}
		binary.LittleEndian.PutUint64(key[1:], it.message.Key)
		h.Write(key[:])
	default:
		h.Write([]byte{0, byte(it.message.PacketID), byte(it.message.PacketID >> 8)})
		h.Write([]byte(it.sequence.Gateway))
	}
	h.Sum(k[:0])
	return k
}
