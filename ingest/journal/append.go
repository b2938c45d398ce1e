package journal

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/haidang-iot/haidang/ingest"
)

const (
	maxName = 64
	// maxHeader is more than any record's header takes.
	maxHeader = 512

	codeInsufficientResources jetstream.ErrorCode = 10023
	codeStorageExceeded       jetstream.ErrorCode = 10047
	codeAccountExceeded       jetstream.ErrorCode = 10002
	codeStoreFailed           jetstream.ErrorCode = 10077
)

// fullCodes are the server's answers that say that there is no room.
func fullCodes() []jetstream.ErrorCode {
	return []jetstream.ErrorCode{codeInsufficientResources, codeStorageExceeded, codeAccountExceeded}
}

// gateway is what a Journal remembers of a gateway that appends to it.
type gateway struct {
	mu      sync.Mutex
	enc     *encoder
	subject string
	// known says that next is the gateway's position. It is not at first, nor
	// after an append of which the outcome is unknown: then the server is asked.
	known bool
	next  uint64
	last  mark // the last record that was stored from here
	tried mark // the last record that was sent from here
	// stored is next as State may read it without waiting for an append; 0 if
	// nothing has been stored from here.
	stored atomic.Uint64
}

// mark identifies a record and its content.
type mark struct {
	first, end uint64
	sum        uint32
}

// gateway is what is remembered of a gateway in the present epoch.
func (j *Journal) gateway(s ingest.Sequence) (*gateway, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.Epoch != j.epoch {
		return nil, fmt.Errorf("%w: the journal is in epoch %s now", ingest.ErrPosition, j.epoch)
	}
	g := j.gateways[s]
	if g == nil {
		g = &gateway{enc: newEncoder(), subject: j.subject(s)}
		j.gateways[s] = g
	}
	return g, nil
}

// Append implements ingest.Appender. The errors to be told apart are
// ingest.ErrJournalFull (try again later), ingest.ErrPosition and ErrTooLarge (do not try
// the same record again); after any other one the record may or may not be stored
// and the same record is to be appended again.
func (j *Journal) Append(ctx context.Context, r ingest.Record) error {
	if err := j.append(ctx, r); err != nil {
		return fmt.Errorf("append record %d of %s: %w", r.First, r.Gateway, err)
	}
	return nil
}

func (j *Journal) append(ctx context.Context, r ingest.Record) error {
	if err := checkName(r.Gateway); err != nil {
		return err
	}
	if len(r.Messages) == 0 {
		return errors.New("it has no messages")
	}
	ctx, cancel := context.WithTimeout(ctx, j.opts.AppendTimeout)
	defer cancel()
	ctx, release := j.untilLost(ctx)
	defer release()
	s := r.Sequence()
	g, err := j.gateway(s)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	data, sum := g.enc.encode(r)
	m := mark{first: r.First, end: r.End(), sum: sum}
	stored, err := j.alreadyStored(ctx, s, g, m)
	if stored || err != nil {
		return err
	}
	if len(data) > j.MaxRecord() {
		return fmt.Errorf("%w: it has %d bytes, %d are allowed", ErrTooLarge, len(data), j.MaxRecord())
	}
	if err := j.checkSpace(); err != nil {
		return err
	}
	if r.First > g.next {
		j.log.Warn("gateway leaves out numbers", "gateway", r.Gateway, "position", g.next, "first", r.First)
	}
	return j.publish(ctx, s, g, m, data)
}

