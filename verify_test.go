package main

import (
	"strings"
	"testing"
	"time"
)

func TestVerifyCommandLine(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"verify", 2, "--scenario"},
		{"verify --scenario rush-our", 1, "rush-hour"},
		{"verify --scenario rush-hour --from yesterday", 2, "2026-03-11 07:30"},
		{"verify --scenario rush-hour --from 2026-03-10T08:00 --to 2026-03-10T07:00", 2, "not after --from"},
		{"verify --scenario rush-hour --from 2026-03-11", 1, "--at"},
		{"verify --scenario rush-hour --influx http://127.0.0.1:1", 2, "--influx-bucket"},
		{"verify --scenario rush-hour --influx http://127.0.0.1:1 --influx-bucket b --prometheus http://127.0.0.1:1", 2, "in one store"},
		{"verify --scenario rush-hour --prometheus 127.0.0.1:8428", 2, "http://127.0.0.1:8428"},
		{"verify --scenario rush-hour --sent soon", 2, "--sent"},
		{"verify --scenario rush-hour --sent 2026-11-22 --speed fast", 2, "60x"},
		{"verify --scenario rush-hour --follow --every 1ms", 2, "100ms"},
		{"verify --scenario rush-hour --lang fr", 2, "vi"},
	} {
		code, stdout, stderr := try(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stderr, c.want) || stdout != "" {
			t.Errorf("haidang %s: exit code %d, stderr %q, want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}

func TestReceived(t *testing.T) {
	from := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	due := from.Add(time.Hour)
	for _, c := range []struct {
		sent, speed string
		want        time.Time
	}{
		{"due", "max", due},
		{"2026-11-22T00:00:00Z", "max", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)},
		{"2026-11-22T00:00:00Z", "60x", time.Date(2026, 11, 22, 0, 1, 0, 0, time.UTC)},
		{"2026-11-22 07:00", "0.5", time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)},
	} {
		received, err := (&verifyCommand{Sent: c.sent, Speed: c.speed}).received(from)
		if err != nil || !received(due).Equal(c.want) {
			t.Errorf("--sent %s --speed %s: %v, want %v", c.sent, c.speed, received(due), c.want)
		}
	}
	if received, err := (&verifyCommand{}).received(from); received != nil || err != nil {
		t.Errorf("without --sent: %v", err)
	}
}
