package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
)

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
		"all is known": {side(func(*ingest.Side) {}), []string{"Balanced: every message that the broker has acknowledged is accounted for."}, ""},
		"some wait": {side(func(s *ingest.Side) { s.Waiting = n(2000) }),
			[]string{"every message that the broker has acknowledged and the gateways have taken is", "2 000 messages still wait in the broker for gateway nha-trang"}, ""},
		"another broker": {side(func(s *ingest.Side) { s.Door, s.Waiting, s.DoorProblem = nil, nil, ingest.ErrNoDoor.Error() }),
			[]string{"every message that the gateways have received is", "does not tell what it has taken"}, "broker has acknowledged is accounted"},
		"not compared yet": {side(func(s *ingest.Side) { s.Compared = false }), []string{"that the gateways have received is", "not held against it yet"}, ""},
		"no count":         {side(func(s *ingest.Side) { s.Taken, s.TakenProblem, s.Compared = nil, "disk", false }), []string{"its own count is not known: disk"}, ""},
		"queued":           {func() ingest.Report { r := side(func(*ingest.Side) {}); r.Gateways[0].Queued = 7; return r }(), []string{"7 messages wait in the journal"}, ""},
		"nothing":          {ingest.Report{Balanced: true}, []string{"No gateway has received anything yet."}, "Balanced"},
		"elsewhere": {func() ingest.Report { r := side(func(*ingest.Side) {}); r.Sides = nil; return r }(),
			[]string{"that the gateways have received is", "not known here: the gateways run in another process"}, ""},
		"missing":           {ingest.Report{Gateways: []ingest.Balance{{Missing: -3}}}, []string{"NOT BALANCED"}, "accounted"},
		"cannot be read":    {ingest.Report{SidesProblem: "no answer"}, []string{"NOT COMPARED", "no answer"}, "accounted"},
		"a loss since then": {ingest.Report{Losses: []ingest.Loss{{Summary: "25 messages were lost", Since: time.Now()}}}, []string{"LOST: 25 messages were lost", "NOT BALANCED"}, "accounted"},
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
