package city

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest/door/session"
)

// What the door remembers of its clients is looked at like ledger and registry, and a
// backup of it can be put in its place.
func TestSessionsAreCheckedAndRestored(t *testing.T) {
	dir := t.TempDir()
	retained := func(publish ...string) int {
		t.Helper()
		s, err := session.Open(t.Context(), session.Options{Dir: filepath.Join(dir, doorDir)})
		if err != nil {
			t.Fatal(err)
		}
		var all []session.Publication
		for _, topic := range publish {
			all = append(all, session.Publication{Topic: topic, Payload: bytes.Repeat([]byte("x"), 5000), QoS: 1, Retain: true, Received: time.Now()})
		}
		if err := s.Publish(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		n := int(s.Stats().Retained)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return n
	}
	retained("a", "b", "c")
	flags := folderFlags{Data: dir}
	var stdout bytes.Buffer
	out := &terminal.Output{Stdout: &stdout, Stderr: t.Output()}
	k, err := flags.custody(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.parts[len(k.parts)-1].Backups.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	retained("d")
	check := func(want error, says string) {
		t.Helper()
		stdout.Reset()
		err := (&Check{folderFlags: flags}).Run(t.Context(), out)
		if !errors.Is(err, want) || !strings.Contains(stdout.String(), says) {
			t.Errorf("check ends with %v and says %q, want %v and %q", err, stdout.String(), want, says)
		}
	}
	check(nil, "nothing is damaged")
	path := filepath.Join(dir, doorDir, session.FileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[4096:], bytes.Repeat([]byte{0xa5}, 4096)) // the second page
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	check(terminal.ExitCode(1), "door/sessions.db")
	restore := &restoreSessions{restoreFlags{folderFlags: flags, List: true}}
	if err := restore.Run(t.Context(), out); err != nil || !strings.Contains(stdout.String(), "sessions-") {
		t.Errorf("the list is %q, %v", stdout.String(), err)
	}
	restore.List = false
	if err := restore.Run(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	check(nil, "nothing is damaged")
	if n := retained(); n != 3 {
		t.Errorf("%d retained messages are restored, want the 3 of the backup", n)
	}
}
