package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
)

// memoryBooks keeps books as a ledger does.
type memoryBooks map[string]ingest.SideBook

func (m memoryBooks) SideBooks(context.Context) (map[string]ingest.SideBook, error) { return m, nil }
func (m memoryBooks) KeepSideBook(_ context.Context, b ingest.SideBook) error {
	m[b.Gateway] = b
	return nil
}
func (m memoryBooks) Settlements() []ingest.Settlement { return nil }

// TestBrokerIsRemembered feeds the comparison what a broker says, from minute to minute
// and over starts of either.
func TestBrokerIsRemembered(t *testing.T) {
	type say struct {
		minute   int // since the test began
		process  int // which run of the gateway says it
		url      string
		dropped  int           // -1: it does not tell
		uptime   time.Duration // 0: it does not tell
		accepted uint64        // connections
		fresh    uint64        // of these, without a session
	}
	for name, c := range map[string]struct {
		said                      []say
		dropped                   string
		restarts, forgotten       uint64
		foundDropped, foundForgot float64
	}{
		"what it had dropped before it was first asked is left out": {[]say{{0, 0, "a", 700, time.Hour, 1, 1}}, "0", 0, 0, 0, 0},
		"it drops":                         {[]say{{0, 0, "a", 700, time.Hour, 1, 1}, {1, 0, "a", 750, 61 * time.Minute, 1, 1}}, "50", 0, 0, 50, 0},
		"it drops while nobody is there":   {[]say{{0, 0, "a", 0, time.Hour, 1, 1}, {600, 1, "a", 4000, 11 * time.Hour, 1, 0}}, "4000", 0, 0, 4000, 0},
		"its counter began anew":           {[]say{{0, 0, "a", 700, time.Hour, 1, 1}, {1, 0, "a", 5, 3 * time.Second, 2, 1}}, "5", 1, 0, 5, 0},
		"and has already more":             {[]say{{0, 0, "a", 7, time.Hour, 1, 1}, {1, 0, "a", 9, 3 * time.Second, 2, 1}}, "9", 1, 0, 9, 0},
		"started anew long ago":            {[]say{{0, 0, "a", 7, time.Minute, 1, 1}, {600, 0, "a", 9, 5 * time.Hour, 2, 1}}, "9", 1, 0, 9, 0},
		"an answer that is some time old":  {[]say{{0, 0, "a", 0, time.Hour, 1, 1}, {2, 0, "a", 0, time.Hour + 110*time.Second, 1, 1}}, "0", 0, 0, 0, 0},
		"it does not tell its uptime":      {[]say{{0, 0, "a", 3, 0, 1, 1}, {1, 0, "a", 5, 0, 1, 1}}, "2", 0, 0, 2, 0},
		"it does not tell":                 {[]say{{0, 0, "a", -1, 0, 1, 1}}, "not known", 0, 0, 0, 0},
		"it does not tell any more":        {[]say{{0, 0, "a", 3, 0, 1, 1}, {1, 0, "a", -1, 0, 2, 1}}, "not known", 0, 0, 0, 0},
		"the session is lost":              {[]say{{0, 0, "a", 0, time.Hour, 1, 1}, {1, 0, "a", 0, 61 * time.Minute, 2, 2}}, "0", 0, 1, 0, 1},
		"it is lost while nobody is there": {[]say{{0, 0, "a", 0, time.Hour, 1, 1}, {9, 1, "a", 0, 69 * time.Minute, 1, 1}}, "0", 0, 1, 0, 1},
		"lost twice, seen once":            {[]say{{0, 0, "a", 0, time.Hour, 1, 1}, {9, 0, "a", 0, 69 * time.Minute, 3, 3}}, "0", 0, 2, 0, 2},
		"another broker":                   {[]say{{0, 0, "a", 9, time.Hour, 1, 1}, {9, 1, "b", 3, time.Hour, 1, 1}}, "0", 0, 0, 0, 0},
		"nobody has connected yet":         {[]say{{0, 0, "a", -1, 0, 0, 0}, {9, 0, "a", 3, time.Hour, 1, 1}}, "0", 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
			now, word := began, ingest.BrokerWord{}
			findings := ingest.NewFindings(time.Now)
			s := &ingest.Sides{Counts: map[string]*ingest.Count{"nha-trang": nil}, Brokers: map[string]func() ingest.BrokerWord{"nha-trang": func() ingest.BrokerWord { return word }},
				Books: memoryBooks{}, Journal: func(context.Context) (map[string]uint64, error) { return nil, nil },
				Findings: findings, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)}
			var last *ingest.BrokerSide
			for _, one := range c.said {
				now = began.Add(time.Duration(one.minute) * time.Minute)
				word = ingest.BrokerWord{URL: one.url, Uptime: one.uptime, Asked: now, Connections: one.accepted, Fresh: one.fresh, Since: began.Add(time.Duration(one.process) * time.Second)}
				if n := uint64(one.dropped); one.dropped >= 0 {
					word.Dropped = &n
				}
				for range 2 { // looking twice changes nothing
					all, err := s.Look(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					last = all[0].Broker
					now = now.Add(2 * time.Second)
				}
			}
			dropped := "not known"
			if last.Dropped != nil {
				dropped = fmt.Sprint(*last.Dropped)
			}
			if dropped != c.dropped || last.Restarts != c.restarts || last.Forgotten != c.forgotten {
				t.Errorf("dropped %s, restarts %d, sessions lost %d; want %s, %d, %d", dropped, last.Restarts, last.Forgotten, c.dropped, c.restarts, c.forgotten)
			}
			found := map[string]float64{}
			for _, f := range findings.List() {
				found[f.Rule] = f.Value
			}
			if found["broker-dropped"] != c.foundDropped || found["broker-forgot"] != c.foundForgot {
				t.Errorf("found %v, want %v dropped, %v forgotten", found, c.foundDropped, c.foundForgot)
			}
		})
	}
}
