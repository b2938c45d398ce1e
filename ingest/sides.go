package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// ErrNoDoor says that nobody counts what a broker acknowledges: it is another program.
var ErrNoDoor = errors.New("the broker is another program, which does not tell what it has taken")

// Door counts what is acknowledged to who published it.
type Door interface {
	// Passed says what has been acknowledged for a gateway, and then what waits.
	// Its error is [ErrNoDoor] where that cannot be known.
	Passed(ctx context.Context, gateway string) (DoorCount, error)
}

// DoorCount is what a broker counts for one gateway.
type DoorCount struct {
	// Counters are of messages of QoS 1 and 2 that were acknowledged to who published
	// them, one for each of the gateway's topic filters.
	Counters []DoorCounter
	// Waiting is how many of these the gateway has not acknowledged: not delivered, or
	// delivered and under way.
	Waiting uint64
	// Underway says that messages are between the gateway's count and their
	// acknowledgement, as with a door that acknowledges what its gateway has counted.
	Underway bool
	// Problem says what is wrong with the gateway's session; empty if nothing is.
	Problem string
}

// DoorCounter is one count. If it began anew since it was read last, it was lost.
type DoorCounter struct {
	Name     string    `json:"name"`
	Began    time.Time `json:"began"`
	Accepted uint64    `json:"accepted"`
}

// SideBook is what is remembered of one gateway's sides from look to look.
type SideBook struct {
	Gateway  string                 `json:"gateway"`
	Counters map[string]DoorCounter `json:"counters"`
	// Before is what counters had accepted that were lost, as they stood when they were
	// last read.
	Before uint64 `json:"before"`
	// Begun is that of the gateway's count which Surplus and Base are of.
	Begun time.Time `json:"begun"`
	// Surplus is how many messages more the gateway has taken than the door had given
	// it, when nothing was under way: what was taken twice, after somebody was killed.
	// It only grows; what it has shrunk by was lost in between.
	Surplus      int64 `json:"surplus"`
	SurplusKnown bool  `json:"surplus_known"`
	// Base is how many messages more the journal had confirmed than it counts when the
	// gateway's count began.
	Base      int64 `json:"base"`
	BaseKnown bool  `json:"base_known"`
	// DoorLost and JournalLost are what was found missing, altogether.
	DoorLost    uint64 `json:"door_lost"`
	JournalLost uint64 `json:"journal_lost"`
	// Broker is of a broker that is another program.
	Broker BrokerBook `json:"broker"`
}

// SideBooks keeps what is remembered.
type SideBooks interface {
	SideBooks(context.Context) (map[string]SideBook, error)
	KeepSideBook(context.Context, SideBook) error
	Settlements() []Settlement
}

// found says that the book has more than what was read anew.
func (b SideBook) found(before SideBook) bool {
	return b.Surplus != before.Surplus || b.SurplusKnown != before.SurplusKnown || b.Base != before.Base || b.BaseKnown != before.BaseKnown ||
		b.DoorLost != before.DoorLost || b.JournalLost != before.JournalLost || b.Broker != before.Broker || !b.Begun.Equal(before.Begun)
}

// Side is what each side says of one gateway's messages.
type Side struct {
	Gateway string `json:"gateway"`
	// Door is how many messages of QoS 1 and 2 have been acknowledged to who
	// published them for this gateway, since it counts; nil is not known, and DoorProblem
	// says why. Waiting is how many of them were not taken yet.
	Door        *uint64 `json:"door" doc:"Messages of QoS 1 and 2 that the door has acknowledged; null: not known"`
	Waiting     *uint64 `json:"waiting" doc:"Of these, how many are not taken yet; null: not known"`
	DoorProblem string  `json:"door_problem,omitempty"`
	// Taken is the gateway's own count; nil is not known, and TakenProblem says why.
	Taken        *Tally    `json:"taken" doc:"The gateway's own count since taken_since; null: not known"`
	TakenSince   time.Time `json:"taken_since,omitzero"`
	TakenProblem string    `json:"taken_problem,omitempty"`
	// Journal is how many messages the journal has numbered.
	Journal uint64 `json:"journal" doc:"Messages that the journal has numbered"`
	// DoorLost is how many were acknowledged and not counted by the
	// gateway, JournalLost between the journal's confirmation and its count, ever.
	DoorLost    uint64 `json:"door_lost" doc:"Acknowledged to who published it and not in the gateway's count, ever"`
	JournalLost uint64 `json:"journal_lost" doc:"Confirmed by the journal and not in its count, ever"`
	// Compared says that door and gateway can be held against each other by now.
	Compared bool `json:"compared" doc:"The door and the gateway's count can be held against each other; not yet after a start under load"`
	// Broker is what a broker that is another program tells of itself; nil where it is ours.
	Broker *BrokerSide `json:"broker,omitempty"`
}

