package registry

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/devices/sqlstore"
)

func importFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	importHeader = "\ufeffMã thiết bị;Loại đo;Tên điểm;Địa phương;Mã phường;Vĩ độ;Kinh độ;Màu\n"
	goodRow      = "aq-1;air_quality;Tháp Bà mới;Nha Trang;22366;12,2654;109,1953;xanh\n"
	badRow       = "aq-2;tiếng ồn xa;Chợ Đầm mới;Nha Trang;22366;12,25;109,19;đỏ\n"
	swappedRow   = "aq-3;noise;Hòn Chồng mới;Nha Trang;22366;109,2;12,27;\n"
)

func TestDevicesImport(t *testing.T) {
	o := newFieldOffice(t)
	bad := importFile(t, "bad.csv", importHeader+goodRow+badRow+swappedRow)
	got := o.run("import", bad, "--dry-run").want(1, "ROW  DEVICE  SITE", "3 rows, 2 failed", "dry run", "--fix-swapped", "left out: Màu")
	for _, line := range []string{"3    aq-2    cho-dam-moi    failed  Loại đo", "4    aq-3    hon-chong-moi  failed  Vĩ độ"} {
		if !strings.Contains(got.stdout, line) {
			t.Errorf("no %q in\n%s", line, got.stdout)
		}
	}
	o.run("import", bad).want(1, "nothing was imported", "import the other 1 with --partial")
	o.run("list").want(0, "No device")
	r := answerOf[api.ImportResult](o.run("import", bad, "--partial", "--fix-swapped", "--json", "--why", "November").want(1))
	if !r.Committed || r.Imported != 2 || r.Failed != 1 || len(r.Results) != 1 {
		t.Errorf("imported %+v", r)
	}
	o.run("changes", "aq-1").want(0, "November")
	good := importFile(t, "good.csv", importHeader+"aq-4;noise;Điểm bốn;Nha Trang;22366;12,26;109,19;\n")
	o.run("import", good, "--all-rows").want(0, "imported", "1 rows imported.")
	o.run("import", good).want(0, "1 rows, all unchanged")
	o.run("import", importFile(t, "empty.csv", "")).want(1, "is empty")
	o.run("import", importFile(t, "bomb.xlsx", "PK\x03\x04 no archive")).want(1, "422")
	o.run("import", importFile(t, "huge.csv", strings.Repeat("x", maxImport+1))).want(1, "16 MiB", "split it")
}

func TestDevicesImportOfManyRows(t *testing.T) {
	o := newFieldOffice(t)
	var b strings.Builder
	b.WriteString(importHeader)
	for i := range 300 {
		lat := "12,26"
		if i%50 == 7 {
			lat = "far"
		}
		fmt.Fprintf(&b, "d-%04d;noise;Điểm số %04d;Nha Trang;22366;%s;109,19;\n", i, i, lat)
	}
	got := o.run("import", importFile(t, "many.csv", b.String()), "--partial").want(1, "294 of 300 rows imported; 6 failed.")
	if n := strings.Count(got.stdout, "failed  Vĩ độ"); n != 6 {
		t.Errorf("%d rows are told, want 6", n)
	}
}

