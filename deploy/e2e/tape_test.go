package e2e_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// A recorder is killed under load and started again with the same session: its
// tapes together have every reading that was acknowledged. Replayed into an empty
// city they are all in its store, and a replay into a city that has them says so
// before it starts.
func TestTapeOfAKilledRecorder(t *testing.T) {
	long(t)
	t.Parallel()
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	dir := t.TempDir()
	// Subscribed before anybody publishes, so that nothing is before the tape.
	var tapes []string
	recorder := func() *process {
		name := filepath.Join(dir, fmt.Sprintf("%d.tape", len(tapes)))
		tapes = append(tapes, name)
		return record(t, name, broker.Address, "recorder")
	}
	rec := recorder()
	pub := publish(t, broker.Address, 1000, false)
	for range 3 {
		pub.progress(1500)
		rec.kill()
		rec = recorder()
	}
	pub.progress(1500)
	readings := pub.finish()
	onTape := func() int {
		n := 0
		for _, name := range tapes {
			n += tapeInfo(t, name).Messages
		}
		return n
	}
	eventually(t, patience, "all readings are on tape", func() bool { return onTape() >= len(readings) })
	rec.stop()
	t.Logf("%d readings were acknowledged, %d messages are on %d tapes", len(readings), onTape(), len(tapes))

	mqtt := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", mqtt)
	up.ready()
	to := []string{"--broker", "tcp://" + mqtt, "--url", up.url}
	for i, name := range tapes {
		// The first is new to the city; the others hold some readings again.
		arguments := append([]string{"replay", name, "--speed", "max"}, to...)
		if i > 0 {
			arguments = append(arguments, "--again")
		}
		if r := run(t, patience, arguments...); r.code != 0 {
			t.Fatalf("replay of %s: exit code %d\n%s", name, r.code, r.stderr)
		}
	}
	stored := func(city *process) {
		t.Helper()
		eventually(t, patience, "all readings are stored", func() bool {
			r, ok := ledger(city)
			return ok && r.total().Stored >= int64(len(readings))
		})
	}
	stored(up)
	compare(t, readings, embedded(up))
	audit(t, up)
	if r := run(t, patience, append([]string{"replay", tapes[0]}, to...)...); r.code != 1 || !strings.Contains(r.stderr, "already holds") {
		t.Errorf("a second replay: exit code %d, %s", r.code, r.stderr)
	}

	// What the store holds becomes a tape again, but for what the city computes, and
	// another city takes it.
	eventually(t, patience, "the city's own figures are stored too", func() bool { return len(metricNames(t, up, `{__name__=~"platform_.+"}`)) > 0 })
	store := filepath.Join(dir, "store.tape")
	from := time.UnixMilli(slices.MinFunc(readings, func(a, b reading) int { return cmp.Compare(a.at, b.at) }).at)
	if r := run(t, patience, "tape", "convert", "store", store, "--url", up.url, "--from", from.UTC().Format(time.RFC3339Nano)); r.code != 0 {
		t.Fatalf("convert store: exit code %d\n%s", r.code, r.stderr)
	}
	up.stop()
	other := haidang(t, "up", "--data", t.TempDir(), "--mqtt", mqtt)
	other.ready()
	if r := run(t, patience, "replay", store, "--speed", "max", "--broker", "tcp://"+mqtt, "--url", other.url); r.code != 0 {
		t.Fatalf("replay of the store's tape: exit code %d\n%s", r.code, r.stderr)
	}
	stored(other)
	compare(t, readings, embedded(other))
	other.stop()
}

// record starts a recorder and returns once it is subscribed.
func record(t *testing.T, name, broker, client string) *process {
	t.Helper()
	p := &process{t: t, name: "record", program: program("haidang"),
		arguments: []string{"record", "-o", name, "--broker", "tcp://" + broker, "--client-id", client, "--json"}}
	p.prepare()
	p.start()
	eventually(t, patience, "the recorder is connected", func() bool { return p.says(`"connected":true`) })
	return p
}

type tapeInfoAnswer struct {
	Messages int
	Cut      bool
}

func tapeInfo(t *testing.T, name string) (info tapeInfoAnswer) {
	t.Helper()
	r := run(t, patience, "tape", "info", name, "--json")
	if err := json.Unmarshal([]byte(r.stdout), &info); err != nil {
		t.Fatalf("tape info %s: %v\n%s%s", name, err, r.stdout, r.stderr)
	}
	return info
}

// What waits while the store is away, and what could not be stored, are taken to
// tape.
func TestTapeOfJournalAndQuarantine(t *testing.T) {
	long(t)
	t.Parallel()
	db := realserver.InfluxDB(t)
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--store", "influx", "--influx-url", db.URL, "--influx-bucket", realserver.Database)
	up.ready()
	mosquittoPub(t, broker, "kh/nha-trang/noise/n-1", `{"laeq":55}`)
	mosquittoPub(t, broker, "kh/nha-trang/noise/n-1", `{"loud":1}`)
	eventually(t, patience, "one is stored and one is in quarantine", func() bool {
		r, ok := ledger(up)
		return ok && r.total().Stored == 1 && r.total().Quarantined == 1
	})
	dir := t.TempDir()
	check := func(source, want string) {
		t.Helper()
		name := filepath.Join(dir, source+".csv")
		if r := run(t, patience, "tape", "convert", source, name, "--url", up.url); r.code != 0 {
			t.Fatalf("convert %s: exit code %d\n%s", source, r.code, r.stderr)
		}
		b, err := os.ReadFile(name)
		if err != nil || strings.Count(string(b), "kh/nha-trang/noise/n-1") != 1 || !strings.Contains(string(b), want) {
			t.Errorf("%s became %q (%v), want one row with %q", source, b, err, want)
		}
	}
	check("quarantine", "loud")
	db.Stop()
	mosquittoPub(t, broker, "kh/nha-trang/noise/n-1", `{"laeq":66}`)
	eventually(t, patience, "one waits", func() bool {
		r, ok := ledger(up)
		return ok && r.total().Queued == 1
	})
	check("journal", "66")
	db.Start()
	eventually(t, patience, "it is stored after all", func() bool {
		r, ok := ledger(up)
		return ok && r.total().Stored == 2
	})
	up.stop()
}

// The disk fills up while a tape is recorded: the recorder says so and ends, the
// tape has all that it had said was recorded, and the broker keeps the rest.
func TestTapeFullDisk(t *testing.T) {
	long(t)
	t.Parallel()
	disk := realserver.TinyDisk(t, "256k")
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{})
	name := filepath.Join(disk, "city.tape")
	rec := record(t, name, broker.Address, "full")
	pub := publish(t, broker.Address, 3000, false)
	<-rec.ended
	pub.progress(1000) // the broker takes on
	readings := pub.finish()
	if rec.err == nil || !rec.says("no space left on device") {
		t.Fatalf("the recorder ended with %v: %s", rec.err, rec.tail())
	}
	info := tapeInfo(t, name)
	if info.Cut || info.Messages == 0 {
		t.Errorf("the tape is %+v", info)
	}
	// What is not on the tape is still at the broker, for the same session.
	rest := filepath.Join(t.TempDir(), "rest.tape")
	if r := run(t, patience, "record", "-o", rest, "--broker", "tcp://"+broker.Address, "--client-id", "full", "--for", "5s"); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	after := tapeInfo(t, rest)
	t.Logf("%d readings; %d messages before the disk was full, %d after", len(readings), info.Messages, after.Messages)
	if info.Messages+after.Messages < len(readings) {
		t.Errorf("%d and %d messages on tape, and %d readings", info.Messages, after.Messages, len(readings))
	}
}