const (
	ruleDoorLoss    = "door-loss"
	ruleJournalLoss = "journal-loss"
	// sideAgain is how much later what looks like a loss is looked at again: longer than
	// any side keeps an old answer.
	sideAgain = 2500 * time.Millisecond
)

// Sides holds the door, the gateways' own counts and the journal against each
// other. What is under way is in none of the differences: the door is read before its
// backlog, both before the gateway's count, and that before the journal; so a message
// that moves on meanwhile only makes a later side larger.
type Sides struct {
	// Door is nil where brokers are other programs.
	Door Door
	// Counts are the gateways' own, by name.
	Counts map[string]*Count
	// Brokers tell what the gateways know of their brokers, by name.
	Brokers map[string]func() BrokerWord
	Books   SideBooks
	Journal func(context.Context) (map[string]uint64, error)

	Findings *Findings
	Now      func() time.Time
	Logger   *slog.Logger

	mu sync.Mutex // one look at a time
	// last is what was seen at lookedAt.
	last     []Side
	lookedAt time.Time
}

// Run looks once a minute.
func (s *Sides) Run(ctx context.Context) error {
	for failed := false; ; {
		err := s.lookNow(ctx, true)
		if err != nil && !failed && ctx.Err() == nil {
			s.Logger.Error("cannot compare what door, gateways and journal have counted; trying again each minute", "error", err)
		}
		failed = err != nil
		if !sleep(ctx, time.Minute) {
			return nil
		}
	}
}

// Look gives all sides, by gateway, as they were within the last second.
func (s *Sides) Look(ctx context.Context) ([]Side, error) {
	if err := s.lookNow(ctx, false); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, nil
}

// lookNow reads all sides. What seems to be lost is looked at once more, and if it still
// is, it is a finding. Each minute's look is kept, any other one only if it has found
// something, or something waits in the broker.
func (s *Sides) lookNow(ctx context.Context, keep bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !keep && s.Now().Sub(s.lookedAt) < time.Second {
		return nil
	}
	books, err := s.Books.SideBooks(ctx)
	if err != nil {
		return err
	}
	first, err := s.read(ctx, books)
	if err != nil {
		return err
	}
	s.recall(first)
	second := first
	if slices.ContainsFunc(first, reading.suspicious) {
		if !sleep(ctx, sideAgain) {
			return ctx.Err()
		}
	}
	if second, err = s.read(ctx, books); err != nil {
		return err
	}
	out, told := []Side{}, map[string]bool{}
	for i, r := range second {
		r.settle(first[i])
		s.find(r, books[r.side.Gateway])
		s.findBroker(r, books[r.side.Gateway].Broker, told)
		if before := books[r.side.Gateway]; keep || r.book.found(before) || r.waits() {
			if err := s.Books.KeepSideBook(ctx, r.book); err != nil {
				return err
			}
		}
		out = append(out, r.side)
	}
	s.last, s.lookedAt = out, s.Now()
	return nil
}

