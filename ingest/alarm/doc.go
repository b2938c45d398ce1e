// Package alarm evaluates alert rules over the store by Prometheus' own rules
// package, keeps the alarms that they raise, and tells those who must know.
//
//	rules ─► Engine.Evaluate ─► alarms kept in the ledger ─► console, REST
//	             │    every minute        │
//	           store                      ├─► Alertmanager (again every minute while active)
//	                                      └─► webhook (raised, cleared, acknowledged; until taken)
//
// # What survives
//
// An alarm is written down when it is raised and when it is cleared, with who has
// acknowledged it, since when it is only kept on, and what the webhook is still to be
// told; a restart raises nothing twice. How long a limit was crossed
// before it fires is restored from the store, as Prometheus does it. After a start
// nothing of an earlier run is cleared for [Grace]: that no reading has come yet
// does not mean that the water has gone.
//
// # The past
//
// A [Replay] finds what rules would have raised over a past period of a store, by
// the same rules package.
//
// # What cannot be evaluated
//
// While rules fail nothing is cleared, and after three rounds in which none could
// be evaluated an alarm of its own, [EvaluationRule], is raised, which needs no
// store.
package alarm
