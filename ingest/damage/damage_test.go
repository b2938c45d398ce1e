package damage_test

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/damage"
	"github.com/haidang-iot/haidang/ingest/sqlitefile"
)

func TestMarksAreReadAsWritten(t *testing.T) {
	dir := t.TempDir()
	if m, err := damage.ReadMarks(dir); err != nil || m.Had("ledger") {
		t.Fatalf("a new folder: %+v, %v", m, err)
	}
	at := time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)
	m := damage.Marks{At: at, Parts: []string{"ledger"}, Streams: map[string]damage.Stream{"J/S": {Last: 9, Messages: 2}},
		Gateways: map[string]damage.Gateway{"g": {Received: 5, Accounted: 4}}, Logs: map[string]damage.LogEnd{"wal": {Segment: 2, Size: 3}},
		Blocks: map[string]damage.Block{"01": {From: at, To: at, Samples: 7}}}
	for _, sync := range []bool{false, true} {
		if err := m.Write(dir, sync); err != nil {
			t.Fatal(err)
		}
		if got, err := damage.ReadMarks(dir); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, damage.MarksFile), make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := damage.ReadMarks(dir); err == nil {
		t.Error("marks of zeros are read")
	}
}

// subject is the backups of a small file with a clock of its own.
func subject(t *testing.T) (b *damage.Backups, now *time.Time) {
	t.Helper()
	dir := t.TempDir()
	at := time.Date(2026, 11, 20, 0, 30, 0, 0, time.UTC)
	b = &damage.Backups{File: filepath.Join(dir, "ledger.db"), Dir: filepath.Join(dir, "backups"), Name: "ledger", Every: time.Hour, Budget: 1 << 30,
		Now: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler)}
	db := sqlitefile.Open("file:"+b.File, nil)
	defer db.Close()
	execute(t, db, "CREATE TABLE a (n INTEGER); INSERT INTO a VALUES (1)")
	return b, &at
}

func execute(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

func TestBackupsStayByHoursAndDays(t *testing.T) {
	b, now := subject(t)
	for range 10 * 24 {
		if _, err := b.Make(t.Context()); err != nil {
			t.Fatal(err)
		}
		*now = now.Add(time.Hour)
	}
	all, err := b.List()
	if err != nil {
		t.Fatal(err)
	}
	// 24 hours, and of seven days those that are not among these: five or six.
	if len(all) < 29 || len(all) > 30 {
		t.Errorf("%d backups are kept", len(all))
	}
	if oldest := now.Sub(all[len(all)-1].At); oldest < 6*24*time.Hour || oldest > 7*24*time.Hour {
		t.Errorf("the oldest is %v old", oldest)
	}
	if due := b.Due(); due != 0 {
		t.Errorf("an hour after the last, the next is due in %v", due)
	}
	b.Budget = all[0].Size * 5
	if _, err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, err = b.List(); err != nil || len(all) != 5 {
		t.Errorf("a budget of five leaves %d, %v", len(all), err)
	}
	if due := b.Due(); due != time.Hour {
		t.Errorf("right after one, the next is due in %v", due)
	}
}

func TestNoBackupIntoTheReserve(t *testing.T) {
	b, _ := subject(t)
	b.Reserve, b.FreeSpace = 100<<20, func() (uint64, error) { return 100 << 20, nil }
	if _, err := b.Make(t.Context()); err == nil || !strings.Contains(err.Error(), "--backup-dir") {
		t.Errorf("error %v", err)
	}
	if all, err := b.List(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestNewestIsOneThatIsNotDamaged(t *testing.T) {
	b, now := subject(t)
	if _, found, err := b.Newest(t.Context()); found || err != nil {
		t.Errorf("without any: %t, %v", found, err)
	}
	first, err := b.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(time.Hour)
	second, err := b.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []damage.Backup{second, first} {
		got, found, err := b.Newest(t.Context())
		if err != nil || !found || got.Path != want.Path {
			t.Errorf("newest is %+v, %t, %v, not %s", got, found, err, want.Path)
		}
		if err := os.WriteFile(second.Path, make([]byte, 5000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFileWithoutAByteIsGone: to SQLite it is a sound database of no tables, and a
// registry that knows nobody.
func TestFileWithoutAByteIsGone(t *testing.T) {
	b, _ := subject(t)
	if _, err := b.Make(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := damage.Part{Name: "registry", File: b.File, Whole: true, Backups: b}
	if problems, gone, err := p.Check(t.Context(), false); gone || len(problems) > 0 || err != nil {
		t.Fatalf("a good file: %v, %t, %v", problems, gone, err)
	}
	for _, end := range []string{"", "-wal"} {
		if err := os.WriteFile(b.File+end, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := p.Mend(t.Context())
	if err != nil || !m.Gone || m.Backup.Path == "" {
		t.Fatalf("mended as %+v, %v", m, err)
	}
	db := sqlitefile.Open("file:"+b.File, nil)
	defer db.Close()
	var n int
	if err := db.QueryRow("SELECT n FROM a").Scan(&n); err != nil || n != 1 {
		t.Errorf("afterwards it holds %d, %v", n, err)
	}
}

// TestCutPromisesNothing: what came after the last mark was in nobody's count.
func TestCutPromisesNothing(t *testing.T) {
	damaged := damage.StreamLost(damage.StreamLoss{Stream: damage.JournalStream})
	cut := damage.StreamLost(damage.StreamLoss{Stream: damage.JournalStream, Cut: true, At: time.Now()})
	if !strings.Contains(damaged.DescriptionEN, "no message is lost") || damaged.Severity != "watch" {
		t.Errorf("damaged: %+v", damaged)
	}
	if strings.Contains(cut.DescriptionEN, "no message is lost") || cut.Severity != "warning" {
		t.Errorf("cut off: %+v", cut)
	}
}
