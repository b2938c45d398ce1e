package registry

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices/api"
)

// A time without an offset is Vietnam's on a machine in New York too, and what is
// printed says so. The machine is another process: a zone is read once.
func TestTimesAreVietnams(t *testing.T) {
	const zone = "America/New_York"
	if os.Getenv("TZ") != zone {
		name, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), name, "-test.run", "^TestTimesAreVietnams$", "-test.v")
		cmd.Env = append(os.Environ(), "TZ="+zone)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("in New York: %v\n%s", err, out)
		}
		return
	}
	if _, offset := time.Date(2026, 11, 1, 0, 0, 0, 0, time.Local).Zone(); offset != -4*60*60 {
		t.Fatalf("this process is not in New York: offset %d s", offset)
	}
	o := newFieldOffice(t)
	for device, from := range map[string]string{"a": "2026-11-01 00:00", "b": "2026-11-01", "c": "2026-11-01T00:00:00", "d": "2026-10-31T17:00:00Z", "e": "2026-11-01 00:00 +07:00"} {
		o.run("add", "tz-"+device, "--kind", "noise", "--new-site", "Điểm "+device, "--locality", "nha-trang", "--ward", "22366",
			"--position", "12.2489,109.1967", "--from", from, "--cadence", "1m").want(0, "since 2026-11-01 00:00 +07:00")
		d := answerOf[api.Device](o.run("show", "tz-"+device, "--json"))
		if at := d.Installation.From; !at.Equal(time.Date(2026, 10, 31, 17, 0, 0, 0, time.UTC)) {
			t.Errorf("--from %q is %v", from, at)
		}
	}
	o.run("add", "tz-f", "--kind", "noise", "--site", "x", "--from", "1/11/2026").want(2, "Vietnam's (+07:00)")
}
