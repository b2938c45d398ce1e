package score

import (
	"cmp"
	"slices"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/simulator"
)

// Report is what a scorer found. Its JSON is the command's --json.
type Report struct {
	Scenario string    `json:"scenario"`
	TitleVI  string    `json:"title_vi"`
	TitleEN  string    `json:"title_en"`
	Seed     uint64    `json:"seed"`
	Store    string    `json:"store"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	At       time.Time `json:"at"` // when the time line starts
	Made     time.Time `json:"made"`
	Devices  int       `json:"devices"`
	// Perfect says that all is as it must be.
	Perfect bool `json:"perfect"`
	// Score is the share of expected values that are right, from 0 to 1.
	Score      float64  `json:"score"`
	Total      Tally    `json:"total"`
	Messages   Messages `json:"messages"`
	Defects    []Defect `json:"defects"`
	Kinds      []Row    `json:"kinds"`
	Localities []Row    `json:"localities"`
	Faults     []Row    `json:"faults"`
	// Quarantine is nil where it was not looked into.
	Quarantine *Quarantine `json:"quarantine,omitempty"`
	// Delay is nil where it was not measured.
	Delay *Delay `json:"delay,omitempty"`
	// Crossings are nil where nobody asked for them.
	Crossings *Crossings `json:"crossings,omitempty"`
	// Alarms are nil where nobody asked for them.
	Alarms   *Alarms   `json:"alarms,omitempty"`
	Course   []Moment  `json:"course"`
	Examples []Example `json:"examples"`
	// Untold is how many devices have trouble that is counted, but not named.
	Untold int `json:"untold,omitempty"`

	sites map[telemetry.Site]string // names
}

// Row is a part of the whole.
type Row struct {
	Name string `json:"name"`
	Tally
}

// Moment is a part of the period: how many messages were expected of it, by their
// planned sending, and of how many nothing is there.
type Moment struct {
	From     time.Time `json:"from"`
	Expected int64     `json:"expected"`
	Lost     int64     `json:"lost"`
}

// Delay is how long it took from the planned sending to being readable.
type Delay struct {
	// Resolution is how often the store was asked; every figure may be too long by
	// as much.
	Resolution time.Duration `json:"resolution_ns"`
	Messages   int64         `json:"messages"`
	// Unseen did not become readable while it was looked for.
	Unseen int64         `json:"unseen"`
	P50    time.Duration `json:"p50_ns"`
	P90    time.Duration `json:"p90_ns"`
	P99    time.Duration `json:"p99_ns"`
	Max    time.Duration `json:"max_ns"`
	// Sampled is how many devices were looked at.
	Sampled int `json:"sampled_devices"`
}

// maxShown is how many examples a report has.
const maxShown = 20

// noFault is what a row without a fault is called.
const noFault = "none"

// report sums up.
func (s *Scorer) report() *Report {
	for i := range s.fleet.Devices() {
		// What another device's values were found under is explained.
		d := &s.fleet.Devices()[i]
		if n := s.elsewhere[d.ID]; n > 0 {
			if t := s.rows[rowKey{d.Kind.Kind, d.Locality, ""}]; t != nil {
				t.Unexpected = max(0, t.Unexpected-n)
			}
		}
	}
	r := &Report{
		Scenario: s.o.Scenario.Name, TitleVI: s.o.Scenario.TitleVI, TitleEN: s.o.Scenario.TitleEN, Seed: s.o.Scenario.Seed, Store: s.o.Store.String(),
		From: s.o.From.UTC(), To: s.o.To.UTC(), At: s.fleet.Start().UTC(), Made: s.now.UTC(), Devices: len(s.fleet.Devices()),
		Messages: s.messages, Defects: s.defects(), Untold: s.untold, Score: 1, sites: map[telemetry.Site]string{},
	}
	for i := range s.fleet.Devices() {
		r.sites[s.fleet.Devices()[i].Site()] = s.fleet.Devices()[i].SiteName()
	}
	for _, t := range s.rows {
		r.Total.add(*t)
	}
	if decided := r.Total.Expected - r.Total.Undecided; decided > 0 {
		r.Score = float64(r.Total.Right) / float64(decided)
	}
	r.Perfect = r.Total.Perfect()
	r.Kinds = s.sum(func(k rowKey) string { return string(k.kind) })
	r.Localities = s.sum(func(k rowKey) string { return string(k.locality) })
	r.Faults = s.sum(func(k rowKey) string { return cmp.Or(string(k.fault), noFault) })
	step := s.o.To.Sub(s.o.From) / bucketCount
	for i, b := range s.buckets {
		r.Course = append(r.Course, Moment{s.o.From.Add(time.Duration(i) * step).UTC(), b.expected, b.lost})
	}
	for _, x := range s.results() {
		if len(r.Examples) < maxShown { // one of each device
			r.Examples = append(r.Examples, x.examples[:min(len(x.examples), 1)]...)
		}
	}
	return r
}

// sum adds up the rows that have a name in common.
func (s *Scorer) sum(name func(rowKey) string) []Row {
	var rows []Row
	for k, t := range s.rows {
		n := name(k)
		i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == n })
		if i < 0 {
			i = len(rows)
			rows = append(rows, Row{Name: n})
		}
		rows[i].add(*t)
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
	return rows
}

// Waiting is what a city's quarantine holds of the fleet, by reason.
type Waiting struct {
	Reasons []WaitingReason
	// All says that messages of others are counted too, because there were too many
	// to look at each.
	All bool
}

// WaitingReason is a number of messages that wait for a reason.
type WaitingReason struct {
	Reason  telemetry.Reason
	Partial bool
	Count   int64
}

// Quarantine compares what should wait in quarantine with what does.
type Quarantine struct {
	Rows []QuarantineRow `json:"rows"`
	// Missing is how many should wait and do not.
	Missing int64 `json:"missing"`
	// All says that it counts messages of other devices too.
	All bool `json:"all_devices,omitempty"`
}

// QuarantineRow is a reason with its numbers. More may wait than should: of other
// times, undecided ones, or, after a crash, one delivered twice.
type QuarantineRow struct {
	Reason  telemetry.Reason `json:"reason"`
	Partial bool             `json:"partial"`
	Want    int64            `json:"want"`
	Have    int64            `json:"have"`
}

// quarantine makes the comparison.
func quarantine(want map[reasonKey]int64, have Waiting) *Quarantine {
	rows := map[reasonKey]*QuarantineRow{}
	at := func(k reasonKey) *QuarantineRow {
		if rows[k] == nil {
			rows[k] = &QuarantineRow{Reason: k.reason, Partial: k.partial}
		}
		return rows[k]
	}
	for k, n := range want {
		at(k).Want += n
	}
	for _, w := range have.Reasons {
		at(reasonKey{w.Reason, w.Partial}).Have += w.Count
	}
	q := &Quarantine{All: have.All}
	for _, row := range rows {
		q.Missing += max(0, row.Want-row.Have)
		q.Rows = append(q.Rows, *row)
	}
	slices.SortFunc(q.Rows, func(a, b QuarantineRow) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(flag(a.Partial), flag(b.Partial)))
	})
	return q
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// topics are those that the fleet's messages can come on. An unknown kind is a
// misspelt one, so any kind will do.
func topics(f *simulator.Fleet) func(topic string) bool {
	type end struct{ locality, device string }
	known := make(map[end]bool, len(f.Devices()))
	for i := range f.Devices() {
		d := &f.Devices()[i]
		known[end{string(d.Locality), string(d.ID)}] = true
	}
	return func(topic string) bool {
		part := splitTopic(topic)
		return part != nil && known[end{part[1], part[3]}]
	}
}
