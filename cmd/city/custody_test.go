package city

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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

// A start that cannot know what the folder held says so; a new city and one of a program
// without marks have nothing to tell.
func TestFolderThatIsNotKnown(t *testing.T) {
	sqlite := func(t *testing.T, dir, name string) {
		t.Helper()
		if err := makeRegistry(t.Context(), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	file := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		want []string
	}{
		"a new city":            {func(*testing.T, string) {}, nil},
		"of an earlier program": {func(t *testing.T, dir string) { sqlite(t, dir, "registry.db"); sqlite(t, dir, "ledger.db") }, nil},
		"marks unreadable":      {func(t *testing.T, dir string) { file(t, filepath.Join(dir, damage.MarksFile), `{"at":`) }, []string{"damage-marks-lost "}},
		"no registry":           {func(t *testing.T, dir string) { sqlite(t, dir, "ledger.db") }, []string{"damage-empty registry"}},
		"marks gone": {func(t *testing.T, dir string) {
			sqlite(t, dir, "registry.db")
			sqlite(t, dir, "ledger.db")
			k := newCustody(dir, loadFlags{}, true, ingest.NewFindings(time.Now), slog.New(slog.DiscardHandler))
			if _, err := k.parts[1].Backups.Make(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, []string{"damage-marks-lost "}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			k := newCustody(dir, loadFlags{}, true, ingest.NewFindings(time.Now), slog.New(slog.DiscardHandler))
			if err := k.begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range k.findings.List() {
				got = append(got, f.Rule+" "+string(f.Device))
				if !f.Lasting || f.RunbookVI == "" || f.RunbookEN == "" || f.DescriptionVI == "" {
					t.Errorf("%s does not last, or does not say what to do: %+v", f.Rule, f)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

// A gateway's count that is damaged, or gone where it was, begins anew and says so.
func TestCountThatIsLost(t *testing.T) {
	known := []ingest.Account{{Gateway: "nha-trang", Position: 7}}
	for name, c := range map[string]struct {
		text     *string
		folder   bool
		accounts []ingest.Account
		want     int
	}{
		"the first start":      {},
		"an earlier program's": {accounts: known},
		"a new gateway":        {folder: true},
		"gone":                 {folder: true, accounts: known, want: 1},
		"emptied":              {text: new(string), accounts: known, want: 1},
		"damaged":              {text: new("5 x"), want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "gateways", "nha-trang.count")
			if c.folder || c.text != nil {
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if c.text != nil {
				if err := os.WriteFile(path, []byte(*c.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			here := &city{data: dir, findings: ingest.NewFindings(time.Now)}
			here.custody = newCustody(dir, loadFlags{}, true, here.findings, slog.New(slog.DiscardHandler))
			for again := range 2 { // what was begun anew is whole at the next start
				if _, err := here.openCount("nha-trang", false, c.accounts); err != nil {
					t.Fatal(err)
				}
				if err := here.close(); err != nil {
					t.Fatal(err)
				}
				found := here.findings.List()
				if len(found) != c.want*(1-again) {
					t.Errorf("start %d found %+v", again, found)
				}
				for _, f := range found {
					here.findings.Acknowledged(f.Rule, f.Locality, f.Device, time.Now())
				}
			}
		})
	}
}
