package ledger_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func open(t *testing.T, o ledger.Options) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func key(n int) (k ingest.MessageKey) {
	copy(k[:], fmt.Sprintf("%016d", n))
	return k
}

func held(id int64, topic string, reason telemetry.Reason) ingest.Quarantined {
	at := time.UnixMilli(1795293000123).UTC()
	return ingest.Quarantined{
		ID: id, Gateway: "nha-trang", Device: telemetry.Device(topic[strings.LastIndex(topic, "/")+1:]), At: at,
		Message:  ingest.Message{Topic: topic, Payload: []byte{0xff, 0, '{'}, Received: at, QoS: 1, Retained: true, FullSize: 3},
		Problems: []telemetry.Problem{{Field: "pm25", Reason: reason, Detail: "because"}},
	}
}

func TestReopenedLedgerIsTheSame(t *testing.T) {
	for _, sync := range []bool{false, true} {
		t.Run(fmt.Sprintf("sync=%t", sync), func(t *testing.T) {
			o := ledger.Options{Dir: t.TempDir(), SyncCommits: sync}
			l := open(t, o)
			account := ingest.Account{Gateway: "nha-trang", Position: 10, Stored: 7, Duplicate: 1, Quarantined: 2, Partial: 1}
			err := l.Commit(t.Context(), ingest.Commit{
				Accounts: []ingest.Account{account},
				Fates:    []ingest.KeyFate{{Key: key(1), Fate: ingest.Kept}, {Key: key(2), Fate: ingest.Held}},
				Quarantine: []ingest.Quarantined{
					held(0, "kh/nha-trang/noise/a", telemetry.NotJSON), held(0, "kh/\xff", telemetry.BadTopic),
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = open(t, o)
			if diff := cmp.Diff([]ingest.Account{account}, l.Accounts()); diff != "" {
				t.Error(diff)
			}
			for n, want := range map[int]ingest.Fate{1: ingest.Kept, 2: ingest.Held, 3: ingest.Unseen} {
				if got := l.Seen(key(n)); got != want {
					t.Errorf("fate of key %d is %d, want %d", n, got, want)
				}
			}
			got, _, err := l.Quarantine(t.Context(), ingest.QuarantineFilter{})
			if err != nil {
				t.Fatal(err)
			}
			want := []ingest.Quarantined{held(1, "kh/nha-trang/noise/a", telemetry.NotJSON), held(2, "kh/\xff", telemetry.BadTopic)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCommitIsWholeOrNothing(t *testing.T) {
	l := open(t, ledger.Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := ingest.Commit{Accounts: []ingest.Account{{Gateway: "g", Position: 1, Stored: 1}}, Quarantine: []ingest.Quarantined{held(0, "t", telemetry.Empty)}}
	if err := l.Commit(ctx, c); err == nil {
		t.Fatal("a cut-off commit reported success")
	}
	if got := l.Accounts(); len(got) != 0 {
		t.Errorf("accounts after a failed commit: %v", got)
	}
	if rows, _, err := l.Quarantine(t.Context(), ingest.QuarantineFilter{}); err != nil || len(rows) != 0 {
		t.Errorf("quarantine after a failed commit: %v, %v", rows, err)
	}
}

func TestQuarantineFilter(t *testing.T) {
	l := open(t, ledger.Options{Dir: t.TempDir()})
	if err := l.Commit(t.Context(), ingest.Commit{Quarantine: []ingest.Quarantined{
		held(0, "kh/nha-trang/noise/a", telemetry.NotJSON),
		held(0, "kh/nha-trang/noise/a%", telemetry.OutOfRange),
		held(0, "kh/cam-lâm/noise/b", telemetry.OutOfRange),
	}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		filter ingest.QuarantineFilter
		want   []int64
	}{
		{"all", ingest.QuarantineFilter{}, []int64{1, 2, 3}},
		{"limit", ingest.QuarantineFilter{Limit: 2}, []int64{1, 2}},
		{"after", ingest.QuarantineFilter{After: 1}, []int64{2, 3}},
		{"ids", ingest.QuarantineFilter{IDs: []int64{3, 1, 99}}, []int64{1, 3}},
		{"reason", ingest.QuarantineFilter{Reason: telemetry.OutOfRange}, []int64{2, 3}},
		{"gateway", ingest.QuarantineFilter{Gateway: "cam-ranh"}, nil},
		{"device", ingest.QuarantineFilter{Device: "a"}, []int64{1}},
		{"topic", ingest.QuarantineFilter{Topic: "kh/nha-trang/noise/a"}, []int64{1}},
		{"prefix", ingest.QuarantineFilter{Topic: "kh/nha-trang/*"}, []int64{1, 2}},
		{"prefix with diacritics", ingest.QuarantineFilter{Topic: "kh/cam-lâm/*"}, []int64{3}},
		{"wildcards of SQL mean nothing", ingest.QuarantineFilter{Topic: "kh/%*"}, nil},
	} {
		rows, _, err := l.Quarantine(t.Context(), c.filter)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, r := range rows {
			got = append(got, r.ID)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestReleaseAndRetry(t *testing.T) {
	l := open(t, ledger.Options{Dir: t.TempDir()})
	if err := l.Commit(t.Context(), ingest.Commit{Quarantine: []ingest.Quarantined{
		held(0, "a", telemetry.NotJSON), held(0, "b", telemetry.NotJSON),
	}}); err != nil {
		t.Fatal(err)
	}
	again := held(2, "b", telemetry.OutOfRange)
	again.Partial = true
	if err := l.Commit(t.Context(), ingest.Commit{Release: []int64{1}, Retry: []ingest.Quarantined{again}}); err != nil {
		t.Fatal(err)
	}
	again.Tries = 1
	got, _, err := l.Quarantine(t.Context(), ingest.QuarantineFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ingest.Quarantined{again}, got); diff != "" {
		t.Error(diff)
	}
	reasons, err := l.Reasons(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ingest.ReasonCount{{Gateway: "nha-trang", Reason: "out_of_range", Partial: true, Count: 1, Bytes: 334}}, reasons); diff != "" {
		t.Error(diff)
	}
}

// TestMemoryIsBounded fills the memory many times over: what is recent is known,
// also after reopening, and the file does not grow with what is forgotten.
func TestMemoryIsBounded(t *testing.T) {
	const size, batch, batches = 1000, 50, 600
	o := ledger.Options{Dir: t.TempDir(), Memory: size}
	l := open(t, o)
	l.Close() // its tables are in the file itself then
	l = open(t, o)
	empty, err := os.Stat(filepath.Join(o.Dir, ledger.FileName))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range batches {
		var c ingest.Commit
		for range batch {
			c.Fates = append(c.Fates, ingest.KeyFate{Key: key(n), Fate: ingest.Kept})
			n++
		}
		if err := l.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string) {
		t.Helper()
		for i := n - size; i < n; i++ {
			if l.Seen(key(i)) != ingest.Kept {
				t.Fatalf("%s: key %d of the last %d is forgotten", when, n-i, size)
			}
		}
		if l.Seen(key(n-2*size-1)) != ingest.Unseen {
			t.Errorf("%s: a key older than two generations is remembered", when)
		}
	}
	check("running")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	check("reopened")
	info, err := os.Stat(filepath.Join(o.Dir, ledger.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if limit := empty.Size() + int64(3*size)*40 + 8<<10; info.Size() > limit {
		t.Errorf("the file has %d bytes for a memory of %d keys; at most %d make sense", info.Size(), size, limit)
	}
}

func TestNewerLayoutIsRefused(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir()}
	l := open(t, o)
	l.Close()
	// user_version is a big-endian number at byte 60 of the file's header.
	path := filepath.Join(o.Dir, ledger.FileName)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0, 0, 0, 11}, 60); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := ledger.Open(t.Context(), o); err == nil {
		t.Error("a ledger of a newer layout was opened")
	}
}

// A ledger of layout 2 keeps its alarms, of which nothing is owed, and owes of those
// that come.
func TestAlarmsOfLayout2(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir()}
	l := open(t, o)
	raised := time.UnixMilli(1795293000000).UTC()
	old := &ingest.Alarm{Rule: "heat-35", Site: "cho-dam", Raised: raised}
	if err := l.KeepAlarms(t.Context(), []*ingest.Alarm{old}, true); err != nil {
		t.Fatal(err)
	}
	l.Close()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(o.Dir, ledger.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `DROP INDEX alarm_owed; ALTER TABLE alarm DROP COLUMN owed; ALTER TABLE alarm DROP COLUMN quiet; ALTER TABLE alarm DROP COLUMN stale;
		ALTER TABLE heard DROP COLUMN memory; ALTER TABLE heard DROP COLUMN noted; INSERT INTO heard VALUES ('aq-1', 1795293000000, 1795293000000, 'gw'); PRAGMA user_version = 2`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	l = open(t, o)
	if all, err := l.Alarms(t.Context(), ingest.AlarmFilter{}); err != nil || len(all) != 1 || all[0].Rule != "heat-35" {
		t.Errorf("alarms: %+v, %v", all, err)
	}
	if _, _, heard, err := l.Heard(t.Context()); err != nil || len(heard) != 1 || heard[0].Device != "aq-1" || !heard[0].Received.Equal(raised) {
		t.Errorf("heard: %+v, %v", heard, err)
	}
	if e, ok, err := l.NextEvent(t.Context()); ok || err != nil {
		t.Errorf("of what was raised before, somebody is to be told %+v, %v", e, err)
	}
	if err := l.KeepAlarms(t.Context(), []*ingest.Alarm{{Rule: "heat-37", Site: "cho-dam", Raised: raised.Add(time.Hour), Quiet: raised, Stale: raised.Add(time.Minute)}}, true); err != nil {
		t.Fatal(err)
	}
	if e, ok, err := l.NextEvent(t.Context()); !ok || err != nil || e.ID != "2-raised" || !e.At.Equal(raised.Add(time.Hour)) || !e.Alarm.Quiet.Equal(raised) || !e.Alarm.Stale.Equal(raised.Add(time.Minute)) {
		t.Errorf("the next event is %+v, %v", e, err)
	}
}

// A ledger of layout 7, of before there were epochs, keeps its accounts, what waits of
// them and what its gateways had said, all with the epoch "".
func TestAccountsOfLayout7(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir(), Now: noon}
	l := open(t, o)
	if err := l.Commit(t.Context(), ingest.Commit{Quarantine: []ingest.Quarantined{held(0, "t", telemetry.Empty)}}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(o.Dir, ledger.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `DROP TABLE account; DROP TABLE said; DROP TABLE mark; DROP TABLE locality_row; ALTER TABLE quarantine DROP COLUMN epoch; ALTER TABLE quarantine DROP COLUMN row; ALTER TABLE history DROP COLUMN missing;
		CREATE TABLE account (gateway TEXT PRIMARY KEY, position INTEGER NOT NULL, stored INTEGER NOT NULL, duplicate INTEGER NOT NULL, quarantined INTEGER NOT NULL,
			partial INTEGER NOT NULL, discarded INTEGER NOT NULL DEFAULT 0, canary INTEGER NOT NULL DEFAULT 0) STRICT;
		INSERT INTO account VALUES ('nha-trang', 100, 80, 10, 5, 3, 2, 1);
		INSERT INTO history (gateway, minute, received, stored, duplicate, quarantined, partial, queued, discarded, canary)
			VALUES ('nha-trang', 1795293000, 120, 80, 10, 5, 3, 20, 2, 1);
		DROP TABLE settled; ALTER TABLE hour DROP COLUMN settled; INSERT INTO hour (hour, kind, written, told) VALUES (1795291200, 'noise', 9, 4); PRAGMA user_version = 7`); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for range 2 { // the second finds it upgraded
		l = open(t, o)
		want := []ingest.Account{{Gateway: "nha-trang", Position: 100, Stored: 80, Duplicate: 10, Quarantined: 5, Partial: 3, Discarded: 2, Canary: 1}}
		if diff := cmp.Diff(want, l.Accounts()); diff != "" {
			t.Error(diff)
		}
		rows := []ingest.Row{{Gateway: "nha-trang", Locality: ingest.Earlier, Outcomes: want[0].Outcomes()}}
		if _, got := l.Books(); cmp.Diff(rows, got) != "" {
			t.Error(cmp.Diff(rows, got))
		}
		if lost := l.Accounts()[0].Lost(); lost != 2 {
			t.Errorf("%d are lost, want 2", lost)
		}
		if diff := cmp.Diff(map[ingest.Sequence]uint64{{Gateway: "nha-trang"}: 120}, l.Said()); diff != "" {
			t.Error(diff)
		}
		if got, _, err := l.Quarantine(t.Context(), ingest.QuarantineFilter{}); err != nil || len(got) != 1 || got[0].Epoch != "" || got[0].Row != ingest.Earlier {
			t.Errorf("quarantine %+v, %v", got, err)
		}
		if got := samples(t, l, ingest.HistoryQuery{From: time.Unix(1795292000, 0), To: time.Unix(1795294000, 0), Step: time.Minute}); len(got) != 1 || got[0].Missing != 2 {
			t.Errorf("history %+v", got)
		}
		hours, err := l.Hours(t.Context(), time.Unix(1795291200, 0), time.Unix(1795294800, 0))
		if err != nil || len(hours) != 1 || hours[0].Told != 4 || hours[0].Settled != 0 || len(l.Settlements()) > 0 {
			t.Errorf("hours %+v, %v; settled %+v", hours, err, l.Settlements())
		}
		l.Close()
	}
}

// What of an hour is settled follows what was found again, and is told anew beyond that.
func TestSettledHours(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir(), Now: noon}
	l := open(t, o)
	hour := store.KindHour{Kind: "noise", Hour: 1795291200}
	figure := func() ingest.HourFigure {
		t.Helper()
		all, err := l.Hours(t.Context(), time.Unix(hour.Hour, 0), time.Unix(hour.Hour+1, 0))
		if err != nil || len(all) != 1 {
			t.Fatalf("hours are %+v, %v", all, err)
		}
		return all[0]
	}
	settle := func(id int64, lost int) {
		t.Helper()
		if _, err := l.Acknowledge(t.Context(), id, "lan", "deleted", noon(), false, []ingest.Settlement{{What: ingest.LackValues}}); err != nil {
			t.Fatal(err)
		}
		if all := l.Settlements(); all[len(all)-1].Lost != int64(lost) || all[len(all)-1].Rule != "store-loss" {
			t.Errorf("settled are %+v, want %d at last", all, lost)
		}
	}
	alarms := []*ingest.Alarm{{Rule: "store-loss", Lasting: true, Raised: noon()}, {Rule: "store-loss", Lasting: true, Raised: noon()}}
	if err := errors.Join(l.KeepAlarms(t.Context(), alarms, false), l.Commit(t.Context(), ingest.Commit{Written: map[store.KindHour]int64{hour: 9}})); err != nil {
		t.Fatal(err)
	}
	saw := func(missing int64) {
		t.Helper()
		if err := l.SawHours(t.Context(), []ingest.HourFigure{{KindHour: hour, Seen: 9 - missing, Told: missing}}); err != nil {
			t.Fatal(err)
		}
	}
	saw(4)
	settle(alarms[0].ID, 4)
	saw(6)
	if f := figure(); f.Told != 6 || f.Settled != 4 {
		t.Errorf("6 are missing: %+v", f)
	}
	settle(alarms[1].ID, 2)
	saw(1)
	if f := figure(); f.Told != 1 || f.Settled != 1 {
		t.Errorf("5 were found again: %+v", f)
	}
	if _, err := l.Acknowledge(t.Context(), alarms[0].ID, "minh", "", noon(), false, []ingest.Settlement{{What: ingest.LackDoor, Lost: 3}}); !errors.Is(err, ingest.ErrAcknowledged) || len(l.Settlements()) != 2 {
		t.Errorf("acknowledged twice: %v, settled %+v", err, l.Settlements())
	}
	before := l.Settlements()
	l.Close()
	if diff := cmp.Diff(before, open(t, o).Settlements()); diff != "" {
		t.Error("reopened: ", diff)
	}
}

// The last records are known again, also after reopening, by place and content and in
// their own epoch only; older ones are not.
func TestMarks(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir()}
	l := open(t, o)
	mark := func(n int) ingest.Mark {
		return ingest.Mark{Sequence: ingest.Sequence{Gateway: "g", Epoch: "E"}, First: uint64(n), End: uint64(n) + 1, Sum: uint32(n)}
	}
	const all = 3 * ingest.MarksKept / 2
	for n := 0; n < all; n += 512 {
		var c ingest.Commit
		for i := range 512 {
			c.Marks = append(c.Marks, mark(n+i))
		}
		if err := l.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for n := range all {
			if l.Repeated(mark(n)) != (n >= all-ingest.MarksKept) {
				t.Fatalf("record %d of %d is known: %v", n, all, l.Repeated(mark(n)))
			}
		}
		other, another := mark(all-1), mark(all-1)
		other.Sum++
		another.Epoch = "F"
		if l.Repeated(other) || l.Repeated(another) {
			t.Error("a record of the same place and another content or epoch is known")
		}
		l.Close()
		l = open(t, o)
	}
}

func BenchmarkCommit(b *testing.B) {
	l, err := ledger.Open(b.Context(), ledger.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const messages = 1000
	c := ingest.Commit{Accounts: []ingest.Account{{Gateway: "nha-trang"}}, Fates: make([]ingest.KeyFate, messages)}
	b.ResetTimer()
	for i := range b.N {
		for j := range c.Fates {
			c.Fates[j] = ingest.KeyFate{Key: key(i*messages + j), Fate: ingest.Kept}
		}
		if err := l.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*messages), "ns/message")
}
