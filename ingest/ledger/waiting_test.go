package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/ledger"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// asLayout1 has a ledger's file say that it is of layout 1: user_version is a
// big-endian number at byte 60 of the header.
func asLayout1(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, ledger.FileName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0, 0, 0, 1}, 60); err != nil {
		t.Fatal(err)
	}
}

func TestWaiting(t *testing.T) {
	l := open(t, ledger.Options{Dir: t.TempDir()})
	var c ingest.Commit
	for i, reason := range []telemetry.Reason{telemetry.Unregistered, telemetry.NotJSON, telemetry.Unregistered, telemetry.NotJSON, telemetry.OutOfRange} {
		q := held(0, "kh/nha-trang/noise/a", reason)
		q.Message.Received = q.Message.Received.Add(time.Duration(i) * time.Second)
		q.Message.Payload = fmt.Append(nil, i)
		c.Quarantine = append(c.Quarantine, q, held(0, "kh/nha-trang/noise/b", telemetry.Empty))
	}
	c.Quarantine = append(c.Quarantine, held(0, "kh/nha-trang/noise/c", telemetry.Unregistered), held(0, "kh/nha-trang/noise/", telemetry.Unregistered))
	if err := l.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	have, err := l.Waiting(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	row := func(reason telemetry.Reason, count int64, n int) ledger.Waiting {
		return ledger.Waiting{Problem: telemetry.Problem{Field: "pm25", Reason: reason, Detail: "because"}, Count: count,
			Received: time.UnixMilli(1795293000123 + 1000*int64(n)).UTC(), Topic: "kh/nha-trang/noise/a", Payload: fmt.Append(nil, n)}
	}
	want := []ledger.Waiting{row(telemetry.OutOfRange, 1, 4), row(telemetry.NotJSON, 2, 3), row(telemetry.Unregistered, 2, 2)}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if have, err := l.Waiting(t.Context(), "nobody"); err != nil || len(have) != 0 {
		t.Errorf("of nobody there wait %v, %v", have, err)
	}
	for _, c := range []struct {
		after telemetry.Device
		limit int
		want  []telemetry.Device
	}{{"", 10, []telemetry.Device{"a", "c"}}, {"", 1, []telemetry.Device{"a"}}, {"a", 10, []telemetry.Device{"c"}}, {"c", 10, nil}} {
		have, err := l.WaitingDevices(t.Context(), telemetry.Unregistered, c.after, c.limit)
		if diff := cmp.Diff(c.want, have); err != nil || diff != "" {
			t.Errorf("%d devices after %q: %v %s", c.limit, c.after, err, diff)
		}
	}
}

// BenchmarkWaiting asks for one device's 50,000 of 200,000 messages, and for the
// thousand devices that wait for the registry.
func BenchmarkWaiting(b *testing.B) {
	l, err := ledger.Open(b.Context(), ledger.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for page := range 200 {
		var c ingest.Commit
		for i := range 1000 {
			device := "loud"
			if i%4 > 0 {
				device = fmt.Sprintf("d%03d", i)
			}
			reason := []telemetry.Reason{telemetry.Unregistered, telemetry.NotJSON}[(page+i/4)%2]
			c.Quarantine = append(c.Quarantine, held(0, "kh/nha-trang/noise/"+device, reason))
		}
		if err := l.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("of a device", func(b *testing.B) {
		for b.Loop() {
			if w, err := l.Waiting(b.Context(), "loud"); err != nil || len(w) != 2 || w[0].Count+w[1].Count != 50000 {
				b.Fatal(w, err)
			}
		}
	})
	b.Run("devices", func(b *testing.B) {
		for b.Loop() {
			if d, err := l.WaitingDevices(b.Context(), telemetry.Unregistered, "", 1000); err != nil || len(d) < 500 {
				b.Fatal(len(d), err)
			}
		}
	})
}

// What is listed as astray are the messages of [ingest.AstrayReasons], and no others.
func TestAstrayReasons(t *testing.T) {
	l := open(t, ledger.Options{Dir: t.TempDir()})
	var c ingest.Commit
	reasons := append(ingest.AstrayReasons(), telemetry.NotJSON, telemetry.Unregistered, telemetry.TooLarge)
	for _, r := range reasons {
		c.Quarantine = append(c.Quarantine, held(0, "kh/nha-trang/noise/"+string(r), r))
	}
	if err := l.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	all, err := l.Astray(t.Context(), 100)
	if err != nil || len(all) != len(ingest.AstrayReasons()) {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, a := range all { // the newest first
		if want := ingest.AstrayReasons()[len(all)-1-i]; a.Reason != want || a.Device != telemetry.Device(want) || a.Count != 1 {
			t.Errorf("%+v, want %s", a, want)
		}
	}
	if one, err := l.Astray(t.Context(), 1); err != nil || len(one) != 1 || one[0].Reason != telemetry.UnknownKind {
		t.Errorf("%+v, %v", one, err)
	}
}
