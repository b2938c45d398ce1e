package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// of makes messages of a device with payloads of so many bytes.
func of(d string, count, bytes int) (out []ingest.Quarantined) {
	for range count {
		q := held(0, "kh/nha-trang/noise/"+d, telemetry.NotJSON)
		q.Message.Payload, q.Message.FullSize = make([]byte, bytes), bytes
		out = append(out, q)
	}
	return out
}

func TestOverflow(t *testing.T) {
	wide := ingest.Bounds{Bytes: 1 << 20, DeviceBytes: 1 << 20, DeviceCount: 100}
	with := func(change func(*ingest.Bounds)) ingest.Bounds { b := wide; change(&b); return b }
	two := slices.Concat(of("heavy", 10, 10_000), of("light", 3, 100)) // ids 1–10 and 11–13
	for _, c := range []struct {
		name   string
		have   []ingest.Quarantined
		adding []ingest.Quarantined
		bounds ingest.Bounds
		want   []int64
		cause  ingest.Cause
	}{
		{"room for all", two, of("light", 5, 100), wide, nil, ""},
		{"a device over its number loses its own oldest", two, of("light", 2, 100), with(func(b *ingest.Bounds) { b.DeviceCount = 4 }), []int64{11}, ingest.ByDeviceCount},
		{"a device over its bytes loses its own oldest", two, of("heavy", 1, 10_000), with(func(b *ingest.Bounds) { b.DeviceBytes = 90_000 }), []int64{1, 2, 3}, ingest.ByDeviceBytes},
		{"another's quota is not looked at for who adds within his", two, of("light", 1, 100), with(func(b *ingest.Bounds) { b.DeviceBytes = 90_000 }), nil, ""},
		{"what is over without anything added", two, nil, with(func(b *ingest.Bounds) { b.DeviceBytes = 90_000 }), []int64{1, 2}, ingest.ByDeviceBytes},
		{"a full quarantine takes from who has the most", two, of("new", 1, 10_000), with(func(b *ingest.Bounds) { b.Bytes = 105_000 }), []int64{1, 2}, ingest.ByBudget},
		{"two that have the same give in turns", slices.Concat(of("a", 3, 10_000), of("b", 3, 10_000)), nil, with(func(b *ingest.Bounds) { b.Bytes = 45_000 }), []int64{1, 4}, ingest.ByBudget},
		{"a tight disk lets nothing grow", two, of("light", 1, 100), with(func(b *ingest.Bounds) { b.Tight = true }), []int64{1}, ingest.ByDisk},
		{"a tight disk takes nothing while nothing comes", two, nil, with(func(b *ingest.Bounds) { b.Tight = true }), nil, ""},
		{"more is added than there is: all that was goes", of("a", 2, 10_000), of("a", 30, 10_000), with(func(b *ingest.Bounds) { b.DeviceBytes = 100_000 }), []int64{1, 2}, ingest.ByDeviceBytes},
		{"an empty quarantine", nil, of("a", 2, 10_000), with(func(b *ingest.Bounds) { b.Bytes = 1 }), nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := open(t, ledger.Options{Dir: t.TempDir()})
			if err := l.Commit(t.Context(), ingest.Commit{Quarantine: c.have}); err != nil {
				t.Fatal(err)
			}
			gone, err := l.Overflow(t.Context(), c.adding, c.bounds)
			if err != nil {
				t.Fatal(err)
			}
			var ids []int64
			for _, d := range gone {
				if ids = append(ids, d.ID); d.Cause != c.cause {
					t.Errorf("message %d leaves by %s, want %s", d.ID, d.Cause, c.cause)
				}
			}
			if diff := cmp.Diff(c.want, ids); diff != "" {
				t.Error(diff)
			}
			if err := l.Commit(t.Context(), ingest.Commit{Discard: gone, Quarantine: c.adding}); err != nil {
				t.Fatal(err)
			}
			agree(t, l)
		})
	}
}

