// Package probe asks a store everything that the boards ask it, and says what is
// wrong with the answers: an error, nothing where something must be, a unit that is
// not the catalogue's, a metric that nobody reports.
//
// It sends what Grafana would send, with Grafana's variables filled in as Grafana
// fills them in for "All".
package probe
