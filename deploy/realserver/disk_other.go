//go:build !linux

package realserver

import "testing"

// TinyDisk skips the test: it needs Linux' tmpfs.
func TinyDisk(t testing.TB, _ string) (folder string) {
	t.Skip("needs Linux' tmpfs")
	return ""
}

// FillDisk takes the space of what [TinyDisk] has made.
func FillDisk(testing.TB, string, int64) (giveBack func()) { return func() {} }
