package e2e_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/powercut"
)

// powered is a city on a disk whose power can be cut.
type powered struct {
	t       *testing.T
	disk    *powercut.Disk
	at      string
	unmount func() error
	up      *process
	broker  string
	lost    powercut.Lost
}

// onDisk starts `haidang up` on a disk of its own, or skips the test.
func onDisk(t *testing.T, disk *powercut.Disk, more ...string) *powered {
	t.Helper()
	p := &powered{t: t, disk: disk, at: t.TempDir(), broker: address(freePort(t))}
	p.mount()
	t.Cleanup(func() {
		if err := p.unmount(); err != nil {
			t.Error(err)
		}
	})
	p.up = haidang(t, "up", append([]string{"--data", filepath.Join(p.at, "city"), "--mqtt", p.broker}, more...)...)
	return p
}

func (p *powered) mount() {
	p.t.Helper()
	unmount, err := p.disk.Mount(p.at)
	if errors.Is(err, powercut.ErrNoFUSE) {
		p.t.Skip("NOT TESTED: no file system can be mounted here, so nothing is proven about the loss of power: ", err)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.unmount = unmount
}

// cut ends the process and cuts the power in the same moment, and starts it again on what
// is left.
func (p *powered) cut(chance *rand.Rand, keep float64) {
	p.t.Helper()
	p.up.kill()
	if err := p.unmount(); err != nil {
		p.t.Fatal(err)
	}
	lost := p.disk.Cut(chance, keep)
	p.lost.Pages, p.lost.Names = p.lost.Pages+lost.Pages, p.lost.Names+lost.Names
	p.mount()
	p.up.start()
}

// powerCuts is how often the power is cut: few times in CI, as often as
// HAIDANG_POWER_CUTS says by hand.
func powerCuts(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("HAIDANG_POWER_CUTS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("HAIDANG_POWER_CUTS: %v", err)
	}
	return n
}

// Whatever had been acknowledged when the power was cut is stored exactly once: with the
// harshest disk that POSIX allows, and with what chance lets through of the rest.
func TestPowerCuts(t *testing.T) {
	long(t)
	chance, cuts := chance(t), powerCuts(t, 4)
	disk := powercut.New()
	disk.Ordered = os.Getenv("HAIDANG_POWER_STRICT") == ""
	p := onDisk(t, disk, "--durability", "power")
	t.Logf("up is ready after %v", p.up.ready())
	pub := publish(t, p.broker, 1000, true)
	for n := range cuts {
		if chance.IntN(4) > 0 {
			p.up.ready()
			pub.progress(1 + chance.IntN(500))
		}
		time.Sleep(time.Duration(chance.Int64N(int64(time.Second))))
		p.cut(chance, []float64{0, 0.5, 0.9, 0}[n%4])
	}
	p.up.ready()
	pub.progress(100)
	t.Logf("the power was cut %d times: %d pages and %d names had not been synced and were lost; %d messages were acknowledged",
		cuts, p.lost.Pages, p.lost.Names, pub.acked())
	prove(t, p.up, pub, embedded(p.up))
}
