package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
)

// stateCache is the last answer of State, and what need not be asked again while
// stream and bucket are as they were.
type stateCache struct {
	state ingest.JournalState
	// asked is when the asking began.
	asked          time.Time
	stream, bucket revision
	ends, noted    map[ingest.Sequence]uint64
	damaged        map[ingest.Sequence]string
}

// revision changes whenever something is stored in a stream.
type revision struct {
	created time.Time
	last    uint64
}

func revisionOf(i *jetstream.StreamInfo) revision { return revision{i.Created, i.State.LastSeq} }

// State implements ingest.JournalInspector. Those who ask while another asks share
// the answer to the next question: it is never of before they came.
func (j *Journal) State(ctx context.Context) (ingest.JournalState, error) {
	came := time.Now()
	j.stateMu.Lock()
	defer j.stateMu.Unlock()
	if !j.state.asked.After(came) {
		ctx, release := j.untilLost(ctx)
		defer release()
		next := j.state
		next.asked = time.Now()
		if err := j.refresh(ctx, &next); err != nil {
			return ingest.JournalState{}, fmt.Errorf("read state of journal: %w", err)
		}
		j.state = next
	}
	state := j.state.state
	state.Positions, state.Noted, state.Damaged = maps.Clone(state.Positions), maps.Clone(state.Noted), maps.Clone(state.Damaged)
	return state, nil
}

func (j *Journal) refresh(ctx context.Context, c *stateCache) error {
	// The stream before the bucket, for the reason given at Position.
	if _, err := j.present(ctx); err != nil {
		return err
	}
	info, err := j.stream.Info(ctx, jetstream.WithSubjectFilter(subjectPrefix+">"))
	if err != nil {
		return fmt.Errorf("look up stream: %w", reason(ctx, err))
	}
	epoch := j.adopt(info.Config)
	if v := revisionOf(info); v != c.stream {
		if c.ends, err = j.streamEnds(ctx, info.State.Subjects); err != nil {
			return err
		}
		c.stream = v
	}
	bucket, err := j.bucket.Info(ctx, jetstream.WithSubjectFilter(j.positionKey()+">"))
	if errors.Is(err, jetstream.ErrStreamNotFound) { // somebody has deleted it: nothing is noted any more
		if err = j.openStreams(ctx); err == nil {
			bucket, err = j.bucket.Info(ctx, jetstream.WithSubjectFilter(j.positionKey()+">"))
		}
	}
	if err != nil {
		return fmt.Errorf("look up bucket: %w", reason(ctx, err))
	}
	if v := revisionOf(bucket); v != c.bucket {
		if err := j.bucketEnds(ctx, bucket.State.Subjects, c); err != nil {
			return err
		}
		c.bucket = v
	}
	c.state = ingest.JournalState{
		Records: info.State.Msgs, Bytes: info.State.Bytes, MaxBytes: uint64(max(info.Config.MaxBytes, 0)),
		Epoch: epoch, Positions: maps.Clone(c.noted), Noted: c.noted, Damaged: c.damaged,
	}
	for s, end := range c.ends {
		c.state.Positions[s] = max(c.state.Positions[s], end)
	}
	if info.State.Msgs > 0 {
		c.state.Oldest = info.State.FirstTime
	}
	return nil
}

// streamEnds are the ends of the last records that are in the stream.
func (j *Journal) streamEnds(ctx context.Context, subjects map[string]uint64) (map[ingest.Sequence]uint64, error) {
	ends := make(map[ingest.Sequence]uint64, len(subjects))
	for subject := range subjects {
		s := j.sequence(subject)
		// The server sends the whole record; who appends here is known without.
		if end := j.storedHere(s); end > 0 {
			ends[s] = end
			continue
		}
		last, found, err := j.lastRecord(ctx, s)
		if err != nil {
			return nil, err
		}
		if found {
			ends[s] = last.end
		}
	}
	return ends, nil
}

func (j *Journal) bucketEnds(ctx context.Context, subjects map[string]uint64, c *stateCache) error {
	ends, damaged := make(map[ingest.Sequence]uint64, len(subjects)), map[ingest.Sequence]string{}
	for subject := range subjects {
		s := j.positionSequence(subject)
		end, err := j.processed(ctx, s)
		var bad *damagedError
		switch {
		case errors.As(err, &bad):
			damaged[s] = bad.Error()
		case err != nil:
			return err
		default:
			ends[s] = end
		}
	}
	c.noted, c.damaged = ends, damaged
	return nil
}

// storedHere is the end of the last record of the sequence that was stored by this
// Journal, 0 if there is none.
func (j *Journal) storedHere(s ingest.Sequence) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if g := j.gateways[s]; g != nil {
		return g.stored.Load()
	}
	return 0
}
