package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
)

const (
	// ackWait is for ever: the server shall not send a record twice to a loader
	// that waits for its store. What was lost on the way comes again because the
	// consumer is made anew after every disconnect.
	ackWait = 7 * 24 * time.Hour

	pullExpiry    = 30 * time.Second
	pullHeartbeat = 5 * time.Second

	minReopenWait = 50 * time.Millisecond
	maxReopenWait = 5 * time.Second
	reopenTimeout = 10 * time.Second
	quietTries    = 5

	// worthPurging is how many records make a purge cheaper than acknowledgements.
	worthPurging = 4

	// readyRecords are decoded in advance, so that decoding and storing overlap.
	readyRecords = 8
)

// taken is one run of a loader. A goroutine moves records from the consumer to
// Next, and makes the consumer anew whenever the connection or the consumer was
// lost.
type taken struct {
	j       *Journal
	id      string // names the consumer and, in the bucket, the newest Take
	cancel  context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended
	records chan ingest.Delivery

	endOnce sync.Once
	ended   chan struct{} // closed when no more records will come
	err     error         // why; written before ended is closed

	// noPurge says that the server refuses purges; it belongs to who acknowledges.
	noPurge bool

	mu        sync.Mutex
	positions map[ingest.Sequence]uint64 // what Processed has stored
}

// Take implements ingest.Taker. Of the stream's consumers only the newest remains,
// so that everything unacknowledged comes again at once and from the beginning.
// A Taken that has been superseded returns ErrSuperseded from Next.
func (j *Journal) Take(ctx context.Context) (ingest.Taken, error) {
	runCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &taken{
		j: j, id: "loader-" + rand.Text(), cancel: cancel, done: make(chan struct{}),
		records: make(chan ingest.Delivery, readyRecords), ended: make(chan struct{}),
		positions: make(map[ingest.Sequence]uint64),
	}
	// The claim comes before the consumer: whoever loses his consumer to us finds
	// the claim and does not take it back.
	if err := j.put(ctx, j.takerSubject(), t.id); err != nil {
		cancel()
		return nil, fmt.Errorf("take journal: claim it: %w", err)
	}
	status := j.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED)
	consumer, err := t.openConsumer(ctx)
	if err != nil {
		j.nc.RemoveStatusListener(status)
		cancel()
		return nil, fmt.Errorf("take journal: %w", err)
	}
	go func() {
		defer close(t.done)
		defer j.nc.RemoveStatusListener(status)
		t.run(runCtx, consumer, status)
	}()
	return t, nil
}

// put writes a value of the bucket. One that somebody has deleted is made anew.
func (j *Journal) put(ctx context.Context, subject, value string) error {
	_, err := j.js.Publish(ctx, subject, []byte(value))
	if nobodyTakes(err) {
		if err := j.openStreams(ctx); err != nil {
			return err
		}
		_, err = j.js.Publish(ctx, subject, []byte(value))
	}
	if err != nil {
		return reason(ctx, err)
	}
	return j.opts.SyncNames()
}

// openConsumer removes every consumer of the stream and makes the one of this run.
func (t *taken) openConsumer(ctx context.Context) (jetstream.Consumer, error) {
	if err := t.holdClaim(ctx); err != nil {
		return nil, err
	}
	names := t.j.stream.ConsumerNames(ctx)
	var old []string
	for name := range names.Name() {
		old = append(old, name)
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("list consumers: %w", err)
	}
	for _, name := range old {
		if err := t.j.stream.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil, fmt.Errorf("delete consumer %s: %w", name, err)
		}
	}
	consumer, err := t.j.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable:       t.id,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxAckPending: t.j.opts.MaxUnacknowledged,
		MaxDeliver:    -1,
		// What is acknowledged leaves the stream; the consumer's own state is
		// thrown away at every open, so it need not be on disk.
		MemoryStorage: true,
	})
	if err != nil {
		return nil, fmt.Errorf("create consumer: %w", err)
	}
	return consumer, nil
}

