package registry

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/haidang-iot/haidang/devices/api"
)

func wardFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWards(t *testing.T) {
	h := newTownHall(t)
	h.run("wards", "list", "dien", "tho").want(0, "22672  Xã Diên Thọ", "1 wards")
	h.run("wards", "list", "--locality", "none").want(0, "22759  Phường Phan Rang", "22736  Đặc khu Trường Sa", "44 wards")
	merge := wardFile(t, "wards.csv", "\ufeffcode;name_vi;name_en;valid_from;valid_to;successors;bbox\n"+
		"22420;;;;2027-01-01;22999;\n22999;Phường Vịnh Cam Ranh;Cam Ranh Bay Ward;2027-01-01;;;109.13 11.88 109.2 11.96\n")
	h.run("wards", "import", merge, "--dry-run").want(0, "22420", "ended", "22999", "added", "1 added, 0 updated, 1 ended, 0 unchanged; a dry run", "trung-tam-cam-ranh")
	h.run("wards", "list", "--state", "coming").want(0, "No ward is like that.")
	done := answerOf[api.WardImported](h.run("wards", "import", merge, "--why", "Nghị quyết", "--json").want(0))
	if len(done.Wards) != 2 || len(done.Wards[0].ToMove) != 1 || done.Wards[1].Box.North != 11.96 {
		t.Errorf("the import says %+v", done)
	}
	h.run("wards", "list", "--state", "coming").want(0, "22999  Phường Vịnh Cam Ranh  cam-ranh  2027-01-01")
	h.run("wards", "list", "22420").want(0, "cam-ranh until 2027-01-01", "2027-01-01  22999")
	h.run("wards", "import", merge).want(0, "0 added, 0 updated, 0 ended, 2 unchanged.")

	list := wardFile(t, "wards.yaml", "# Nghị quyết\n- code: 22672\n  locality: nha-trang\n- {code: 22657, locality: nha-trang, locality_from: 2026-01-01}\n")
	h.run("wards", "import", list).want(0, "2 updated")
	for text, want := range map[string]string{
		"code,nmae\n22672,x\n":                    "nmae",
		"code,valid_to\n22672,01/01/2027\n":       "01/01/2027",
		"code,bbox\n22672,12 109 13 108\n":        "west south east north",
		"code,locality\n22759,phan-rang\n":        "phan-rang",
		"code,name_vi\n22998,Xã A\n":              "wards[0].valid_from",
		"- code: 22672\n  vaild_to: 2027-01-01\n": "vaild_to",
		"code,area_km2\n22672,\"73,6 km2\"\n":     "73,6 km2",
		"code\n":                                  "no wards",
	} {
		h.run("wards", "import", wardFile(t, "bad", text)).want(1, want)
	}
}
