package realserver

import (
	"os"
	"testing"
)

// PlainPass is the variable by which `make test` promises to run the packages of the
// tests that call [Plain] a second time, without the race detector.
const PlainPass = "HAIDANG_PLAIN_PASS"

// Plain leaves a test to the pass without the race detector, where there is one. It is
// for tests that compute for long and share nothing between goroutines of ours: under
// the detector they take ten times as long and it has nothing to find. It is the first
// line of its test: `make test` finds the tests by it.
func Plain(t testing.TB) {
	t.Helper()
	if raced && os.Getenv(PlainPass) != "" {
		t.Skip("it is run in the pass without the race detector")
	}
}
