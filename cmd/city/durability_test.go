package city

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDurability gives auto a fast, a slow and a broken disk, and holds the one line that
// a start says to what was measured and what the other choice costs.
func TestDurability(t *testing.T) {
	broken := errors.New("no space left")
	for _, c := range []struct {
		asked string
		sync  time.Duration
		err   error
		power bool
		says  []string
	}{
		{durabilityAuto, 300 * time.Microsecond, nil, true, []string{"power: ", "300µs", "costs little"}},
		{durabilityAuto, syncAllowed, nil, true, []string{"power: "}},
		{durabilityAuto, 20 * time.Millisecond, nil, false, []string{"process: ", "20ms", "--durability power", "10000 messages/s"}},
		{durabilityAuto, 0, broken, true, []string{"power", "not known", "no space left"}},
		{durabilityPower, 20 * time.Millisecond, nil, true, []string{"power: ", "20ms", "10000 messages/s"}},
		{durabilityProcess, 20 * time.Millisecond, nil, false, []string{"process: ", "20ms", "10000 messages/s"}},
		{durabilityProcess, 300 * time.Microsecond, nil, false, []string{"process: ", "cost little", "--durability power"}},
		{durabilityProcess, 0, broken, false, []string{"process", "not known"}},
	} {
		d := chooseDurability(c.asked, "data", func(dir string) (time.Duration, error) {
			if dir != "data" {
				t.Errorf("%q is measured", dir)
			}
			return c.sync, c.err
		})
		if d.power != c.power {
			t.Errorf("--durability %s with syncs of %v (%v): power is %t", c.asked, c.sync, c.err, d.power)
		}
		for _, word := range c.says {
			if !strings.Contains(d.words(), word) {
				t.Errorf("--durability %s with syncs of %v says %q, without %q", c.asked, c.sync, d.words(), word)
			}
		}
		if strings.Contains(d.words(), "\n") {
			t.Errorf("%q is more than a line", d.words())
		}
	}
}

func TestMeasureSync(t *testing.T) {
	dir := t.TempDir()
	if took, err := measureSync(dir); err != nil || took <= 0 {
		t.Errorf("a sync takes %v, %v", took, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if _, err := measureSync(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there can be measured")
	}
}
