package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// noon is in Nha Trang.
func noon() time.Time { return time.Date(2026, 11, 21, 5, 0, 0, 0, time.UTC) }

// stood is a sample in which everything that was received is stored, but for one
// in quarantine.
func stood(gateway string, at time.Time, received uint64) ingest.Sample {
	return ingest.Sample{Time: at, Balance: ingest.Balance{Received: received, Queued: 2,
		Account: ingest.Account{Gateway: gateway, Position: received - 2, Stored: received - 3, Quarantined: 1}}}
}

func samples(t *testing.T, l *ledger.Ledger, q ingest.HistoryQuery) []ingest.Sample {
	t.Helper()
	out, err := l.Samples(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A sample every ten minutes of five days: of the last two days each is there, before only the
// hours, and in whatever steps one asks, no message is lost from the count.
func TestHistoryIsThinnedAndLosesNoCount(t *testing.T) {
	now := noon()
	l := open(t, ledger.Options{Dir: t.TempDir(), Now: func() time.Time { return now }})
	const count = 5 * 24 * 6
	for n := range count {
		now = noon().Add(time.Duration(n)*10*time.Minute + 700*time.Millisecond)
		s := []ingest.Sample{stood("cam-ranh", now, uint64(10*n+10)), stood("nha-trang", now, uint64(20*n+20))}
		if err := l.AddSamples(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	all := ingest.HistoryQuery{Gateway: "nha-trang", From: noon().Add(-time.Hour), To: now.Add(time.Hour), Step: time.Minute}
	have := samples(t, l, all)
	if want := 48*6 + 3*24; len(have) < want || len(have) > want+3 {
		t.Errorf("of %d samples %d are kept, want some %d", count, len(have), want)
	}
	for _, c := range []struct {
		step   time.Duration
		points int
	}{{time.Minute, len(have) - 1}, {time.Hour, 5*24 + 1}, {24 * time.Hour, 6}} {
		q := all
		q.Step = c.step
		h := ingest.Changes(samples(t, l, q), c.step)
		if len(h) != 1 || len(h[0].Points) != c.points {
			t.Errorf("in steps of %v there are %d gateways, %d points; want one with %d", c.step, len(h), len(h[0].Points), c.points)
			continue
		}
		var received, stored int64
		for i, p := range h[0].Points {
			received, stored = received+p.Received, stored+p.Stored
			if p.Queued != 2 || p.Missing != 0 || p.Waiting != 1 {
				t.Errorf("in steps of %v: %+v", c.step, p)
			}
			if i > 0 && !p.Time.After(h[0].Points[i-1].Time) {
				t.Errorf("in steps of %v: %v comes after %v", c.step, p.Time, h[0].Points[i-1].Time)
			}
		}
		if received != 20*count || stored != 20*count-3 {
			t.Errorf("in steps of %v %d were received and %d stored, want %d and 3 less", c.step, received, stored, 20*count)
		}
	}
	q := all
	q.Gateway, q.From, q.To, q.Step = "", now.Truncate(time.Hour).Add(-2*time.Hour), now.Truncate(time.Hour).Add(-time.Hour), time.Hour
	h := ingest.Changes(samples(t, l, q), time.Hour)
	if len(h) != 2 || h[0].Gateway != "cam-ranh" || len(h[1].Points) != 1 || h[1].Points[0].Received != 20*6 {
		t.Errorf("an hour of all gateways is %+v", h)
	}
}

// A day ends at midnight in Vietnam, not in Greenwich.
func TestStepEnd(t *testing.T) {
	midnight := time.Date(2026, 11, 21, 17, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Time
		step time.Duration
		want time.Time
	}{
		{noon(), 24 * time.Hour, midnight},
		{midnight, 24 * time.Hour, midnight},
		{midnight.Add(time.Millisecond), 24 * time.Hour, midnight.Add(24 * time.Hour)},
		{noon().Add(time.Second), time.Minute, noon().Add(time.Minute)},
		{noon(), 6 * time.Hour, noon()},
	} {
		if have := ingest.StepEnd(c.at, c.step); !have.Equal(c.want) {
			t.Errorf("the step of %v that %v is in ends at %v, want %v", c.step, c.at, have, c.want)
		}
	}
}

// A ledger that has counted before it kept a history does not seem to have
// received all of that in one minute.
func TestHistoryOfAnOlderLedgerBeginsWithItsCount(t *testing.T) {
	o := ledger.Options{Dir: t.TempDir(), Now: noon}
	l := open(t, o)
	if err := l.Commit(t.Context(), ingest.Commit{Accounts: []ingest.Account{{Gateway: "nha-trang", Position: 1000, Stored: 1000}}}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	asLayout1(t, o.Dir)
	o.Now = func() time.Time { return noon().Add(time.Minute) }
	l = open(t, o)
	at := noon().Add(3 * time.Minute)
	if err := l.AddSamples(t.Context(), []ingest.Sample{{Time: at, Balance: ingest.Balance{Received: 1010,
		Account: ingest.Account{Gateway: "nha-trang", Position: 1010, Stored: 1009, Duplicate: 1}}}}); err != nil {
		t.Fatal(err)
	}
	h := ingest.Changes(samples(t, l, ingest.HistoryQuery{From: noon(), To: at, Step: time.Minute}), time.Minute)
	want := []ingest.GatewayHistory{{Gateway: "nha-trang", Points: []ingest.HistoryPoint{{Time: at, Received: 10, Stored: 9, Duplicate: 1}}}}
	if diff := cmp.Diff(want, h); diff != "" {
		t.Error(diff)
	}
}

func TestHeardIsKept(t *testing.T) {
	now := noon()
	o := ledger.Options{Dir: t.TempDir(), Now: func() time.Time { return now }}
	l := open(t, o)
	keep := func(began, until time.Time, n int, gateway string) {
		t.Helper()
		var heard []ledger.Heard
		for i := range n {
			heard = append(heard, ledger.Heard{Device: telemetry.Device(fmt.Sprintf("d%04d", i)), Received: until, Event: until.Add(-time.Second), Gateway: gateway, Memory: "what " + gateway})
		}
		deaf := []ledger.Deaf{{Ear: "gateway a", Began: noon(), Until: until}}
		if err := l.KeepHeard(t.Context(), ledger.Run{Began: began, Until: until}, deaf, heard); err != nil {
			t.Fatal(err)
		}
	}
	keep(noon(), noon().Add(time.Minute), 2500, "a")
	keep(noon(), noon().Add(2*time.Minute), 1, "b")
	keep(noon().Add(time.Hour), noon().Add(2*time.Hour), 0, "")
	l.Close()
	l = open(t, o)
	runs, deaf, heard, err := l.Heard(t.Context())
	if err != nil || len(heard) != 2500 {
		t.Fatalf("%d were heard: %v", len(heard), err)
	}
	want := ledger.Heard{Device: "d0000", Received: noon().Add(2 * time.Minute), Event: noon().Add(2*time.Minute - time.Second), Gateway: "b", Memory: "what b"}
	if diff := cmp.Diff(want, heard[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]ledger.Run{{Began: noon(), Until: noon().Add(2 * time.Minute)}, {Began: noon().Add(time.Hour), Until: noon().Add(2 * time.Hour)}}, runs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]ledger.Deaf{{Ear: "gateway a", Began: noon(), Until: noon().Add(2 * time.Hour)}}, deaf); diff != "" {
		t.Error(diff)
	}
	now = noon().AddDate(2, 0, 0)
	if runs, deaf, heard, err = l.Heard(t.Context()); err != nil || len(runs)+len(deaf)+len(heard) != 0 {
		t.Errorf("after two years there are still %d, %d and %d: %v", len(runs), len(deaf), len(heard), err)
	}
}
