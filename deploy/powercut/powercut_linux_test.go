package powercut_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/haidang-iot/haidang/deploy/powercut"
)

// mounted mounts a disk, or skips the test.
func mounted(t *testing.T, d *powercut.Disk) (dir string, unmount func()) {
	t.Helper()
	dir = t.TempDir()
	end, err := d.Mount(dir)
	if errors.Is(err, powercut.ErrNoFUSE) {
		t.Skip("NOT TESTED: no file system can be mounted here, so nothing is proven about the loss of power: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, func() {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
}

// cut does something on a disk, cuts its power, and gives the files that are left.
func cut(t *testing.T, d *powercut.Disk, keep float64, work func(dir string)) map[string]string {
	t.Helper()
	dir, unmount := mounted(t, d)
	work(dir)
	unmount()
	d.Cut(rand.New(rand.NewPCG(1, 2)), keep)
	dir, unmount = mounted(t, d)
	defer unmount()
	left := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		left[strings.TrimPrefix(path, dir+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string, flags int, sync bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flags, 0o600)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, err)
	if sync {
		must(t, f.Sync())
	}
	must(t, f.Close())
}

func syncDir(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	must(t, errors.Join(f.Sync(), f.Close()))
}

func TestOnlyWhatIsSyncedIsLeft(t *testing.T) {
	for _, c := range []struct {
		name    string
		ordered bool
		work    func(t *testing.T, dir string)
		want    map[string]string
	}{
		{"written", false, func(t *testing.T, dir string) { write(t, dir+"/a", "text", 0, false) }, nil},
		{"file synced, its folder not", false, func(t *testing.T, dir string) { write(t, dir+"/a", "text", 0, true) }, nil},
		{"file synced, names in order", true, func(t *testing.T, dir string) { write(t, dir+"/a", "text", 0, true) }, map[string]string{"a": "text"}},
		{"folder synced, file not", false, func(t *testing.T, dir string) { write(t, dir+"/a", "text", 0, false); syncDir(t, dir) }, map[string]string{"a": ""}},
		{"both", false, func(t *testing.T, dir string) { write(t, dir+"/a", "text", 0, true); syncDir(t, dir) }, map[string]string{"a": "text"}},
		{"O_SYNC", false, func(t *testing.T, dir string) { write(t, dir+"/a", "text", os.O_SYNC, false); syncDir(t, dir) }, map[string]string{"a": "text"}},
		{"appended", false, func(t *testing.T, dir string) {
			write(t, dir+"/a", "text", 0, true)
			syncDir(t, dir)
			write(t, dir+"/a", " and more", os.O_APPEND, false)
		}, map[string]string{"a": "text"}},
		{"cut and written anew", false, func(t *testing.T, dir string) {
			write(t, dir+"/a", "text", 0, true)
			syncDir(t, dir)
			write(t, dir+"/a", "new", os.O_TRUNC, false)
		}, map[string]string{"a": "text"}},
		{"renamed", false, func(t *testing.T, dir string) {
			write(t, dir+"/a", "old", 0, true)
			syncDir(t, dir)
			write(t, dir+"/b", "new", 0, true)
			must(t, os.Rename(dir+"/b", dir+"/a"))
		}, map[string]string{"a": "old"}},
		{"renamed and synced", false, func(t *testing.T, dir string) {
			write(t, dir+"/a", "old", 0, true)
			syncDir(t, dir)
			write(t, dir+"/b", "new", 0, true)
			must(t, os.Rename(dir+"/b", dir+"/a"))
			syncDir(t, dir)
		}, map[string]string{"a": "new"}},
		{"removed", false, func(t *testing.T, dir string) {
			write(t, dir+"/a", "text", 0, true)
			syncDir(t, dir)
			must(t, os.Remove(dir+"/a"))
		}, map[string]string{"a": "text"}},
		{"in a folder that is not synced", false, func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"/d", 0o700))
			write(t, dir+"/d/a", "text", 0, true)
			syncDir(t, dir+"/d")
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := powercut.New()
			d.Ordered = c.ordered
			got := cut(t, d, 0, func(dir string) { c.work(t, dir) })
			if fmt.Sprint(got) != fmt.Sprint(c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("%q is left, not %q", got, c.want)
			}
			if all := cut(t, d, 1, func(dir string) { write(t, dir+"/z", "late", 0, false) }); all["z"] != "late" {
				t.Errorf("where all reaches the disk, %q is left", all)
			}
		})
	}
}

// Of what is not synced chance decides, page by page; what is, stays.
func TestChanceDecidesOfTheRest(t *testing.T) {
	d := powercut.New()
	text := bytes.Repeat([]byte("a"), 100*4096)
	dir, unmount := mounted(t, d)
	write(t, dir+"/f", string(text), 0, true)
	syncDir(t, dir)
	write(t, dir+"/f", strings.Repeat("b", len(text)/2), 0, false)
	write(t, dir+"/f", strings.Repeat("c", 4096), 0, false)
	unmount()
	d.Cut(rand.New(rand.NewPCG(3, 4)), 0.5)
	dir, unmount = mounted(t, d)
	defer unmount()
	got, err := os.ReadFile(dir + "/f")
	must(t, err)
	old := 0
	for page := range slices.Chunk(got[:len(got)/2], 4096) {
		if n := bytes.Count(page, page[:1]); n != len(page) {
			t.Fatal("a page is torn")
		}
		if page[0] == 'a' {
			old++
		}
	}
	if old < 10 || old > 40 || !bytes.Equal(got[len(got)/2:], text[len(got)/2:]) {
		t.Errorf("%d of 50 pages are as they were synced, and those behind are %t", old, bytes.Equal(got[len(got)/2:], text[len(got)/2:]))
	}
}

// A shared map is written back with msync, and can be lost like anything else.
func TestSharedMap(t *testing.T) {
	d := powercut.New()
	got := cut(t, d, 0, func(dir string) {
		write(t, dir+"/m", strings.Repeat("-", 8192), 0, true)
		syncDir(t, dir)
		f, err := os.OpenFile(dir+"/m", os.O_RDWR, 0)
		must(t, err)
		defer f.Close()
		m, err := unix.Mmap(int(f.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		must(t, err)
		copy(m, "synced")
		must(t, unix.Msync(m[:4096], unix.MS_SYNC))
		copy(m[4096:], "lost")
		must(t, unix.Munmap(m))
	})
	if !strings.HasPrefix(got["m"], "synced-") || strings.Contains(got["m"], "lost") {
		t.Errorf("left is %.10q … %.10q", got["m"], got["m"][4096:])
	}
}

// A rename is there or it is not: whatever chance says, one of the files has the name.
func TestRenamesAreWhole(t *testing.T) {
	for seed := range uint64(20) {
		d := powercut.New()
		dir, unmount := mounted(t, d)
		for i := range 10 {
			write(t, dir+"/new", fmt.Sprint(i), 0, true)
			must(t, os.Rename(dir+"/new", dir+"/it"))
			if i == 0 {
				syncDir(t, dir)
			}
		}
		if err := syscall.Rmdir(dir + "/it"); err == nil {
			t.Fatal("a file was removed as a folder")
		}
		unmount()
		d.Cut(rand.New(rand.NewPCG(seed, 1)), 0.5)
		dir, unmount = mounted(t, d)
		text, err := os.ReadFile(dir + "/it")
		if err != nil || len(text) != 1 {
			t.Errorf("seed %d: the file has %q, %v", seed, text, err)
		}
		unmount()
	}
}