// alreadyStored reports whether the record is in the journal or past it, and
// otherwise makes sure that its place is free.
func (j *Journal) alreadyStored(ctx context.Context, s ingest.Sequence, g *gateway, m mark) (bool, error) {
	if g.known {
		switch {
		case m.first >= g.next:
			return false, nil
		case m == g.last:
			return true, nil
		}
		return false, fmt.Errorf("%w: that is %d", ingest.ErrPosition, g.next)
	}
	last, found, err := j.lastRecord(ctx, s)
	if err != nil {
		return false, err
	}
	processed, err := j.processed(ctx, s)
	var damaged *damagedError
	if errors.As(err, &damaged) {
		return false, fmt.Errorf("%w: it is not known: %w", ingest.ErrPosition, err)
	}
	if err != nil {
		return false, err
	}
	g.next = max(last.end, processed)
	if m.first >= g.next {
		// A publish of an earlier try may still be under way; the server will
		// then recognise this one as its repetition.
		g.known = true
		return false, nil
	}
	// The loader may have removed the record already, and then only its end can
	// be recognised: enough for one that was sent from here.
	if found && m == last || m == g.tried && processed >= m.end {
		g.known, g.last = true, m
		return true, nil
	}
	return false, fmt.Errorf("%w: that is %d; is another gateway of this name running?", ingest.ErrPosition, g.next)
}

func (j *Journal) publish(ctx context.Context, s ingest.Sequence, g *gateway, m mark, data []byte) error {
	retry := m == g.tried
	g.tried = m
	ack, err := j.js.PublishMsg(ctx, &nats.Msg{
		Subject: g.subject,
		Data:    data,
		Header: nats.Header{
			jetstream.MsgIDHeader: {s.Gateway + "/" + string(s.Epoch) + "/" + strconv.FormatUint(m.first, 10)},
			recordHeader:          {m.String() + " " + string(s.Epoch)},
		},
	}, jetstream.WithExpectStream(j.opts.Stream))
	if err != nil {
		return j.publishError(ctx, s, g, reason(ctx, err))
	}
	if ack.Duplicate && !retry {
		// Its number was not yet taken when we looked, and we have not sent it
		// before: somebody else has, in between, with a content of his own.
		g.known = false
		return fmt.Errorf("%w: it is taken; is another gateway of this name running?", ingest.ErrPosition)
	}
	if err := j.opts.SyncNames(); err != nil {
		g.known = false
		return err
	}
	g.known, g.next, g.last = true, m.end, m
	g.stored.Store(m.end)
	return nil
}

// publishError sorts out what is certain not to have been stored.
func (j *Journal) publishError(ctx context.Context, s ingest.Sequence, g *gateway, err error) error {
	if nobodyTakes(err) {
		if now, e := j.present(ctx); e == nil && now != s.Epoch {
			return fmt.Errorf("%w: the journal is in epoch %s now", ingest.ErrPosition, now)
		}
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		// The server has refused: the position is what it was.
		if slices.Contains(fullCodes(), api.ErrorCode) || api.ErrorCode == codeStoreFailed && isFull(api) {
			return fmt.Errorf("%w: its budget of %d MiB is used up; nothing is lost, devices are made to wait:"+
				" see that the loader stores, or raise --journal-budget: %w", ingest.ErrJournalFull, j.maxBytes()>>20, err)
		}
		return err
	}
	g.known = false
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer from the journal's server (its disk may be full): %w", err)
	}
	return err
}

func isFull(err *jetstream.APIError) bool { return strings.Contains(err.Description, "maximum bytes") }

// checkSpace refuses before the disk is full, because after that the server would
// not store again without a restart.
func (j *Journal) checkSpace() error {
	if j.opts.FreeSpace == nil || j.opts.Reserve == 0 {
		return nil
	}
	free, err := j.opts.FreeSpace()
	if err != nil {
		return fmt.Errorf("measure free space of %s: %w", j.opts.Folder, err)
	}
	if free >= j.opts.Reserve {
		return nil
	}
	return fmt.Errorf("%w: the disk of %s has %d MiB free, less than the reserve of %d MiB;"+
		" nothing is lost, devices are made to wait: free some space, or lower --disk-reserve",
		ingest.ErrJournalFull, j.opts.Folder, free>>20, j.opts.Reserve>>20)
}

