// Command bench runs what a city could take from MQTT to a time-series store side by side,
// under the same load and in turns, and writes what it measured into its README:
//
//	haidang simulate ──► contender (one to three processes) ◄── probe, queries
//
// It is outside of everything it measures: it starts programs, sends by MQTT, asks by
// HTTP and reads /proc. Nothing else should be running; see `make bench`.
package main