// recall holds the journal against what the gateways' counts were at the look before,
// where there was one: the journal's answer may be as old as that, and under load would
// lack what was confirmed meanwhile.
func (s *Sides) recall(all []reading) {
	for i := range all {
		r := &all[i]
		n := slices.IndexFunc(s.last, func(l Side) bool {
			return l.Gateway == r.side.Gateway && l.Taken != nil && l.TakenSince.Equal(r.side.TakenSince)
		})
		if n >= 0 && r.book.BaseKnown {
			r.journalLack = int64(s.last[n].Taken.Confirmed) - int64(r.side.Journal) - r.book.Base
		}
	}
}

// reading is one gateway's sides at a moment.
type reading struct {
	side Side
	book SideBook
	// doorLack and journalLack are what seems to be lost.
	doorLack, journalLack int64
	// surplus and ahead are what is compared with the book's Surplus and Base.
	surplus, ahead int64
	// idle says that nothing is under way; underway that the door has something.
	idle, underway bool
}

// waits says that messages are in the broker's hands alone: what it has counted is worth
// being remembered.
func (r reading) waits() bool { return r.side.Waiting != nil && *r.side.Waiting > 0 }

func (r reading) suspicious() bool { return r.doorLack > 0 || r.journalLack > 0 }

// read reads door, backlog, counts and journal, in this order.
func (s *Sides) read(ctx context.Context, books map[string]SideBook) ([]reading, error) {
	var all []reading
	for _, gateway := range slices.Sorted(maps.Keys(s.Counts)) {
		r := reading{side: Side{Gateway: gateway}, book: books[gateway]}
		r.book.Gateway = gateway
		s.readDoor(ctx, &r)
		s.readBroker(&r)
		r.readCount(s.Counts[gateway])
		all = append(all, r)
	}
	journal, err := s.Journal(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].compare(journal[all[i].side.Gateway])
	}
	return all, nil
}

func (s *Sides) readDoor(ctx context.Context, r *reading) {
	if s.Door == nil {
		r.side.DoorProblem = ErrNoDoor.Error()
		return
	}
	count, err := s.Door.Passed(ctx, r.side.Gateway)
	if err != nil {
		r.side.DoorProblem = err.Error()
		return
	}
	total := r.book.accept(count.Counters)
	r.side.Door, r.side.Waiting, r.side.DoorProblem, r.underway = &total, &count.Waiting, count.Problem, count.Underway
}

// accept notes the counters and gives how much has been accepted altogether. What a
// lost counter counted after it was last read is not in it: then the door has less, and
// accuses nobody.
func (b *SideBook) accept(counters []DoorCounter) uint64 {
	now := make(map[string]DoorCounter, len(counters))
	var total uint64
	for _, c := range counters {
		now[c.Name] = c
		total += c.Accepted
	}
	for name, was := range b.Counters {
		c, there := now[name]
		switch {
		case !there || !c.Began.Equal(was.Began):
			b.Before += was.Accepted
		case c.Accepted < was.Accepted: // it went back with its stream, whose end is cut off
			b.Before += was.Accepted - c.Accepted
		}
	}
	b.Counters = now
	return b.Before + total
}

func (r *reading) readCount(c *Count) {
	taken, begun, err := c.Read()
	if err != nil {
		r.side.TakenProblem = err.Error()
		return
	}
	r.side.Taken, r.side.TakenSince = &taken, begun
	if !r.book.Begun.Equal(begun) {
		r.book.Begun, r.book.SurplusKnown, r.book.BaseKnown = begun, false, false
	}
}

// compare computes the differences.
func (r *reading) compare(journal uint64) {
	r.side.Journal = journal
	if r.side.Taken == nil {
		return
	}
	t := r.side.Taken
	r.ahead = int64(t.Confirmed) - int64(journal)
	if r.book.BaseKnown {
		r.journalLack = r.ahead - r.book.Base
	}
	if r.side.Door == nil {
		return
	}
	r.surplus = int64(t.owed()) - int64(*r.side.Door) + int64(*r.side.Waiting)
	r.idle = *r.side.Waiting == 0 && !r.underway
	if r.book.SurplusKnown {
		r.doorLack = r.book.Surplus - r.surplus
	}
}

