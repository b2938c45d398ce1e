package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
)

// Peek implements ingest.JournalReader: it looks at records that wait, oldest
// first, without taking them. Records that leave while it looks are passed over.
func (j *Journal) Peek(ctx context.Context, after uint64, limit int) (records []ingest.Waiting, err error) {
	ctx, release := j.untilLost(ctx)
	defer release()
	for len(records) < limit {
		// With a subject the server looks for the next record at this number or
		// later; without, it wants exactly this one.
		msg, err := j.stream.GetMsg(ctx, after+1, jetstream.WithGetMsgSubject(subjectPrefix+">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return records, nil
		}
		if err != nil {
			return nil, fmt.Errorf("look at journal's record %d: %w", after+1, reason(ctx, err))
		}
		r, err := Decode(msg.Data)
		if err != nil {
			return nil, fmt.Errorf("look at journal's record %d: %w", msg.Sequence, err)
		}
		records = append(records, ingest.Waiting{Number: msg.Sequence, Record: r})
		after = msg.Sequence
	}
	return records, nil
}