// agree holds the counts that are kept against what is there, and the size in the
// table against the one that the loader reckons with.
func agree(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	type key struct {
		gateway, reason string
		partial         bool
	}
	counts, sizes := map[key]int64{}, map[key]int64{}
	for f := (ingest.QuarantineFilter{}); ; {
		page, next, err := l.Quarantine(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		leaving, err := l.Leaving(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range page {
			k := key{q.Gateway, string(q.Problems[0].Reason), q.Partial}
			counts[k]++
			sizes[k] += leaving[i].Bytes
			if have, want := leaving[i].Bytes, q.Size(); have < want/2 || have > 2*want+200 {
				t.Errorf("message %d takes %d bytes, it was reckoned to take %d", q.ID, have, want)
			}
		}
		if f.After = next; next == 0 {
			break
		}
	}
	reasons, err := l.Reasons(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(reasons) != len(counts) {
		t.Errorf("%d counts are kept, want %d: %v", len(reasons), len(counts), reasons)
	}
	for _, r := range reasons {
		if k := (key{r.Gateway, r.Reason, r.Partial}); r.Count != counts[k] || r.Bytes != sizes[k] {
			t.Errorf("%v: kept are %d and %d bytes, there are %d and %d", k, r.Count, r.Bytes, counts[k], sizes[k])
		}
	}
}

// TestCountsAgree changes the quarantine at random, in all the ways there are, and
// holds what is counted against what is there, also after reopening.
func TestCountsAgree(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir()}
	l := open(t, o)
	r := rand.New(rand.NewPCG(1, 2))
	reasons := []telemetry.Reason{telemetry.NotJSON, telemetry.OutOfRange, telemetry.Unregistered}
	for round := range 60 {
		var c ingest.Commit
		for range r.IntN(8) {
			q := of(fmt.Sprintf("d%d", r.IntN(5)), 1, r.IntN(3000))[0]
			q.Problems[0].Reason, q.Partial = reasons[r.IntN(3)], r.IntN(2) == 0
			c.Quarantine = append(c.Quarantine, q)
		}
		page, _, err := l.Quarantine(t.Context(), ingest.QuarantineFilter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range page {
			switch r.IntN(12) {
			case 0:
				c.Release = append(c.Release, q.ID)
			case 1:
				q.Problems[0].Reason, q.Partial = reasons[r.IntN(3)], true
				c.Retry = append(c.Retry, q)
			case 2:
				c.Discard = append(c.Discard, ingest.Discard{ID: q.ID, Gateway: q.Gateway, Reason: q.Problems[0].Reason, Cause: ingest.ByPerson})
			case 3:
				q.Trim(r.IntN(100))
				c.Trim = append(c.Trim, q)
			}
		}
		if err := l.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if round%20 == 19 {
			l.Close()
			l = open(t, o)
		}
		agree(t, l)
	}
}

// TestDiscardIsCounted says by what messages left.
func TestDiscardIsCounted(t *testing.T) {
	now := time.UnixMilli(1795300000000).UTC()
	l := open(t, ledger.Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	if err := l.Commit(t.Context(), ingest.Commit{Quarantine: of("a", 3, 100)}); err != nil {
		t.Fatal(err)
	}
	all, err := l.Leaving(t.Context(), ingest.QuarantineFilter{})
	if err != nil {
		t.Fatal(err)
	}
	all[0].Cause, all[1].Cause = ingest.ByAge, ingest.ByAge
	if err := l.Commit(t.Context(), ingest.Commit{Discard: all[:2]}); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(t.Context(), ingest.Commit{Discard: all[1:2]}); err == nil {
		t.Error("what is not there was discarded once more")
	}
	use, err := l.Use(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	size := all[0].Bytes
	want := ingest.QuarantineUse{Count: 1, Bytes: size, Oldest: time.UnixMilli(1795293000123).UTC(), Heaviest: []ingest.DeviceShare{{Device: "a", Count: 1, Bytes: size}},
		Discarded: []ingest.DiscardCount{{Cause: ingest.ByAge, Reason: telemetry.NotJSON, Count: 2, Bytes: 2 * size, Last: now}}}
	if diff := cmp.Diff(want, use); diff != "" {
		t.Error(diff)
	}
}

// A page ends once its payloads are as many bytes as a page may have.
func TestPageIsBoundedByBytes(t *testing.T) {
	l := open(t, ledger.Options{Dir: t.TempDir()})
	if err := l.Commit(t.Context(), ingest.Commit{Quarantine: of("a", 150, ingest.MaxHeld)}); err != nil {
		t.Fatal(err)
	}
	var pages []int
	for after := int64(0); ; {
		page, next, err := l.Quarantine(t.Context(), ingest.QuarantineFilter{After: after})
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, len(page))
		if after = next; next == 0 {
			break
		}
	}
	if diff := cmp.Diff([]int{64, 64, 22}, pages); diff != "" {
		t.Error(diff)
	}
}

// TestOlderQuarantine opens a file of layout 4 with long payloads in it: they are
// counted at once, and cut when the loader asks for them.
func TestOlderQuarantine(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir()}
	db, err := sql.Open("sqlite", filepath.Join(o.Dir, ledger.FileName))
	if err != nil {
		t.Fatal(err)
	}
	long := bytes.Repeat([]byte("0123456789"), 100_000)
	for _, s := range []string{`CREATE TABLE quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, gateway TEXT NOT NULL, device TEXT NOT NULL,
		topic TEXT NOT NULL, payload BLOB NOT NULL, full_size INTEGER NOT NULL, received INTEGER NOT NULL, qos INTEGER NOT NULL, redelivered INTEGER NOT NULL,
		retained INTEGER NOT NULL, partial INTEGER NOT NULL, reason TEXT NOT NULL, problems TEXT NOT NULL, at INTEGER NOT NULL, tries INTEGER NOT NULL) STRICT`,
		"CREATE TABLE account (gateway TEXT PRIMARY KEY, position INTEGER NOT NULL, stored INTEGER NOT NULL, duplicate INTEGER NOT NULL, quarantined INTEGER NOT NULL, partial INTEGER NOT NULL) STRICT",
		"INSERT INTO account VALUES ('nha-trang', 30, 20, 0, 10, 0)",
		"PRAGMA user_version = 4"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		if _, err := db.Exec(`INSERT INTO quarantine (gateway, device, topic, payload, full_size, received, qos, redelivered, retained, partial, reason, problems, at, tries)
			VALUES ('nha-trang', 'a', 'kh/nha-trang/noise/a', ?, ?, 1795293000123, 1, 0, 0, 0, 'too_large', '[{"reason":"too_large"}]', 1795293000123, 0)`, long, len(long)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l := open(t, o)
	agree(t, l)
	for rounds := 0; ; rounds++ {
		uncut, err := l.Uncut(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(uncut) == 0 {
			break
		}
		if len(uncut) > 5 || rounds > 10 {
			t.Fatalf("round %d has %d messages of a megabyte each", rounds, len(uncut))
		}
		for i := range uncut {
			uncut[i].Trim(ingest.MaxHeld)
		}
		if err := l.Commit(t.Context(), ingest.Commit{Trim: uncut}); err != nil {
			t.Fatal(err)
		}
	}
	agree(t, l)
	page, _, err := l.Quarantine(t.Context(), ingest.QuarantineFilter{})
	if err != nil || len(page) != 10 {
		t.Fatalf("%d messages, %v", len(page), err)
	}
	if sum := sha256.Sum256(long); !page[0].Cut() || len(page[0].Message.Payload) != ingest.MaxHeld || page[0].Message.FullSize != len(long) || !bytes.Equal(page[0].SHA256, sum[:]) {
		t.Errorf("of %d bytes %d are kept, the size is said to be %d", len(long), len(page[0].Message.Payload), page[0].Message.FullSize)
	}
}

// What is purged goes back to the disk, not only into the file.
func TestShrink(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir()}
	l := open(t, o)
	if err := l.Commit(t.Context(), ingest.Commit{Quarantine: of("a", 300, ingest.MaxHeld)}); err != nil {
		t.Fatal(err)
	}
	all, err := l.Leaving(t.Context(), ingest.QuarantineFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(t.Context(), ingest.Commit{Discard: all}); err != nil {
		t.Fatal(err)
	}
	before := taken(t, o.Dir)
	for more := true; more; {
		if more, err = l.Shrink(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if after := taken(t, o.Dir); before < 18<<20 || after > 6<<20 {
		t.Errorf("the ledger took %d bytes full and %d empty", before, after)
	}
}

func taken(t *testing.T, dir string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		n += size(t, f)
	}
	return n
}

// BenchmarkCounts asks what the console and the metrics ask, over as many messages as
// a city with a wrong clock had in a day.
func BenchmarkCounts(b *testing.B) {
	l, err := ledger.Open(b.Context(), ledger.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	reasons := []telemetry.Reason{telemetry.NotJSON, telemetry.OutOfRange, telemetry.Unregistered, telemetry.FutureTime}
	for i := range 320 {
		var c ingest.Commit
		for j := range 1000 {
			q := of(fmt.Sprintf("d%d", j), 1, 200)[0]
			q.Problems[0].Reason = reasons[(i+j)%len(reasons)]
			c.Quarantine = append(c.Quarantine, q)
		}
		if err := l.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("reasons", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Reasons(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("use", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Use(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("overflow", func(b *testing.B) {
		bounds := ingest.Bounds{Bytes: 1 << 20, DeviceBytes: 1 << 30, DeviceCount: 1 << 30}
		for b.Loop() {
			if gone, err := l.Overflow(b.Context(), of("d1", 1, 200), bounds); err != nil || len(gone) == 0 {
				b.Fatal(len(gone), err)
			}
		}
	})
	b.Run("commit", func(b *testing.B) {
		for b.Loop() {
			if err := l.Commit(b.Context(), ingest.Commit{Quarantine: of("d1", 100, 200)}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
