// Package score holds a store against the truth of a scenario: what must be in
// it, value by value, and what is.
//
// # How it works
//
//	scenario + seed ──► Fleet.Feed ──► expected readings ─┐
//	                                                      ├─► compare ──► tallies, defects ──► Report
//	store (PromQL, InfluxQL) ───────► stored samples ─────┘
//
// A [Scorer] goes through the fleet in batches of devices and slices of time that
// are small enough for one query, so its memory does not grow with the fleet or
// the period. Each expected value ends as exactly one of: right, lost, wrong
// value, wrong series, wrong time. Beside those count values that are there more
// than once, and values that nothing explains.
//
// A gap that the truth explains (a device that sent nothing, a message that waits
// in quarantine) is no loss: nothing was expected there.
//
// # What it takes for the same
//
// The period is that of sending: expected is what is due from From until just
// before To. Values are compared for equality, times to the millisecond. A
// device's values may stand at its site or, where it was admitted by itself, at a
// site of its own name.
//
// What becomes of a message whose clock is far ahead, or that is very old, depends
// on when it was received. Where nobody says when that was ([Options].Received),
// it may be stored or not, and counts as undecided.
//
// # Alarms
//
// [Scorer.FindCrossings] finds when the physical truth crossed which limit where, and
// [ScoreAlarms] holds alarms against that, whoever raised them.
package score