// holdClaim says that a newer run has taken over. A claim that is gone, with its
// bucket, nobody else has made since.
func (t *taken) holdClaim(ctx context.Context) error {
	if _, err := t.j.present(ctx); err != nil {
		return err
	}
	claim, err := t.j.bucket.GetLastMsgForSubject(ctx, t.j.takerSubject())
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrMsgNotFound):
		if err := t.j.put(ctx, t.j.takerSubject(), t.id); err != nil {
			return fmt.Errorf("claim the journal anew: %w", err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("look up who takes: %w", reason(ctx, err))
	case string(claim.Data) != t.id:
		return ErrSuperseded
	}
	return nil
}

func (t *taken) run(ctx context.Context, consumer jetstream.Consumer, status <-chan nats.Status) {
	for {
		err := t.receive(ctx, consumer, status)
		if ctx.Err() != nil {
			return
		}
		t.clear()
		t.j.log.Warn("taking from the journal is interrupted", "reason", err)
		if consumer, err = t.reopen(ctx, status); err != nil {
			t.end(err)
			return
		}
		t.j.log.Info("taking from the journal goes on")
	}
}

// reopen tries until there is a consumer again, or never will be.
func (t *taken) reopen(ctx context.Context, status <-chan nats.Status) (jetstream.Consumer, error) {
	wait := minReopenWait
	for tries := 0; ; tries++ {
		for len(status) > 0 {
			<-status // these are of before the consumer that is made now
		}
		try, cancel := context.WithTimeout(ctx, reopenTimeout)
		consumer, err := t.openConsumer(try)
		cancel()
		if err == nil || errors.Is(err, ErrSuperseded) {
			return consumer, err
		}
		if t.j.nc.IsClosed() {
			return nil, fmt.Errorf("%w: its connection is", ErrClosed)
		}
		// The first tries fail as a rule while a server restarts.
		if tries == quietTries {
			t.j.log.Warn("cannot take from the journal, trying on", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
			wait = min(2*wait, maxReopenWait)
		}
	}
}

// receive passes on what the consumer delivers, until it or the connection breaks
// down or ctx ends.
func (t *taken) receive(ctx context.Context, consumer jetstream.Consumer, status <-chan nats.Status) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		// Also a short disconnect loses what was on its way here.
		for {
			select {
			case s := <-status:
				if s == nats.RECONNECTING || s == nats.DISCONNECTED {
					cancel(errors.New("the connection was lost"))
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() { cancel(nil); <-watched }()
	iter, err := consumer.Messages(
		// A record that is larger than a request would never come.
		jetstream.PullMaxBytes(max(t.j.opts.PrefetchBytes, int(t.j.nc.MaxPayload()))),
		jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat),
		jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return err
	}
	defer iter.Stop()
	for {
		msg, err := iter.Next(jetstream.NextContext(ctx))
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		select {
		case t.records <- t.delivery(msg):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// delivery turns a JetStream message into a record, without copying its payloads.
func (t *taken) delivery(msg jetstream.Msg) ingest.Delivery {
	record, err := Decode(msg.Data())
	if err == nil {
		return ingest.Delivery{Record: record, Sum: sumOf(msg.Data()), Number: number(msg), Ack: msg.Ack}
	}
	s := t.j.sequence(msg.Subject())
	d := ingest.Delivery{Record: ingest.Record{Gateway: s.Gateway, Epoch: s.Epoch}, Err: err, Raw: msg.Data(), Number: number(msg), Ack: msg.Ack}
	m, headerErr := parseMark(msg.Headers().Get(recordHeader))
	if headerErr != nil {
		return d
	}
	d.Record.First = m.first
	d.Ack = func() error {
		// The loader cannot know where the record ended; without this its numbers
		// would be given again once it has left the stream.
		ctx, cancel := context.WithTimeout(context.Background(), reopenTimeout)
		defer cancel()
		if err := t.Processed(ctx, s, m.end); err != nil {
			return err
		}
		return msg.Ack()
	}
	return d
}

// number is a message's in the stream; 0 where it does not say.
func number(msg jetstream.Msg) uint64 {
	if m, err := msg.Metadata(); err == nil {
		return m.Sequence.Stream
	}
	return 0
}

// Acknowledge implements ingest.Taken. Each single acknowledgement writes to the disk that
// a record has left, and syncs that under SyncAlways; so where there are many, all but the
// last leave by one purge, which a server that allows none is asked for once only. The
// last is acknowledged, because emptying a stream makes its files anew.
func (t *taken) Acknowledge(ctx context.Context, done []ingest.Delivery) error {
	if many := len(done) - 1; many >= worthPurging && done[many].Number > 0 && !t.noPurge {
		for _, d := range done[:many] {
			if d.Err == nil {
				continue
			}
			// Its end is noted with its acknowledgement only.
			if err := d.Ack(); err != nil {
				return err
			}
		}
		if err := t.purge(ctx, done[many].Number); err != nil {
			t.noPurge = !errors.Is(err, errConnectionLost)
			t.j.log.Warn("the journal's server purges nothing; records are acknowledged one by one", "err", err)
		} else {
			done = done[many:]
		}
	}
	for _, d := range done {
		if err := d.Ack(); err != nil {
			return err
		}
	}
	return nil
}

// purge removes the records before a number.
func (t *taken) purge(ctx context.Context, before uint64) error {
	ctx, release := t.j.untilLost(ctx)
	defer release()
	ctx, cancel := context.WithTimeout(ctx, reopenTimeout)
	defer cancel()
	return reason(ctx, t.j.stream.Purge(ctx, jetstream.WithPurgeSequence(before)))
}

// clear throws away what is ready: the consumer that delivered it is gone, and
// the next one delivers it again.
func (t *taken) clear() {
	for {
		select {
		case <-t.records:
		default:
			return
		}
	}
}

// end makes Next return the error from now on.
func (t *taken) end(err error) {
	t.endOnce.Do(func() {
		t.clear()
		t.err = err
		close(t.ended)
	})
}

// Next implements ingest.Taken.
func (t *taken) Next(ctx context.Context) (ingest.Delivery, error) {
	select {
	case d := <-t.records:
		return d, nil
	case <-t.ended:
		return ingest.Delivery{}, fmt.Errorf("take record: %w", t.err)
	case <-ctx.Done():
		return ingest.Delivery{}, ctx.Err()
	}
}

// Processed implements ingest.Taken. It writes only what is ahead of what has been
// written: records that come again do not move the position back. What is damaged is
// written over.
func (t *taken) Processed(ctx context.Context, s ingest.Sequence, end uint64) error {
	ctx, release := t.j.untilLost(ctx)
	defer release()
	t.mu.Lock()
	defer t.mu.Unlock()
	stored, known := t.positions[s]
	if !known {
		var err error
		var damaged *damagedError
		if stored, err = t.j.processed(ctx, s); err != nil && !errors.As(err, &damaged) {
			return fmt.Errorf("store position of %s: %w", s, err)
		}
		t.positions[s] = stored
	}
	if end <= stored {
		return nil
	}
	if err := t.j.put(ctx, t.j.positionSubject(s), noted(s, end)); err != nil {
		return fmt.Errorf("store position %d of %s: %w", end, s, err)
	}
	t.positions[s] = end
	return nil
}

// Close implements ingest.Taken. It returns when nothing is being received any
// more and the acknowledgements have been sent.
func (t *taken) Close() {
	t.cancel()
	<-t.done
	t.end(ErrClosed)
	if t.j.nc.IsConnected() {
		// Acknowledgements that do not arrive only mean records that come again.
		_ = t.j.nc.FlushTimeout(flushTimeout)
	}
}
