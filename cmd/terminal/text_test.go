package terminal

import (
	"testing"
)

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567", -1000: "-1 000", -12: "-12"} {
		if got := Grouped(n); got != want {
			t.Errorf("grouped(%d) is %q, want %q", n, got, want)
		}
	}
}

func TestShownHidesControls(t *testing.T) {
	if got := Shown("a\x1b[2Jb\u009bc\xff", 20); got != "a�[2Jb�c�" {
		t.Errorf("shown leaves controls: %q", got)
	}
	if got := Shown("Nha Trang, Cam Lâm", 5); got != "Nha …" {
		t.Errorf("shown cuts to %q", got)
	}
}