// settle makes of two readings what is certain: a loss is what both have, and what is
// known of the sides is what has not moved between them.
func (r *reading) settle(first reading) {
	if lost := min(first.doorLack, r.doorLack); lost > 0 {
		r.book.DoorLost += uint64(lost)
		r.book.Surplus -= lost
	}
	if r.side.Taken != nil && first.side.Taken != nil && *r.side.Taken == *first.side.Taken {
		if r.idle && first.idle && *r.side.Door == *first.side.Door && (!r.book.SurplusKnown || r.surplus > r.book.Surplus) {
			r.book.Surplus, r.book.SurplusKnown = r.surplus, true
		}
		if !r.book.BaseKnown && r.side.Journal == first.side.Journal {
			r.book.Base, r.book.BaseKnown = r.ahead, true
		}
	}
	// The journal's later word on the gateway's earlier one.
	if lost := min(first.journalLack, int64(first.confirmed())-int64(r.side.Journal)-r.book.Base); lost > 0 {
		r.book.JournalLost += uint64(lost)
		r.book.Base += lost
	}
	r.side.DoorLost, r.side.JournalLost, r.side.Compared = r.book.DoorLost, r.book.JournalLost, r.book.SurplusKnown
}

func (r *reading) confirmed() uint64 {
	if r.side.Taken == nil {
		return 0
	}
	return r.side.Taken.Confirmed
}

// find reports that more is lost than the book had before: all that nobody has
// acknowledged. The first look of a process tells it again, for the one before may have
// died between the book and the alarm.
func (s *Sides) find(r reading, before SideBook) {
	g, settled, first := r.side.Gateway, sumSettlements(s.Books.Settlements()), s.lookedAt.IsZero()
	if n := settled.side(LackDoor, g, r.book.DoorLost); n > 0 && (first || r.book.DoorLost > before.DoorLost) {
		s.Findings.Report(Finding{
			Rule: ruleDoorLoss, Severity: "extreme", Device: telemetry.Device(g), Value: float64(n), Lasting: true,
			SummaryVI:     fmt.Sprintf("Mất %d bản tin đã xác nhận với thiết bị (%s)", n, g),
			SummaryEN:     fmt.Sprintf("%d messages were lost that had been acknowledged to devices (%s)", n, g),
			DescriptionVI: "Cửa nhận tin đã xác nhận (PUBACK) nhiều bản tin hơn số nó đã đếm khi đưa vào hàng chờ.",
			DescriptionEN: "The door has acknowledged (PUBACK) more messages than it has counted on their way into the journal.",
			RunbookVI:     "Chạy haidang audit. Kiểm tra đĩa và nhật ký vận hành; thiết bị nào còn lưu số đo thì cho gửi lại.",
			RunbookEN:     "Run haidang audit. Look at the disk and the log; have devices that still hold readings send them again.",
		})
	}
	if n := settled.side(LackJournal, g, r.book.JournalLost); n > 0 && (first || r.book.JournalLost > before.JournalLost) {
		s.Findings.Report(Finding{
			Rule: ruleJournalLoss, Severity: "extreme", Device: telemetry.Device(g), Value: float64(n), Lasting: true,
			SummaryVI:     fmt.Sprintf("Hàng chờ thiếu %d bản tin của cổng thu %s", n, g),
			SummaryEN:     fmt.Sprintf("The journal lacks %d messages of gateway %s", n, g),
			DescriptionVI: "Hàng chờ đã xác nhận với cổng thu rằng nó giữ các bản tin này, nhưng số đếm của nó không có chúng.",
			DescriptionEN: "The journal has confirmed to the gateway that it holds them, and they are not in its count.",
			RunbookVI:     "Chạy haidang audit. Kiểm tra đĩa, nhật ký và xem thư mục broker trong --data có bị thay bằng bản cũ không.",
			RunbookEN:     "Run haidang audit. Look at the disk and the log, and whether the broker folder in --data was replaced by an older one.",
		})
	}
}
