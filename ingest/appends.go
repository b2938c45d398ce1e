package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	// cutPayload is how much is kept of a payload the journal cannot hold.
	cutPayload = 64 << 10
	// StopGrace is how long a stopping gateway may take to put what it holds
	// into the journal; what it cannot, is sent again by who has no acknowledgement.
	StopGrace = 3 * time.Second
)

// Cut is what is kept of a payload that is longer than longest, the journal's bound.
func Cut(payload []byte, longest int) []byte { return payload[:min(cutPayload, longest)] }

// Place is where the journal has put a record's first message.
type Place struct {
	Epoch Epoch
	First uint64
}

// Appends puts the messages of one gateway into the journal, record after record, through
// any absence of the journal and any new epoch of it, and keeps the gateway's count.
// Begin comes first; Append is called from one goroutine.
type Appends struct {
	Gateway string
	Journal Appender
	// Held says in the log where messages wait while the journal does not accept.
	Held string
	// Count is the gateway's own count of messages; nil counts nothing.
	Count   *Count
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics *Metrics

	next Place
	// refusal is why the journal does not accept at the moment.
	refusal atomic.Pointer[error]
}

func (a *Appends) settings(g *Gateway) {
	a.Gateway, a.Journal, a.Count, a.Now, a.Logger, a.Metrics = g.Name, g.Journal, g.Count, g.Now, g.Logger, g.Metrics
	a.Held = "the broker holds the messages until it does"
}

// Begin asks the journal where the gateway stands, until it answers or ctx ends.
func (a *Appends) Begin(ctx context.Context) (err error) {
	a.Metrics.begin(a.Gateway)
	if a.next, err = a.position(ctx); err == nil {
		a.Count.resume(a.next.First)
	}
	return err
}

// Refusal is why the journal does not accept at the moment; nil if it does.
func (a *Appends) Refusal() error {
	if err := a.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// position asks the journal where this gateway stands, until it answers.
func (a *Appends) position(ctx context.Context) (Place, error) {
	for wait := time.Second / 4; ; wait = min(2*wait, maxBackoff) {
		epoch, first, err := a.Journal.Position(ctx, a.Gateway)
		if err == nil {
			return Place{epoch, first}, nil
		}
		a.Logger.Error("cannot read the journal; trying again", "gateway", a.Gateway, "error", err, "wait", wait)
		if !sleep(ctx, wait) {
			return Place{}, fmt.Errorf("read position of gateway %s: %w", a.Gateway, err)
		}
	}
}

// Append puts messages into the journal as one record, however often it must try, and
// says where they are. behind is how many more wait, for the metrics. Once stored they
// may be acknowledged; more is false if ctx has ended, and then nothing may follow. It
// keeps no message.
func (a *Appends) Append(ctx context.Context, messages []Message, behind int) (at Place, stored, more bool) {
	r := Record{Gateway: a.Gateway, Epoch: a.next.Epoch, First: a.next.First, Messages: messages}
	a.Metrics.recordSize.Observe(float64(len(messages)))
	a.Metrics.inFlight.WithLabelValues(a.Gateway).Set(float64(len(messages) + behind))
	a.Count.take(r)
	err := a.try(ctx, &r)
	if err != nil {
		// The record may be half way into the journal. It is repeated under
		// the grace, so that no other record can take its numbers.
		if err = a.appendLast(r); err != nil {
			a.Logger.Warn("stopped before the journal accepted; these messages are not acknowledged and come again", "gateway", a.Gateway, "messages", len(messages), "error", err)
			return Place{}, false, false
		}
	} else {
		more = true
	}
	a.Metrics.inFlight.WithLabelValues(a.Gateway).Set(float64(behind))
	a.Count.confirm()
	a.next = Place{r.Epoch, r.End()}
	return Place{r.Epoch, r.First}, true, more
}

// try appends until it succeeds, or ctx ends: then it gives an error.
func (a *Appends) try(ctx context.Context, r *Record) error {
	failed := false
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		start := a.Now()
		err := a.Journal.Append(ctx, *r)
		if err == nil {
			a.Metrics.appendSeconds.Observe(a.Now().Sub(start).Seconds())
			break
		}
		if ctx.Err() != nil {
			return err
		}
		if errors.Is(err, ErrPosition) {
			a.renumber(ctx, r, err)
			continue
		}
		a.Metrics.appendErrors.WithLabelValues(a.Gateway).Inc()
		a.refusal.Store(&err)
		if !failed {
			failed = true
			a.Logger.Error("journal does not accept; "+a.Held, "gateway", a.Gateway, "error", err)
		}
		if !sleep(ctx, wait) {
			return err
		}
	}
	if failed {
		a.refusal.Store(nil)
		a.Logger.Info("journal accepts again", "gateway", a.Gateway)
	}
	return nil
}

// renumber gives the record the numbers that follow what the journal has of this
// gateway.
func (a *Appends) renumber(ctx context.Context, r *Record, cause error) {
	next, err := a.position(ctx)
	if err != nil {
		return // ctx has ended
	}
	if next.Epoch == r.Epoch {
		a.Logger.Warn("messages are numbered anew; each gateway must run in one process only", "gateway", a.Gateway, "error", cause)
	} else {
		a.Logger.Info("the journal has begun a new epoch: messages are counted from its beginning", "gateway", a.Gateway, "epoch", next.Epoch, "position", next.First)
	}
	r.Epoch, r.First = next.Epoch, next.First
	a.Count.renumber(next.First)
}

// appendLast tries once more to append a record that a stop interrupted.
func (a *Appends) appendLast(r Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), StopGrace)
	defer cancel()
	return a.Journal.Append(ctx, r)
}

// Received counts messages that were delivered to a gateway, whether or not they are in the
// journal yet.
func (m *Metrics) Received(gateway string, messages, bytes int) {
	m.received.WithLabelValues(gateway).Add(float64(messages))
	m.receivedBytes.WithLabelValues(gateway).Add(float64(bytes))
}

// Connected shows whether a gateway that is no session of another broker takes messages.
func (m *Metrics) Connected(gateway string, yes bool) {
	m.connected.WithLabelValues(gateway).Set(map[bool]float64{true: 1}[yes])
}
