package e2e_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sensor is a device that a publisher plays.
type sensor struct {
	locality, kind, device string
	last                   int64 // the time of its last reading, Unix milliseconds
	count                  int
}

// sensors are some of two kinds in each of the four default localities; suffix tells
// those of one publisher from another's.
func sensors(suffix string) []*sensor {
	var all []*sensor
	for _, locality := range []string{"nha-trang", "cam-ranh", "ninh-hoa", "cam-lam"} {
		all = append(all,
			&sensor{locality: locality, kind: "air_quality", device: "air-" + locality + suffix},
			&sensor{locality: locality, kind: "weather", device: "met-" + locality + suffix})
	}
	return all
}

// reading is one numbered message: the seq'th of its sensor, at a time of its
// own.
type reading struct {
	sensor *sensor
	seq    int
	at     int64
}

func (r reading) topic() string {
	return "kh/" + r.sensor.locality + "/" + r.sensor.kind + "/" + r.sensor.device
}

func (r reading) payload() []byte {
	return fmt.Appendf(nil, `{"ts":%d,"seq":%d,"temperature":%g}`, r.at, r.seq, r.temperature())
}

// temperature is a value that follows from the number, so that a mix-up shows.
func (r reading) temperature() float64 { return float64(r.seq%500) / 10 }

// publisher publishes numbered readings to a broker, through all its absences,
// and sends again what got no PUBACK (of QoS 2: no PUBREC, and the PUBREL for which no
// PUBCOMP came).
type publisher struct {
	dialed
	t       *testing.T
	name    string // its client id
	broker  string // host:port
	rate    int    // readings a second while connected
	window  int    // at most so many wait for their PUBACK
	late    bool   // each tenth reading is an hour old
	sensors []*sensor

	mu       sync.Mutex
	readings []reading
	waiting  map[uint16]int // packet id → index of the reading
	released map[uint16]bool
	pubacks  int
	resent   int
	connects int

	stopping, done chan struct{}
}

// publish starts a publisher; finish ends it.
func publish(t *testing.T, broker string, rate int, late bool) *publisher {
	t.Helper()
	return publishAs(t, broker, "publisher", dialed{4, 1}, rate, late)
}

// publishAs starts one with a name, which its sensors have too, and a way to speak.
func publishAs(t *testing.T, broker, name string, how dialed, rate int, late bool) *publisher {
	t.Helper()
	suffix := strings.TrimPrefix(name, "publisher")
	p := &publisher{
		dialed: how, t: t, name: name, broker: broker, rate: rate, window: 400, late: late, sensors: sensors(suffix),
		waiting: map[uint16]int{}, released: map[uint16]bool{}, stopping: make(chan struct{}), done: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	go p.run(ctx)
	t.Cleanup(func() {
		cancel()
		<-p.done
	})
	return p
}

func (p *publisher) run(ctx context.Context) {
	defer close(p.done)
	for {
		err := p.session(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// session publishes over one connection. nil means that it is finished.
func (p *publisher) session(ctx context.Context) error {
	w, err := dialWith(ctx, p.broker, p.name, p.dialed)
	if err != nil {
		return err
	}
	defer w.close()
	if err := p.resume(w); err != nil {
		return err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	due, before := 0.0, time.Now()
	for {
		select {
		case id := <-w.acks:
			if p.acknowledged(id); p.qos == 2 {
				if err := errors.Join(w.release(id), w.flush()); err != nil {
					return err
				}
			}
		case id := <-w.completed:
			p.completed(id)
		case <-w.broken:
			return w.err
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			due = min(due+now.Sub(before).Seconds()*float64(p.rate), float64(p.rate))
			before = now
			if p.finished() {
				return w.disconnect()
			}
			for ; due >= 1; due-- {
				sent, err := p.sendNext(w)
				if err != nil {
					return err
				}
				if !sent {
					break
				}
			}
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
}

// resume sends what got no PUBACK on the connections before, in its order.
func (p *publisher) resume(w *wire) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connects++
	for id := range p.released {
		if err := w.release(id); err != nil {
			return err
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(p.waiting), func(a, b uint16) int { return cmp.Compare(p.waiting[a], p.waiting[b]) }) {
		r := p.readings[p.waiting[id]]
		if err := w.publish(r.topic(), r.payload(), id, true); err != nil {
			return err
		}
		p.resent++
	}
	return w.flush()
}

// sendNext sends a new reading, if it may.
func (p *publisher) sendNext(w *wire) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) >= p.window || p.ending() {
		return false, nil
	}
	index := len(p.readings)
	s := p.sensors[index%len(p.sensors)]
	s.last = max(s.last+1, time.Now().UnixMilli())
	r := reading{sensor: s, seq: s.count, at: s.last}
	if p.late && s.count%10 == 9 {
		r.at -= time.Hour.Milliseconds()
	}
	s.count++
	id := uint16(index%math.MaxUint16 + 1)
	for _, taken := p.waiting[id]; taken || p.released[id]; _, taken = p.waiting[id] {
		id = id%math.MaxUint16 + 1
	}
	p.readings = append(p.readings, r)
	p.waiting[id] = index
	return true, w.publish(r.topic(), r.payload(), id, false)
}

func (p *publisher) acknowledged(id uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.waiting[id]; !ok {
		p.t.Errorf("%s: PUBACK for packet %d, which does not wait for one", p.name, id)
	}
	delete(p.waiting, id)
	if p.qos == 2 {
		p.released[id] = true
	}
	p.pubacks++
}

func (p *publisher) completed(id uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.released, id)
}

func (p *publisher) ending() bool {
	select {
	case <-p.stopping:
		return true
	default:
		return false
	}
}

func (p *publisher) finished() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ending() && len(p.waiting)+len(p.released) == 0
}

// acked is how many readings have their PUBACK.
func (p *publisher) acked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pubacks
}

// progress waits until n more readings have their PUBACK.
func (p *publisher) progress(n int) {
	p.t.Helper()
	before := p.acked()
	eventually(p.t, patience, fmt.Sprintf("%d more readings are acknowledged", n), func() bool { return p.acked() >= before+n })
}

// finish makes no more readings, waits until all have their PUBACK, and returns
// them.
func (p *publisher) finish() []reading {
	p.t.Helper()
	close(p.stopping)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("after %v only %d readings have their PUBACK", patience, p.acked())
	}
	p.t.Logf("%s (MQTT %d, QoS %d): %d readings, %d PUBACKs, %d sent again, %d connections", p.name, p.version, p.qos, len(p.readings), p.pubacks, p.resent, p.connects)
	return p.readings
}
