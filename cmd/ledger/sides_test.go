package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
)

// Settled losses are told with who and why, the epochs of one acknowledgement as one.
func TestSettledIsPrinted(t *testing.T) {
	at := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	one := func(what ingest.Lack, who, why string, lost int64) ingest.Settlement {
		return ingest.Settlement{At: at, Who: who, Why: why, Rule: "r", What: what, Gateway: "nha-trang", Epoch: ingest.Epoch(why), Lost: lost}
	}
	a, b := one(ingest.LackMessages, "lan", "đĩa\nhỏng", 5), one(ingest.LackMessages, "lan", "đĩa\nhỏng", 7)
	b.Epoch = "other"
	var out strings.Builder
	printSettled(&out, ingest.Report{Settlements: []ingest.Settlement{a, b, one(ingest.LackValues, "minh", "", 1200), one(ingest.LackMessages, "", "", -3)}})
	want := `
Settled: 12 messages of gateway nha-trang missing before 2026-11-28 15:00 +07:00, by lan: đĩa hỏng
Settled: 1 200 values that the store lacked before 2026-11-28 15:00 +07:00, by minh: no note
Settled, and found again by 2026-11-28 15:00 +07:00: 3 messages of gateway nha-trang.
`
	if got := out.String(); got != want {
		t.Errorf("printed is %s, want %s", got, want)
	}
	out.Reset()
	many := ingest.Report{}
	for i := range 14 {
		many.Settlements = append(many.Settlements, ingest.Settlement{At: at.Add(time.Duration(i) * time.Hour), Who: "lan", What: ingest.LackDoor, Gateway: "nha-trang", Lost: 1})
	}
	if printSettled(&out, many); !strings.Contains(out.String(), "4 earlier losses are settled") || strings.Count(out.String(), "Settled:") != 10 {
		t.Errorf("of 14 are printed %s", out.String())
	}
}

// The verdict says no more than is known.
func TestVerdict(t *testing.T) {
	n := func(v uint64) *uint64 { return &v }
	side := func(change func(*ingest.Side)) ingest.Report {
		s := ingest.Side{Gateway: "nha-trang", Door: n(100), Waiting: n(0), Taken: &ingest.Tally{First: 100, Confirmed: 100}, Journal: 100, Compared: true}
		change(&s)
		return ingest.Report{Balanced: true, Gateways: []ingest.Balance{{Account: ingest.Account{Gateway: "nha-trang", Stored: 100}, Received: 100}}, Sides: []ingest.Side{s}}
	}
	for name, c := range map[string]struct {
		report ingest.Report
		want   []string
		never  string
	}{
		"all is known": {side(func(*ingest.Side) {}), []string{"Balanced: every message that was acknowledged is accounted for."}, ""},
		"some wait": {side(func(s *ingest.Side) { s.Waiting = n(2000) }),
			[]string{"every message that was acknowledged and the gateways have taken is", "2 000 messages waiting for gateway nha-trang"}, ""},
		"another broker": {side(func(s *ingest.Side) { s.Door, s.Waiting, s.DoorProblem = nil, nil, ingest.ErrNoDoor.Error() }),
			[]string{"every message that the gateways have received is", "does not tell what it has taken"}, "was acknowledged is accounted"},
		"not compared yet": {side(func(s *ingest.Side) { s.Compared = false }), []string{"that the gateways have received is", "not held against it yet"}, ""},
		"no count":         {side(func(s *ingest.Side) { s.Taken, s.TakenProblem, s.Compared = nil, "disk", false }), []string{"its own count is not known: disk"}, ""},
		"queued":           {func() ingest.Report { r := side(func(*ingest.Side) {}); r.Gateways[0].Queued = 7; return r }(), []string{"7 messages waiting in the journal"}, ""},
		"nothing":          {ingest.Report{Balanced: true}, []string{"No gateway has received anything yet."}, "Balanced"},
		"elsewhere": {func() ingest.Report { r := side(func(*ingest.Side) {}); r.Sides = nil; return r }(),
			[]string{"that the gateways have received is", "not known here: the gateways run in another process"}, ""},
		"a broker that tells": {side(func(s *ingest.Side) {
			s.Broker = &ingest.BrokerSide{Name: "mosquitto version 2.0.11", Dropped: n(4000), Since: time.Now(), Restarts: 2, Forgotten: 1}
		}), []string{"Gateway nha-trang: its broker (mosquitto version 2.0.11) says to have dropped 4 000 messages since", "for all its clients", "that were seen: 2", "had lost: 1"}, ""},
		"a broker that does not":      {side(func(s *ingest.Side) { s.Broker = &ingest.BrokerSide{Problem: "it is silent"} }), []string{"is not known, for it is silent; docs/brokers.md"}, ""},
		"a broker that drops nothing": {side(func(s *ingest.Side) { s.Broker = &ingest.BrokerSide{Dropped: n(0)} }), nil, "its broker"},
		"settled":                     {ingest.Report{Balanced: true, Gateways: []ingest.Balance{{Missing: 3, Settled: 3}}}, []string{"accounted for, but for the settled."}, "NOT"},
		"missing":                     {ingest.Report{Gateways: []ingest.Balance{{Missing: -3, Unsettled: -3}}}, []string{"NOT BALANCED"}, "accounted"},
		"cannot be read":              {ingest.Report{SidesProblem: "no answer"}, []string{"NOT COMPARED", "no answer"}, "accounted"},
		"a loss since then":           {ingest.Report{Losses: []ingest.Loss{{Summary: "25 messages were lost", Since: time.Now()}}}, []string{"LOST: 25 messages were lost", "NOT BALANCED"}, "accounted"},
	} {
		got := verdict(c.report)
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %q does not say %q", name, got, w)
			}
		}
		if c.never != "" && strings.Contains(got, c.never) {
			t.Errorf("%s: %q says %q", name, got, c.never)
		}
	}
}
