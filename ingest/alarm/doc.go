// Package alarm evaluates alert rules over the store by Prometheus' own rules
// package, keeps the alarms that they raise, and tells those who must know.
//
//	rules ─► Engine.Evaluate ─► alarms kept in the ledger ─► console, REST
//	             │    every minute        │
//	           store                      ├─► Alertmanager (again every minute while active)
//	                                      └─► webhook (raised, cleared, acknowledged; once each)
//
// # What survives
//
// An alarm is written down when it is raised and when it is cleared, with who has
// acknowledged it; a restart raises nothing twice. How long a limit was crossed
// before it fires is restored from the store, as Prometheus does it. After a start
// nothing of an earlier run is cleared for [Grace]: that no reading has come yet
// does not mean that the water has gone.
//
// # What cannot be evaluated
//
// While rules fail nothing is cleared, and after three rounds in which none could
// be evaluated an alarm of its own, [EvaluationRule], is raised, which needs no
// store.
package alarm
