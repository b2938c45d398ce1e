// Package e2e holds the end-to-end proof: tests that run the real program, its
// real neighbours and a publisher that keeps its own count, and that look at the
// result from outside only, over MQTT, HTTP, the command line and in a browser.
//
//	publisher ──MQTT──► haidang (killed, stopped, starved) ──► store ──► queries
//	    │                                                                  │
//	    └── what it was given a PUBACK for ───── must be ──────────────────┘
//
// Moments of kills are random. Each test logs its seed; HAIDANG_E2E_SEED repeats
// one. HAIDANG_E2E_LONG, or CI=true, makes outages a minute long. With -short
// nothing of it runs.
package e2e
