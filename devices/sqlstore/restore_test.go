package sqlstore_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/sqlstore"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

func testBackup(t *testing.T, from, to places) {
	ctx := t.Context()
	s := open(t, from(t))
	r := registry(t, s)
	must[devices.Registered](t)(r.RegisterDevice(ctx, me(), devices.Registration{Request: "q", Device: devices.Device{ID: "d", Kinds: []telemetry.Kind{telemetry.Noise}},
		Site: devices.Site{ID: "thap-ba"}, Photo: &devices.Picture{Digest: "d1", JPEG: []byte("\xff\xd8\xff\x00\x01")}}))
	heard := []devices.Heard{{Device: "h", Locality: "nha-trang", First: noon(), Last: noon(), Count: 1, Sample: []byte{0xff}}, {Device: "i", First: noon(), Last: noon()}}
	if err := s.Write(ctx, func(tx devices.Tx) error { return tx.MergeHeard(ctx, heard, 10) }); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := s.Backup(ctx, &first, noon()); err != nil {
		t.Fatal(err)
	}
	where := to(t)
	if err := sqlstore.Restore(ctx, where, bytes.NewReader(first.Bytes())); err != nil {
		t.Fatal(err)
	}
	restored := open(t, where)
	if err := restored.Backup(ctx, &second, noon()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(first.String(), "\n"), strings.Split(second.String(), "\n")); diff != "" {
		t.Error(diff)
	}
	again := devices.NewRegistry(restored)
	again.Now = noon
	if err := again.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if site, why := again.Snapshot().Lookup("nha-trang", telemetry.Noise, "d", noon()); site != "thap-ba" {
		t.Errorf("have %q, %q", site, why)
	}
	photo := must[devices.Photo](t)(again.Photo(ctx, 1, 1))
	if data := must[[]byte](t)(again.PictureOf(ctx, 1)); string(data) != "\xff\xd8\xff\x00\x01" || photo.Type != "image/jpeg" || photo.Size != 5 {
		t.Errorf("the photo is %+v", photo)
	}
	must[devices.Device](t)(again.Maintain(ctx, me(), "d")) // it goes on working
	if err := sqlstore.Restore(ctx, where, bytes.NewReader(first.Bytes())); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("restored over what was there: %v", err)
	}
}

func testBadBackups(t *testing.T, place places) {
	ctx := t.Context()
	s := open(t, place(t))
	registry(t, s)
	var b bytes.Buffer
	if err := s.Backup(ctx, &b, noon()); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	lines := strings.SplitAfter(good, "\n")
	where := place(t)
	for name, bad := range map[string]struct{ text, about string }{
		"empty":       {"", "cut off"},
		"other file":  {"{}\n", "not a backup"},
		"not JSON":    {"id;name\n", "line 1"},
		"cut off":     {strings.Join(lines[:20], ""), "cut off"},
		"changed":     {strings.Replace(good, "Nha Trang", "Nha Trong", 1), "changed"},
		"row missing": {strings.Join(append(append([]string{}, lines[:5]...), lines[6:]...), ""), ""},
		"newer":       {regexp.MustCompile(`"schema":\d+`).ReplaceAllString(good, `"schema":99`), "99"},
		"other table": {lines[0] + `{"t":"sqlite_master","r":[1]}` + "\n", "sqlite_master"},
	} {
		if err := sqlstore.Restore(ctx, where, strings.NewReader(bad.text)); err == nil || !strings.Contains(err.Error(), bad.about) {
			t.Errorf("%s: have %v, want one about %q", name, err, bad.about)
		}
	}
	if err := sqlstore.Restore(ctx, where, strings.NewReader(good)); err != nil {
		t.Errorf("after the bad ones, the good one: %v", err)
	}
}
