package devices

import (
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// maxHeard is how many heard devices are kept, in memory and in the store:
	// ids cost a sender nothing, so their number must not be theirs to choose.
	maxHeard = 10000
	// maxSample bounds what is kept of a payload as a sample, in bytes.
	maxSample = 1024
)

// Heard is a device that spoke and was not admitted, or admitted provisionally.
type Heard struct {
	Device   telemetry.Device   `json:"device"`
	Locality telemetry.Locality `json:"locality"`
	Kind     telemetry.Kind     `json:"kind"` // the last heard
	// Reason is why it was not admitted the last time; "" if it was, provisionally.
	Reason      Refusal `json:"reason,omitempty"`
	Provisional bool    `json:"provisional,omitempty"`
	// First and Last are when it was asked for here, Earliest its oldest event
	// time: what waits in quarantine begins there.
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Earliest time.Time `json:"earliest,omitzero"`
	// Count is how many readings were asked for; a re-drive asks again.
	Count int64 `json:"count"`
	// Topic, Gateway and Sample are of the last message described by
	// [Admission.Describe]: raw bytes from anybody, to be shown as such.
	Topic   string `json:"topic,omitempty"`
	Gateway string `json:"gateway,omitempty"`
	Sample  []byte `json:"sample,omitempty"`
}

// merge adds what was heard later.
func (h *Heard) merge(n Heard) {
	if h.First.IsZero() || !n.First.IsZero() && n.First.Before(h.First) {
		h.First = n.First
	}
	if h.Earliest.IsZero() || !n.Earliest.IsZero() && n.Earliest.Before(h.Earliest) {
		h.Earliest = n.Earliest
	}
	if n.Last.After(h.Last) {
		h.Last = n.Last
	}
	h.Count += n.Count
	if n.Locality != "" {
		h.Locality, h.Kind, h.Reason, h.Provisional = n.Locality, n.Kind, n.Reason, n.Provisional
	}
	if n.Topic != "" {
		h.Topic, h.Gateway, h.Sample = n.Topic, n.Gateway, n.Sample
	}
}

// Merge is h with what was heard later added; stores keep the result.
func (h Heard) Merge(later Heard) Heard {
	h.Device = later.Device
	h.merge(later)
	return h
}

// hearing gathers what is heard between two flushes.
type hearing struct {
	mu      sync.Mutex
	heard   map[telemetry.Device]*Heard
	dropped int64
}

// note adds to what was heard of a device. Strings that may share a message's
// memory are cloned by the caller where the device is new.
func (h *hearing) note(n Heard, clone func(*Heard)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.heard[n.Device]
	if known == nil {
		if len(h.heard) >= maxHeard {
			h.dropped++
			return
		}
		clone(&n)
		h.heard[n.Device] = &n
		return
	}
	clone(&n)
	known.merge(n)
}

// take takes all that was gathered.
func (h *hearing) take() []Heard {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]Heard, 0, len(h.heard))
	for _, n := range h.heard {
		out = append(out, *n)
	}
	h.heard = map[telemetry.Device]*Heard{}
	return out
}

// putBack returns what could not be stored; what came meanwhile is later.
func (h *hearing) putBack(all []Heard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range all {
		if later := h.heard[n.Device]; later != nil {
			n.merge(*later)
		} else if len(h.heard) >= maxHeard {
			h.dropped++
			continue
		}
		h.heard[n.Device] = &n
	}
}

// of is what was heard of a device since the last flush.
func (h *hearing) of(d telemetry.Device) (Heard, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.heard[d]; n != nil {
		return *n, true
	}
	return Heard{}, false
}

func (h *hearing) lost() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dropped
}

func (h *hearing) forget(devices []telemetry.Device) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range devices {
		delete(h.heard, d)
	}
}
