package journal

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
)

// stateCache is the last answer of State.
type stateCache struct {
	state ingest.JournalState
	at    time.Time
	// streamSeq and bucketSeq tell whether positions may have changed since.
	streamSeq, bucketSeq uint64
}

// State implements ingest.JournalInspector. It asks the server at most once in
// Options.StateEvery, and for positions only if something was stored since.
func (j *Journal) State(ctx context.Context) (ingest.JournalState, error) {
	j.stateMu.Lock()
	defer j.stateMu.Unlock()
	if time.Since(j.state.at) >= j.opts.StateEvery {
		ctx, release := j.untilLost(ctx)
		defer release()
		if err := j.refresh(ctx); err != nil {
			return ingest.JournalState{}, fmt.Errorf("read state of journal: %w", err)
		}
	}
	state := j.state.state
	state.Positions = maps.Clone(state.Positions)
	return state, nil
}

func (j *Journal) refresh(ctx context.Context) error {
	// The stream before the bucket, for the reason given at Position.
	info, err := j.stream.Info(ctx, jetstream.WithSubjectFilter(j.subjectPrefix()+"*"))
	if err != nil {
		return fmt.Errorf("look up stream: %w", reason(ctx, err))
	}
	positions := j.state.state.Positions
	if positions == nil || info.State.LastSeq != j.state.streamSeq {
		if positions, err = j.streamPositions(ctx, info.State.Subjects, positions); err != nil {
			return err
		}
	}
	bucket, err := j.bucket.Info(ctx, jetstream.WithSubjectFilter(j.positionSubject("*")))
	if err != nil {
		return fmt.Errorf("look up bucket: %w", reason(ctx, err))
	}
	if bucket.State.LastSeq != j.state.bucketSeq {
		if err := j.bucketPositions(ctx, bucket.State.Subjects, positions); err != nil {
			return err
		}
	}
	state := ingest.JournalState{
		Records:   info.State.Msgs,
		Bytes:     info.State.Bytes,
		MaxBytes:  uint64(max(info.Config.MaxBytes, 0)),
		Positions: positions,
	}
	if info.State.Msgs > 0 {
		state.Oldest = info.State.FirstTime
	}
	j.state = stateCache{
		state: state, at: time.Now(),
		streamSeq: info.State.LastSeq, bucketSeq: bucket.State.LastSeq,
	}
	j.mu.Lock()
	j.budget = state.MaxBytes
	j.mu.Unlock()
	return nil
}

// streamPositions returns the earlier positions with those of the records that
// are in the stream now.
func (j *Journal) streamPositions(ctx context.Context, subjects map[string]uint64, earlier map[string]uint64) (map[string]uint64, error) {
	positions := make(map[string]uint64, len(earlier)+len(subjects))
	maps.Copy(positions, earlier)
	for subject := range subjects {
		name := strings.TrimPrefix(subject, j.subjectPrefix())
		// The server sends the whole record; who appends here is known without.
		if end := j.storedHere(name); end > 0 {
			positions[name] = max(positions[name], end)
			continue
		}
		last, found, err := j.lastRecord(ctx, name)
		if err != nil {
			return nil, err
		}
		if found {
			positions[name] = max(positions[name], last.end)
		}
	}
	return positions, nil
}

func (j *Journal) bucketPositions(ctx context.Context, subjects, positions map[string]uint64) error {
	for subject := range subjects {
		name := strings.TrimPrefix(subject, j.positionSubject(""))
		end, err := j.processed(ctx, name)
		if err != nil {
			return err
		}
		positions[name] = max(positions[name], end)
	}
	return nil
}

// storedHere is the end of the last record of the gateway that was stored by this
// Journal, 0 if there is none.
func (j *Journal) storedHere(name string) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if g := j.gateways[name]; g != nil {
		return g.stored.Load()
	}
	return 0
}