func TestImportRowsAreToldAsTheyCome(t *testing.T) {
	r := &importRows{}
	steps := []struct{ written, want string }{
		{"", "sent; the file is read"},
		{"{\"done\":0,\"rows\":50000}\n{\"do", "0 of 50 000 rows"},
		{"ne\":12500,\"rows\":50000}\n", "12 500 of 50 000 rows"},
		{"{\"done\":50000,\"rows\":50000}\n", "50 000 rows; they are written down"},
	}
	for _, s := range steps {
		if _, err := r.Write([]byte(s.written)); err != nil {
			t.Fatal(err)
		}
		if got := r.text(); got != s.want {
			t.Errorf("after %q it says %q, want %q", s.written, got, s.want)
		}
	}
	if _, err := r.end(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "stopped after 50 000 of 50 000 rows: unless") {
		t.Errorf("an answer without an end: %v", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	r.partial = true
	if _, err := r.end(stopped, context.Canceled); err == nil || !strings.Contains(err.Error(), "are in the registry") || strings.Contains(err.Error(), "canceled") {
		t.Errorf("Ctrl-C: %v", err)
	}
	if _, err := r.Write([]byte("{\"done\":50000,\"rows\":50000,\"problem\":{\"status\":500,\"detail\":\"the disk is full\"}}\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.end(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("a problem: %v", err)
	}
	if _, err := r.Write([]byte("no JSON\n")); err == nil {
		t.Error("another program's answer is taken")
	}
}

func TestDevicesExport(t *testing.T) {
	o := newFieldOffice(t)
	o.run(append([]string{"add", "aq-1", "--kind", "noise"}, newSite("Bến Thử")...)...).want(0)
	rows, err := csv.NewReader(strings.NewReader(o.run("export").want(0).stdout)).ReadAll()
	if err != nil || len(rows) != 2 || !slices.Contains(rows[1], "Bến Thử") {
		t.Errorf("exported %q, %v", rows, err)
	}
	file := filepath.Join(t.TempDir(), "Devices.XLSX")
	o.run("export", "--output", file).want(0, "written, ")
	b, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(b, []byte("PK")) {
		t.Errorf("the file begins with %q, %v", b[:min(4, len(b))], err)
	}
	o.run("export", "--output", file).want(1, "--force")
	o.run("export", "--output", file, "--force", "--json").want(0, `"bytes"`)
	o.run("export", "--format", "geojson").want(0, "FeatureCollection")
	o.run("export", "--output", filepath.Join(file, "under-a-file.csv")).want(1, "under-a-file.csv")
	o.run("export", "--bbox", "1", "--output", file+".csv").want(1, "422")
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".haidang-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if _, err := os.Stat(file + ".csv"); err == nil {
		t.Error("a refused export left a file")
	}
}

func TestDevicesLabels(t *testing.T) {
	o := newFieldOffice(t)
	o.run(append([]string{"add", "aq-1", "--kind", "noise"}, newSite("Bến Thử")...)...).want(0)
	file := filepath.Join(t.TempDir(), "labels.pdf")
	o.run("labels", "--site", "ben-thu", "--output", file, "--skip", "3").want(0, "written")
	b, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(b, []byte("%PDF-")) {
		t.Errorf("the file begins with %q, %v", b[:min(5, len(b))], err)
	}
	o.run("labels", "aq-1", "--issue-secrets", "--why", "new", "--output", "/nonexistent/labels.pdf").want(1)
	o.run("labels", "aq-1", "--issue-secrets", "--why", "new", "--output", file).want(1, "--force")
	if len(o.secrets.issued) > 0 {
		t.Error("secrets were issued although they cannot be written down")
	}
	o.run("labels", "aq-1", "--issue-secrets", "--why", "new", "--output", file, "--force").want(0)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || len(o.secrets.issued) != 1 {
		t.Errorf("mode %v, %v, issued %v", info.Mode(), err, o.secrets.issued)
	}
	o.run("labels", "nobody").want(1, "404")
	o.run("labels", "--site", "none").want(1, "no device is like that")
	o.run("labels", "aq-1", "--site", "ben-thu").want(1, "choose one")
}

func TestDevicesBackupAndRestore(t *testing.T) {
	t.Setenv("HAIDANG_REGISTRY", "")
	o := newFieldOffice(t)
	o.run(append([]string{"add", "aq-1", "--kind", "noise"}, newSite("Bến Thử")...)...).want(0)
	store, ok := o.registry.Store.(*sqlstore.Store)
	if !ok {
		t.Fatal("the registry is of another store")
	}
	data, file := t.TempDir(), filepath.Join(t.TempDir(), "registry.backup")
	if err := store.VacuumInto(t.Context(), filepath.Join(data, "registry.db")); err != nil {
		t.Fatal(err)
	}
	unlock, err := config.Lock(data)
	if err != nil {
		t.Fatal(err)
	}
	devicesLine(t, "backup", file, "--data", data).want(1, "in use by process", "--running")
	devicesLine(t, "backup", file, "--data", data, "--running").want(0, "written")
	devicesLine(t, "restore", file, "--data", data).want(1, "in use by process")
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	devicesLine(t, "backup", file, "--data", data).want(1, "--force")
	devicesLine(t, "backup", file, "--data", data, "--force", "--json").want(0, `"bytes"`)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	devicesLine(t, "restore", file, "--data", data).want(1, "empty", "--registry")

	fresh := t.TempDir()
	devicesLine(t, "restore", file, "--data", fresh).want(0, "has 1 devices and ")
	whole := devicesLine(t, "backup", "-", "--data", fresh).want(0)
	again := filepath.Join(t.TempDir(), "again.db")
	cutOff := importFile(t, "cut", whole.stdout[:len(whole.stdout)/2])
	devicesLine(t, "restore", cutOff, "--registry", again).want(1, "nothing was restored")
	if left, _ := filepath.Glob(again + "*"); len(left) > 0 {
		t.Errorf("a failed restore left %q", left)
	}
	got := answerOf[map[string]any](devicesLine(t, "restore", importFile(t, "whole", whole.stdout), "--registry", again, "--json").want(0))
	if got["devices"] != 1.0 {
		t.Errorf("restored %v", got)
	}
	devicesLine(t, "restore", "/nonexistent", "--registry", again).want(1, "/nonexistent")
	devicesLine(t, "restore", file, "--registry", "postgres://u:hidden@127.0.0.1:1/x?connect_timeout=1").want(1)
	if out := devicesLine(t, "backup", "-", "--registry", "postgres://u:hidden@127.0.0.1:1/x?connect_timeout=1").want(1); strings.Contains(out.stderr, "hidden") {
		t.Errorf("a password is told: %s", out.stderr)
	}
}
