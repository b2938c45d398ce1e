package city

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/damage"
)

// TestFoundByAStartThatDies: what a start finds it also mends, so that the next finds
// nothing. If it dies before anybody was told, the next tells of it; later starts do not
// tell what was acknowledged meanwhile.
func TestFoundByAStartThatDies(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)
	if err := (damage.Marks{At: now, Parts: []string{storePart}}).Write(dir, false); err != nil {
		t.Fatal(err)
	}
	start := func() (*custody, []ingest.Finding) {
		t.Helper()
		k := newCustody(dir, loadFlags{}, true, ingest.NewFindings(time.Now), slog.New(slog.DiscardHandler))
		k.now = func() time.Time { return now }
		if err := k.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		return k, k.findings.List()
	}
	var last *custody
	for n := range 3 {
		k, found := start()
		if kept, err := damage.ReadMarks(dir); err != nil || len(kept.Found) != 1 {
			t.Fatalf("start %d keeps %+v, %v", n, kept.Found, err)
		}
		if len(found) != 1 || found[0].Rule != "damage-gone" || found[0].Value != 0 || !found[0].Lasting || found[0].RunbookVI == "" {
			t.Fatalf("start %d found %+v", n, found)
		}
		if err := os.MkdirAll(k.storeDir(), 0o700); err != nil { // as the store does
			t.Fatal(err)
		}
		last = k
	}
	now = now.Add(foundKept)
	if err := last.writeMarks(last.withStore(damage.Marks{})); err != nil {
		t.Fatal(err)
	}
	if _, found := start(); len(found) > 0 {
		t.Errorf("what was told is told again: %+v", found)
	}
}
