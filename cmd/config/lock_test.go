package config

import (
	"strings"
	"testing"
)

func TestDataFolderIsLocked(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); err == nil || !strings.Contains(err.Error(), "--data") || !strings.Contains(err.Error(), "process ") {
		t.Errorf("a second process gets %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if unlock, err = Lock(dir); err != nil {
		t.Fatalf("after unlocking: %v", err)
	}
	unlock()
}
