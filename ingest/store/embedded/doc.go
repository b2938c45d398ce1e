// Package embedded stores points in the Prometheus TSDB, as a library in this
// process, and serves them over the official Prometheus HTTP API.
//
// # What is kept
//
// A metric is the series <kind>_<metric>{device, locality, site}: pm25 of kind
// air_quality is air_quality_pm25. Times are Unix milliseconds. The folder is an
// ordinary Prometheus data folder: promtool and Prometheus itself read it.
//
// # What is promised
//
// When [Store.Write] returns nil, or a rejection, what it wrote survives the
// death of the process at any moment; with SyncWrites it survives the loss of
// power too. Points may be late by as much as the retention, in any order.
// Writing a point again changes nothing. Of two values for one series and one
// millisecond the TSDB refuses the second only where the first is the newest of
// the series; of late ones it takes both and shows one of them. So what may
// contradict what is stored goes through a [store.Guard].
//
// After a write error (a full disk, most often) nothing more is written to the
// logs that may have been torn by it. The store serves queries all the while; a
// later Write opens the folder anew once there is room, which cuts the torn end
// off, and goes on.
//
// # What is limited
//
// Queries are bounded in number, time and samples; the API neither writes nor
// deletes.
package embedded
