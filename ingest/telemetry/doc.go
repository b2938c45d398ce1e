// Package telemetry holds the words every other part speaks: readings, points,
// the identifiers in them, and the catalogue of what can be measured.
//
// It is a leaf: it does no I/O, keeps no state and imports nothing of this
// module, so ingest, boards and simulator can all read the same catalogue. A
// metric that is renamed here stops them compiling.
package telemetry