// Position implements ingest.Appender.
//
// It is exact at any moment. The end of the gateway's last record is in the
// stream until the loader removes the record, and in the bucket from before that.
// The stream is looked at first: a record that leaves between the two looks is
// then found in the bucket. Where the bucket's value is damaged the count is not
// known, and a new epoch begins.
func (j *Journal) Position(ctx context.Context, gateway string) (ingest.Epoch, uint64, error) {
	if err := checkName(gateway); err != nil {
		return "", 0, fmt.Errorf("read position: %w", err)
	}
	ctx, release := j.untilLost(ctx)
	defer release()
	epoch, err := j.present(ctx)
	if err != nil {
		return "", 0, fmt.Errorf("read position of %s: %w", gateway, err)
	}
	s := ingest.Sequence{Gateway: gateway, Epoch: epoch}
	last, _, err := j.lastRecord(ctx, s)
	if err != nil {
		return "", 0, fmt.Errorf("read position of %s: %w", gateway, err)
	}
	processed, err := j.processed(ctx, s)
	var damaged *damagedError
	if errors.As(err, &damaged) {
		j.log.Error("a gateway's count is damaged in the journal", "gateway", gateway, "epoch", epoch, "error", err)
		if epoch, err = j.rotate(ctx, epoch); err == nil {
			return epoch, 0, nil
		}
	}
	if err != nil {
		return "", 0, fmt.Errorf("read position of %s: %w", gateway, err)
	}
	return epoch, max(last.end, processed), nil
}

// lastRecord is the mark of the last record of a sequence in the stream, if any.
func (j *Journal) lastRecord(ctx context.Context, s ingest.Sequence) (mark, bool, error) {
	msg, err := j.stream.GetLastMsgForSubject(ctx, j.subject(s))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, fmt.Errorf("look up last record: %w", reason(ctx, err))
	}
	m, err := parseMark(msg.Header.Get(recordHeader))
	if err != nil {
		return mark{}, false, fmt.Errorf("look up last record: %w", err)
	}
	return m, true, nil
}

// Processed implements [ingest.CanaryJournal].
func (j *Journal) Processed(ctx context.Context, s ingest.Sequence) (uint64, error) {
	return j.processed(ctx, s)
}

// damagedError says that what the bucket has of a gateway is not what was put there.
type damagedError struct{ value string }

func (e *damagedError) Error() string {
	return fmt.Sprintf("the noted position %q does not have its checksum", e.value)
}

// noted is a position as it stands in the bucket. Before there were epochs it was
// only the number.
func noted(s ingest.Sequence, end uint64) string {
	number := strconv.FormatUint(end, 10)
	if s.Epoch == "" {
		return number
	}
	sum := crc32.Checksum([]byte(s.Gateway+" "+string(s.Epoch)+" "+number), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf("%s %08x", number, sum)
}

// processed is the end that Taken.Processed has stored for the sequence. The error is
// a *damagedError if it is not known any more.
func (j *Journal) processed(ctx context.Context, s ingest.Sequence) (uint64, error) {
	msg, err := j.bucket.GetLastMsgForSubject(ctx, j.positionSubject(s))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up processed position: %w", reason(ctx, err))
	}
	number, _, _ := strings.Cut(string(msg.Data), " ")
	end, err := strconv.ParseUint(number, 10, 64)
	if err != nil || noted(s, end) != string(msg.Data) {
		return 0, &damagedError{string(msg.Data)}
	}
	return end, nil
}

func (j *Journal) maxBytes() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.budget
}

// String is the mark as it stands in the header.
func (m mark) String() string { return fmt.Sprintf("%d %d %08x", m.first, m.end-m.first, m.sum) }

// parseMark reads a record's header; the epoch that may follow is the subject's too.
func parseMark(s string) (mark, error) {
	var m mark
	var count uint64
	if _, err := fmt.Sscanf(s, "%d %d %x", &m.first, &count, &m.sum); err != nil {
		return mark{}, fmt.Errorf("parse header %s %q: %w", recordHeader, s, err)
	}
	m.end = m.first + count
	return m, nil
}
