package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The disk fills up under load. Publishers get no more PUBACKs, /readyz says why
// and what to do, and when there is space again everything goes on without a
// restart and without a loss.
func TestDiskFull(t *testing.T) {
	long(t)
	t.Parallel()
	disk, broker := tinyDisk(t, "256m"), address(freePort(t))
	up := haidang(t, "up", "--data", filepath.Join(disk, "city"), "--mqtt", broker, "--disk-reserve", "64MiB", "--journal-budget", "64MiB")
	up.ready()
	pub := publish(t, broker, 1000, false)
	pub.progress(2000)

	giveBack := fill(t, disk, 32<<20)
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

// tinyDisk mounts a real file system of that size.
func tinyDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatalf("mount a small tmpfs: %v", err)
		}
		t.Skipf("needs the right to mount a small tmpfs (be root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes the space of the disk until only leave bytes are free; the function
// it returns gives the space back.
func fill(t *testing.T, disk string, leave int64) (giveBack func()) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(disk, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-leave); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}
