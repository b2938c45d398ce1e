// Package dashboards holds the operations centre's boards as Go code: what each
// panel measures, and how it is asked of a store and drawn by Grafana.
//
// # Concept
//
// A [Board] reads top to bottom like the board itself: rows of panels, and a panel
// has a [View] and its [Query]s. A query names a kind and a metric of the
// catalogue, so that a renamed metric stops this package compiling, and says which
// statistic of it is meant, over what, and brought together how; never how a store
// spells that. [Dialect] renders it to PromQL or InfluxQL, so that a panel shows
// the same in either. Names and units come from the catalogue, thresholds from the
// table of limits, and every other text is a [Text] in two languages.
//
// # What is left out
//
// Readings that an instrument itself says were taken while it was calibrated or in
// error enter no figure. InfluxQL leaves out exactly those readings. PromQL cannot
// tell readings apart by another series' value: it leaves out, of that device, the
// step in which such a reading came, and in windows of more than an hour the slot
// of some minutes.
//
// # Levels
//
// The mean of a sound level is that of its energy ([telemetry.Energetic]), over time
// and over sites. InfluxQL takes every reading; PromQL, of whose functions none maps
// each reading of a window, takes the last one within each of the kind's cadences.
//
// # How much is read
//
// A store is asked for as many steps as a panel can draw. A panel whose own range
// ([Panel.Span]) is longer than a week reads what Hải Đăng keeps of every hour
// ([telemetry.Hourly]) instead of readings, in either language.
package dashboards
