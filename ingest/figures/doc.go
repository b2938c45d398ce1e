// Package figures computes what Hải Đăng itself measures of the city and writes it
// to the store as measurements of their own: what is kept of every hour of a site
// (telemetry.Hourly), VN_AQI, the platform's own figures and the state of sites.
//
// # Hours
//
// [Hours] has one mechanism for all that is computed of an hour or a day: notes. A
// note says that something is to be computed, of a kind, for a site or for all,
// for the hour or day that ends at a moment.
//
//	the clock: an hour is over ─────────────┐
//	a point is written to an hour          ├─► notes ─► run ─► store
//	that is over ([Noting]) ───────────────┤     ▲       │
//	the hours of a site's air were computed ┘     └───────┘ its index of 12 hours, and of the day
//
// A run is due every five minutes, two minutes after a full five. It reads the raw
// readings back from the store, whichever that is, computes, writes, and only then
// lets the notes go. So late data, an absence of this process and an absence of the
// store are one case: notes that wait.
//
// # What is promised
//
// A note is in a file before the point that it is about is in the store, and leaves
// it after what was computed is. A crash at any moment costs at most computing
// again. A run has a moment of its own, and what it computes is stamped by it
// (telemetry.Stamp): no two revisions have one time, and the last is the right one.
// After a start the first run is the next that is due, so not even two processes
// share one.
//
// Readings that a device flagged as calibrating or in error enter nothing.
//
// # The file
//
// figures.notes in the data folder is text, a line for each change, written anew
// without what is settled after each run:
//
//	closed 1795312800                                  hours until then have been noted
//	note air_quality hour 1795312800 "cho-dam"         "" is all sites
//
// A last line that is torn is not read: what it was about was not written either.
package figures
