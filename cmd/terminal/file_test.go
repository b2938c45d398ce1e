package terminal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is in a folder, by name and content.
func inFolder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

// A file is there whole or not at all, and nothing else is; both where files can be
// without a name and where not.
func TestFileIsWholeOrNotThere(t *testing.T) {
	for _, c := range []struct {
		name            string
		before          string // what stands there
		replace, commit bool
		want, wantErr   string
	}{
		{"new", "", false, true, "new", ""},
		{"given up", "", false, false, "", ""},
		{"over another", "old", true, true, "new", ""},
		{"over another, given up", "old", true, false, "old", ""},
		{"taken", "old", false, true, "old", "the file exists"},
	} {
		for _, nameless := range []bool{true, false} {
			dir := t.TempDir()
			path := filepath.Join(dir, "x")
			if c.before != "" {
				if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := write(path, nameless, c.replace, c.commit)
			if c.wantErr == "" && err != nil || c.wantErr != "" && (err == nil || !strings.Contains(err.Error(), c.wantErr)) {
				t.Errorf("%s: have the error %v, want %q", c.name, err, c.wantErr)
			}
			have := inFolder(t, dir)
			if have["x"] != c.want || c.want != "" && len(have) != 1 || c.want == "" && len(have) != 0 {
				t.Errorf("%s, nameless %v: the folder has %v", c.name, nameless, have)
			}
		}
	}
}

func write(path string, nameless, replace, commit bool) error {
	f, err := CreateFile(path, 0o640, replace)
	if err != nil {
		return err
	}
	defer f.Discard()
	if !nameless && f.hidden == "" {
		f.Close()
		if f.File, err = os.CreateTemp(filepath.Dir(path), ".haidang-*"); err != nil {
			return err
		}
		f.hidden = f.Name()
	}
	if _, err := io.WriteString(f, "new"); err != nil || !commit {
		return err
	}
	return f.Commit()
}

// Somebody else may take the name meanwhile: theirs stays.
func TestFileTakenMeanwhile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	f, err := CreateFile(path, 0o640, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Discard()
	if err := os.WriteFile(path, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err == nil || !strings.Contains(err.Error(), "the file exists") {
		t.Errorf("have %v", err)
	}
	if have := inFolder(t, dir); len(have) != 1 || have["x"] != "theirs" {
		t.Errorf("the folder has %v", have)
	}
}

func TestWriteFileThatFails(t *testing.T) {
	dir := t.TempDir()
	err := WriteFile(filepath.Join(dir, "x"), 0o644, func(w io.Writer) error {
		io.WriteString(w, "half")
		return errors.New("no more")
	})
	if err == nil || len(inFolder(t, dir)) != 0 {
		t.Errorf("have %v, and the folder has %v", err, inFolder(t, dir))
	}
}

// What is no ordinary file is written to, and never replaced by one; what a link
// stands for is replaced, and not the link.
func TestWriteFileThroughLinksAndToDevices(t *testing.T) {
	dir := t.TempDir()
	word := func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }
	if err := os.Symlink(os.DevNull, filepath.Join(dir, "null")); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "null"), 0o644, word); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "null")); err != nil || info.Mode().IsRegular() {
		t.Errorf("the device became %v, %v", info, err)
	}
	os.WriteFile(filepath.Join(dir, "real"), []byte("old"), 0o600)
	os.Symlink("real", filepath.Join(dir, "link"))
	if err := WriteFile(filepath.Join(dir, "link"), 0o644, word); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "real")); string(text) != "new" {
		t.Errorf("behind the link is %q", text)
	}
	if to, err := os.Readlink(filepath.Join(dir, "link")); err != nil || to != "real" {
		t.Errorf("the link is %q, %v", to, err)
	}
}
