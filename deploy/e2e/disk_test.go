package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// The disk fills up under load. Publishers get no more PUBACKs, /readyz says why
// and what to do, and when there is space again everything goes on without a
// restart and without a loss.
func TestDiskFull(t *testing.T) {
	long(t)
	t.Parallel()
	disk, broker := realserver.TinyDisk(t, "256m"), address(freePort(t))
	up := haidang(t, "up", "--data", filepath.Join(disk, "city"), "--mqtt", broker, "--disk-reserve", "64MiB", "--journal-budget", "64MiB")
	up.ready()
	pub := publish(t, broker, 1000, false)
	pub.progress(2000)

	giveBack := realserver.FillDisk(t, disk, 32<<20)
	var body string
	eventually(t, patience, "/readyz says that the disk is full", func() bool {
		code, answer := up.get("/readyz")
		body = answer
		return code == 503 && hasAll(answer, []string{"--disk-reserve", disk, "64 MiB", "free some"})
	})
	t.Logf("/readyz: %s", body)
	stood := pub.acked()
	eventually(t, patience, "there are no PUBACKs for two seconds", func() bool {
		before := stood
		time.Sleep(2 * time.Second)
		stood = pub.acked()
		return stood == before
	})
	audit(t, up)

	giveBack()
	back := time.Now()
	eventually(t, patience, "/readyz says that all is well", up.isReady)
	pub.progress(2000)
	t.Logf("%d PUBACKs before the disk was full; well again %.1f s after there was space", stood, time.Since(back).Seconds())
	prove(t, up, pub, embedded(up))
	up.stop()
}

// A device floods the quarantine of a city with a small disk, something else fills the
// disk to the last byte, and the process is killed. The quarantine has not grown into
// the reserve; the city starts all the same, says what is wrong and what to do, lets a
// purge make room, and takes what is good again. Every message is accounted for.
func TestStartOnFullDisk(t *testing.T) {
	long(t)
	t.Parallel()
	disk, broker := realserver.TinyDisk(t, "320m"), address(freePort(t))
	up := haidang(t, "up", "--data", filepath.Join(disk, "city"), "--mqtt", broker, "--disk-reserve", "64MiB", "--journal-budget", "64MiB")
	up.ready()
	pub := publish(t, broker, 200, false)
	pub.progress(200)
	// 150 payloads of 400 KB: 60 MB, of which 64 KiB each are kept.
	payload := bytes.Repeat([]byte("bad "), 100_000)
	for i := range 150 {
		payload = append(payload[:400_000], byte(i), byte(i>>8))
		if err := send(t, broker, "kh/nha-trang/noise/flood", payload); err != nil {
			t.Fatalf("message %d of the flood: %v", i, err)
		}
	}
	eventually(t, patience, "the flood is accounted for", func() bool {
		r, ok := ledger(up)
		return ok && r.total().Quarantined+r.total().Discarded == 150
	})
	if code, body := up.get("/readyz"); code != 200 {
		t.Errorf("the flood of one device makes the city unready: %s", body)
	}
	stood := pub.acked()
	up.kill()
	giveBack := realserver.FillDisk(t, disk, 0)
	up.start()
	var body string
	eventually(t, patience, "a city on a full disk starts and says so", func() bool {
		code, answer := up.get("/readyz")
		body = answer
		return code == 503 && hasAll(answer, []string{"disk", "--disk-reserve", "free some"})
	})
	t.Logf("/readyz: %s", body)
	if left, err := os.ReadFile(up.log); err != nil || !strings.Contains(string(left), "is given back") {
		t.Errorf("the log does not say that held space was given back: %v", err)
	}
	out := run(t, time.Minute, "quarantine", "purge", "--url", up.url, "--device", "flood", "--why", "the disk is full of them")
	if out.code == 0 || !strings.Contains(out.stderr, "--yes") {
		t.Errorf("a purge that nobody has agreed to ends with %d: %s%s", out.code, out.stdout, out.stderr)
	}
	out = run(t, time.Minute, "quarantine", "purge", "--url", up.url, "--device", "flood", "--why", "the disk is full of them", "--yes")
	if out.code != 0 || !strings.Contains(out.stdout, "discarded: ") {
		t.Fatalf("purge ends with %d: %s%s", out.code, out.stdout, out.stderr)
	}
	t.Logf("purge: %s", out.stdout)
	giveBack()
	eventually(t, patience, "/readyz says that all is well", up.isReady)
	pub.progress(200)
	t.Logf("%d PUBACKs before the kill, %d now", stood, pub.acked())
	prove(t, up, pub, embedded(up))
	r := audit(t, up)
	if have := r.total().Discarded; have != 150 {
		t.Errorf("%d messages are discarded, want all 150 of the flood", have)
	}
	up.stop()
}
