package e2e_test

import (
	"path/filepath"
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
