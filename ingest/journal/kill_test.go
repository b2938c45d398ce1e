package journal_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/journal"
)

// workVar makes this test binary work on a journal until it is killed:
//
//	up <folder>       broker, gateway and loader in one process
//	gateway <url>     a gateway with a server elsewhere
//	loader <url>      a loader with a server elsewhere
//
// What it does it says on standard output, which is a pipe: what it has said is
// known even after it has been killed.
//
//	position <n>      the gateway asked for its position
//	try <n>           the gateway appends a record that ends there
//	appended <n>      and its append has returned
//	took <first> <n>  the loader has stored a record; it acknowledges it next
const workVar = "HAIDANG_TEST_JOURNAL_WORK"

func workIfChild() {
	spec := os.Getenv(workVar)
	if spec == "" {
		return
	}
	role, where, _ := strings.Cut(spec, " ")
	if err := work(context.Background(), role, where); err != nil {
		fmt.Println("failed", err)
		os.Exit(1)
	}
}

func work(ctx context.Context, role, where string) error {
	options := journal.Options{URL: where, Logger: slog.New(slog.DiscardHandler)}
	if role == "up" {
		b, err := broker.Start(ctx, broker.Options{Dir: where})
		if err != nil {
			return err
		}
		conn, err := b.Connect("child")
		if err != nil {
			return err
		}
		options = journal.Options{Conn: conn}
	}
	j, err := journal.Open(ctx, options)
	for ; err != nil; j, err = journal.Open(ctx, options) {
		// The server may just be dead.
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
	failed := make(chan error)
	if role != "loader" {
		go func() { failed <- workAsGateway(ctx, j) }()
	}
	if role != "gateway" {
		go func() { failed <- workAsLoader(ctx, j) }()
	}
	return <-failed
}

func workAsGateway(ctx context.Context, j *journal.Journal) error {
	epoch, position, err := j.Position(ctx, "g")
	if err != nil {
		return err
	}
	fmt.Println("position", position)
	for {
		r := record("g", position, 1+rand.IntN(20))
		r.Epoch = epoch
		fmt.Println("try", r.End())
		for err := j.Append(ctx, r); err != nil; err = j.Append(ctx, r) {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(10 * time.Millisecond):
			}
		}
		fmt.Println("appended", r.End())
		position = r.End()
	}
}

func workAsLoader(ctx context.Context, j *journal.Journal) error {
	taken, err := j.Take(ctx)
	if err != nil {
		return err
	}
	for {
		d, err := taken.Next(ctx)
		if err != nil {
			return err
		}
		if d.Err != nil {
			return d.Err
		}
		for i, m := range d.Record.Messages {
			if want := fmt.Sprintf("g %d", d.Record.First+uint64(i)); string(m.Payload) != want {
				return fmt.Errorf("payload %q instead of %q", m.Payload, want)
			}
		}
		fmt.Println("took", d.Record.First, len(d.Record.Messages))
		for err := taken.Processed(ctx, d.Record.Sequence(), d.Record.End()); err != nil; err = taken.Processed(ctx, d.Record.Sequence(), d.Record.End()) {
			select {
			case <-ctx.Done():
				return err
			case <-time.After(10 * time.Millisecond):
			}
		}
		// An acknowledgement that fails only means that the record comes again.
		_ = d.Ack()
	}
}

// account checks what children say, over all their lives.
type account struct {
	tried, appended uint64
	stored          uint64 // all numbers below it are stored
	again           uint64 // numbers that were taken twice
}

func (a *account) read(t *testing.T, c *child) {
	t.Helper()
	for line := range c.lines {
		a.note(t, line)
	}
}

func (a *account) note(t *testing.T, line string) {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	var n, count uint64
	if _, err := fmt.Sscan(rest, &n); err != nil && word != "failed" {
		return // the last line was cut by the kill
	}
	switch word {
	case "position":
		if n < a.appended || n > a.tried {
			t.Errorf("position %d: %d are appended, %d tried", n, a.appended, a.tried)
		}
		// Whether or not the killed append returned, the position tells.
		a.appended, a.tried = n, n
	case "try":
		a.tried = n
	case "appended":
		a.appended = n
	case "took":
		if _, err := fmt.Sscan(rest, &n, &count); err != nil {
			return
		}
		if n > a.stored {
			t.Errorf("numbers %d to %d are lost", a.stored, n-1)
		}
		if end := n + count; end > a.stored {
			a.stored = end
		} else {
			a.again += count
		}
	default:
		t.Errorf("child says %q", line)
	}
}

