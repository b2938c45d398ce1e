// Package realserver starts the real servers that tests prove the project
// against: Mosquitto, InfluxDB and VictoriaMetrics.
//
// A server listens on a free loopback port, keeps its data in the test's
// temporary directory and is ready when its function returns. It can be stopped,
// killed and started again on the same port and the same data, for tests of
// outages. The end of the test kills it, and a failed test shows the end of its
// log.
//
// A server that is not installed skips the test with the words to install it,
// except where the environment says CI=true: there it fails the test, so that
// nothing is silently left unproven.
//
// Disks that fill up are real too: TinyDisk mounts one.
//
// It is for tests only and imports testing.
package realserver
