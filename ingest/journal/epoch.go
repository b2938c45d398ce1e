package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
)

// epochLength is how many base32 characters an epoch has: 50 bits, so that no two
// journals that ever meet one ledger have the same.
const epochLength = 10

func newEpoch() ingest.Epoch { return ingest.Epoch(rand.Text()[:epochLength]) }

// epochSubject is the subject of the stream in an epoch: one for each gateway. The
// server takes records of the present epoch only, whichever process sends them.
func epochSubject(e ingest.Epoch) string { return subjectPrefix + string(e) + ".*" }

// subjectEpoch is the epoch of one of a stream's subjects, "" if it has none.
func subjectEpoch(subject string) ingest.Epoch {
	e, ok := strings.CutSuffix(strings.TrimPrefix(subject, subjectPrefix), ".*")
	if !ok || len(e) != epochLength || strings.ContainsAny(e, ".*>") {
		return ""
	}
	return ingest.Epoch(e)
}

// epochOf is the epoch that a stream is in, "" for one of before there were epochs.
func epochOf(c jetstream.StreamConfig) ingest.Epoch {
	for _, s := range c.Subjects {
		if e := subjectEpoch(s); e != "" {
			return e
		}
	}
	return ""
}

// formerSubject is that of a gateway before there were epochs.
func (j *Journal) formerSubject(gateway string) string {
	if j.opts.Stream == defaultStream {
		return subjectPrefix + gateway
	}
	return subjectPrefix + j.opts.Stream + "." + gateway
}

// subject is where the records of a sequence are.
func (j *Journal) subject(s ingest.Sequence) string {
	if s.Epoch == "" {
		return j.formerSubject(s.Gateway)
	}
	return subjectPrefix + string(s.Epoch) + "." + s.Gateway
}

// sequence is what the records of a subject belong to.
func (j *Journal) sequence(subject string) ingest.Sequence {
	if gateway, ok := strings.CutPrefix(subject, j.formerSubject("")); ok && !strings.Contains(gateway, ".") {
		return ingest.Sequence{Gateway: gateway}
	}
	epoch, gateway, _ := strings.Cut(strings.TrimPrefix(subject, subjectPrefix), ".")
	return ingest.Sequence{Gateway: gateway, Epoch: ingest.Epoch(epoch)}
}

// positionKey is where the bucket has what is noted of sequences.
func (j *Journal) positionKey() string { return "$KV." + j.bucketName() + ".position." }

func (j *Journal) positionSubject(s ingest.Sequence) string {
	if s.Epoch == "" {
		return j.positionKey() + s.Gateway
	}
	return j.positionKey() + s.Gateway + "." + string(s.Epoch)
}

func (j *Journal) positionSequence(subject string) ingest.Sequence {
	gateway, epoch, _ := strings.Cut(strings.TrimPrefix(subject, j.positionKey()), ".")
	return ingest.Sequence{Gateway: gateway, Epoch: ingest.Epoch(epoch)}
}

// adopt notes what the stream is like now.
func (j *Journal) adopt(c jetstream.StreamConfig) ingest.Epoch {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.budget = uint64(max(c.MaxBytes, 0))
	if e := epochOf(c); e != j.epoch {
		j.epoch = e
		for s := range j.gateways {
			if s.Epoch != e && s.Epoch != "" {
				delete(j.gateways, s)
			}
		}
	}
	return j.epoch
}

// present asks for the epoch that the journal is in. A stream that somebody has
// deleted under us is made anew, in an epoch of its own: what waited in it is gone,
// and what comes shall not be.
func (j *Journal) present(ctx context.Context) (ingest.Epoch, error) {
	info, err := j.stream.Info(ctx)
	if err == nil {
		return j.adopt(info.Config), nil
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return "", fmt.Errorf("look up stream: %w", reason(ctx, err))
	}
	j.log.Error("the journal's stream is gone; a new one is made, and what waited in it is lost", "stream", j.opts.Stream)
	if err := j.openStreams(ctx); err != nil {
		return "", err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.epoch, nil
}

// openStreams makes what is not there of stream and bucket.
func (j *Journal) openStreams(ctx context.Context) error {
	j.opening.Lock()
	defer j.opening.Unlock()
	stream, err := j.openStream(ctx)
	if err != nil {
		return err
	}
	bucket, err := j.openBucket(ctx, stream.CachedInfo().Config.Replicas)
	if err != nil {
		return err
	}
	if j.stream == nil { // else those have the same names
		j.stream, j.bucket = stream, bucket
	}
	return nil
}

// Rotate implements ingest.Taker. Of two that rotate at once, one has its way.
func (j *Journal) Rotate(ctx context.Context, from ingest.Epoch) error {
	if _, err := j.rotate(ctx, from); err != nil {
		return fmt.Errorf("begin a new epoch of the journal: %w", err)
	}
	return nil
}

func (j *Journal) rotate(ctx context.Context, from ingest.Epoch) (ingest.Epoch, error) {
	ctx, release := j.untilLost(ctx)
	defer release()
	if now, err := j.present(ctx); err != nil || now != from {
		return now, err
	}
	info, err := j.stream.Info(ctx)
	if err != nil {
		return "", fmt.Errorf("look up stream: %w", reason(ctx, err))
	}
	config := info.Config
	config.Subjects = nil
	for _, s := range info.Config.Subjects {
		if subjectEpoch(s) == "" {
			config.Subjects = append(config.Subjects, s)
		}
	}
	config.Subjects = append(config.Subjects, epochSubject(newEpoch()))
	stream, err := j.js.UpdateStream(ctx, config)
	if err != nil {
		return "", fmt.Errorf("change subjects of stream %s: %w", j.opts.Stream, reason(ctx, err))
	}
	now := j.adopt(stream.CachedInfo().Config)
	j.log.Warn("the journal begins a new epoch: its gateways count from 0 again", "epoch", now, "former", from)
	return now, nil
}

// Oldest implements ingest.Taker.
func (j *Journal) Oldest(ctx context.Context, s ingest.Sequence) (uint64, bool, error) {
	ctx, release := j.untilLost(ctx)
	defer release()
	msg, err := j.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(j.subject(s)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look up oldest record of %s: %w", s, reason(ctx, err))
	}
	m, err := parseMark(msg.Header.Get(recordHeader))
	if err != nil {
		return 0, false, fmt.Errorf("look up oldest record of %s: %w", s, err)
	}
	return m.first, true, nil
}

// nobodyTakes says that no stream takes a record: its epoch has ended, the stream is
// gone, or JetStream is not ready.
func nobodyTakes(err error) bool {
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders)
}