// drain takes what is left and checks the position once more.
func (a *account) drain(t *testing.T, j *journal.Journal) {
	t.Helper()
	_, position, err := j.Position(testContext(t), "g")
	if err != nil {
		t.Fatal(err)
	}
	a.note(t, fmt.Sprintf("position %d", position))
	taken := take(t, j)
	for state(t, j).Records > 0 {
		d, err := taken.Next(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		a.note(t, fmt.Sprintf("took %d %d", d.Record.First, len(d.Record.Messages)))
		finish(t, taken, d)
		if len(d.Record.Messages) > 0 && d.Record.End() == position {
			break
		}
	}
	if a.stored != position {
		t.Errorf("%d of %d numbers are stored", a.stored, position)
	}
	wantPosition(t, j, "g", position)
	t.Logf("%d messages appended, none lost, %d taken twice", position, a.again)
}

const killRounds = 8

// awaitProgress waits until the child has begun and then for a random while, so
// that it is killed in the middle of anything.
func (a *account) awaitProgress(t *testing.T, c *child) {
	t.Helper()
	line, ok := c.line(t)
	if !ok {
		t.Fatal("the child has ended")
	}
	a.note(t, line)
	timer := time.After(time.Duration(rand.IntN(150_000)) * time.Microsecond)
	for {
		select {
		case line := <-c.lines:
			a.note(t, line)
		case <-timer:
			return
		}
	}
}

// The process that is everything is killed again and again.
func TestKilledUp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "broker")
	var a account
	for range killRounds {
		c := startChild(t, workVar, "up "+dir)
		a.awaitProgress(t, c)
		c.kill()
		a.read(t, c)
	}
	e := &embedded{dir: dir}
	e.start(t)
	t.Cleanup(func() { e.stop(t) })
	a.drain(t, e.open(t))
}

// Gateway and loader are processes of their own and are killed in turn; so is the
// server, under the feet of both.
func TestKilledParts(t *testing.T) {
	srv := startNATS(t, t.TempDir())
	var gateway, loader account
	var g, l *child
	start := func(c **child, role string) {
		if *c == nil {
			*c = startChild(t, workVar, role+" "+srv.url())
		}
	}
	stop := func(c **child, a *account) {
		(*c).kill()
		a.read(t, *c)
		*c = nil
	}
	start(&g, "gateway")
	start(&l, "loader")
	gateway.awaitProgress(t, g)
	for round := range 3 * killRounds {
		gateway.awaitProgress(t, g)
		switch round % 3 {
		case 0:
			stop(&g, &gateway)
			start(&g, "gateway")
		case 1:
			stop(&l, &loader)
			start(&l, "loader")
		case 2:
			srv.kill()
			srv.restart()
		}
	}
	stop(&g, &gateway)
	stop(&l, &loader)
	loader.appended, loader.tried = gateway.appended, gateway.tried
	j := openJournal(t, journal.Options{URL: srv.url(), Logger: logger(t)}, nil)
	loader.drain(t, j)
}

// Server, connection and journal go on living in the gateway and the loader while
// the server is killed: no append that has returned is lost, none is stored twice.
func TestKilledServer(t *testing.T) {
	srv := startNATS(t, t.TempDir())
	open := func() *journal.Journal {
		return openJournal(t, journal.Options{URL: srv.url(), AppendTimeout: time.Second}, nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	appended := make(chan uint64, 1)
	go func() {
		var position uint64
		defer func() { appended <- position }()
		j := open()
		epoch, _, err := j.Position(context.Background(), "g")
		for err != nil && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
			epoch, _, err = j.Position(context.Background(), "g")
		}
		for ctx.Err() == nil {
			r := record("g", position, 1+rand.IntN(5))
			r.Epoch = epoch
			for j.Append(context.Background(), r) != nil {
				select {
				case <-time.After(5 * time.Millisecond):
				case <-t.Context().Done():
					return
				}
			}
			position = r.End()
		}
	}()
	taken := take(t, open())
	var a account
	step := func(ctx context.Context) bool {
		d, err := taken.Next(ctx)
		if err != nil {
			return false
		}
		a.note(t, fmt.Sprintf("took %d %d", d.Record.First, len(d.Record.Messages)))
		if taken.Processed(testContext(t), d.Record.Sequence(), d.Record.End()) == nil {
			_ = d.Ack()
		}
		return true
	}
	for range killRounds {
		for before := a.stored; a.stored == before && step(testContext(t)); {
		}
		until, stop := context.WithTimeout(ctx, time.Duration(rand.IntN(200))*time.Millisecond)
		for step(until) {
		}
		stop()
		srv.kill()
		srv.restart()
	}
	cancel()
	end := <-appended
	for a.stored < end && step(testContext(t)) {
	}
	if a.stored != end {
		t.Fatalf("%d of %d numbers came", a.stored, end)
	}
	wantPosition(t, open(), "g", end)
	t.Logf("%d messages appended, none lost, %d taken twice", end, a.again)
}
