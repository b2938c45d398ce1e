package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/simulator"
	"github.com/haidang-iot/haidang/simulator/scenario"
)

// played is a slice of a shipped scenario: small, unless HAIDANG_E2E_LONG asks for
// more.
type played struct {
	name string
	// from is when the slice begins, since the scenario's start.
	from, length time.Duration
	// thin divides the counts of the fleet.
	thin int

	file       string // what verify is given
	start, end time.Time
	messages   []simulator.Emission
}

// playedAll are slices of all shipped scenarios that do not overlap, each with
// something happening in it.
func playedAll(t *testing.T) []*played {
	const h = time.Hour
	all := []*played{
		{name: "ordinary-day", from: 12 * h, length: 15 * time.Minute},
		{name: "rush-hour", from: h, length: 6 * time.Minute},
		{name: "november-flood", from: 5*24*h + 7*h, length: 40 * time.Minute},
		{name: "haze-week", from: 60 * h, length: 30 * time.Minute},
		{name: "tet", from: 4*24*h + 16*h, length: 30 * time.Minute},
		{name: "typhoon", from: 34 * h, length: 40 * time.Minute},
		{name: "broken-fleet", from: 11*h + 40*time.Minute, length: 40 * time.Minute},
		{name: "hundred-thousand", from: 20 * time.Minute, length: 4 * time.Minute, thin: 200},
	}
	var names []string
	for _, p := range all {
		if os.Getenv("HAIDANG_E2E_LONG") != "" {
			p.length, p.thin = 4*p.length, (p.thin+9)/10
		}
		p.load(t)
		names = append(names, p.name)
	}
	for _, name := range scenario.Names() {
		if !strings.Contains(strings.Join(names, " "), name) {
			t.Errorf("the shipped scenario %s is not scored", name)
		}
	}
	return all
}

// load makes the slice's messages, in the order in which they are due.
func (p *played) load(t *testing.T) {
	t.Helper()
	text, err := scenario.Text(p.name)
	if err != nil {
		t.Fatal(err)
	}
	p.file = p.name
	if p.thin > 1 {
		p.file = filepath.Join(t.TempDir(), p.name+".yaml")
		text = regexp.MustCompile(`count: \d+`).ReplaceAllFunc(text, func(count []byte) []byte {
			n, _ := strconv.Atoi(string(count[len("count: "):]))
			return fmt.Appendf(nil, "count: %d", max(1, n/p.thin))
		})
		if err := os.WriteFile(p.file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := scenario.Parse(p.file, text)
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := simulator.NewScenarioFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	p.start = s.Start.Add(p.from)
	p.end = p.start.Add(p.length)
	plan := fleet.Plan(p.start, p.end)
	for m, ok := plan.Next(); ok; m, ok = plan.Next() {
		p.messages = append(p.messages, fleet.Emission(m))
	}
	if len(p.messages) < 500 {
		t.Errorf("the slice of %s has only %d messages", p.name, len(p.messages))
	}
}

// verdict is what `haidang verify --json` says.
type verdict struct {
	Perfect bool
	Score   float64
	Total   struct{ Expected, Right, Lost int64 }
	Defects []struct {
		Class  string
		TextEN string `json:"text_en"`
		Count  int64
	}
	Quarantine *struct{ Missing int64 }
}

// verify runs `haidang verify` over the slice, as its user would.
func (p *played) verify(t *testing.T, sent time.Time, more ...string) (verdict, result) {
	t.Helper()
	arguments := append([]string{"verify", "--scenario", p.file, "--from", p.start.Format(time.RFC3339), "--to", p.end.Format(time.RFC3339),
		"--sent", sent.Format(time.RFC3339), "--retention", forever}, more...)
	out := run(t, patience, append(arguments, "--json")...)
	var v verdict
	if err := json.Unmarshal([]byte(out.stdout), &v); err != nil {
		t.Fatalf("verify %s ends with %d: %v\n%.3000s%s", p.name, out.code, err, out.stdout, out.stderr)
	}
	return v, out
}

// forever is a retention within which every shipped scenario lies, whatever year
// it is.
const forever = "36500d"

// feed publishes messages over one connection at a time, as fast as they are
// acknowledged, and again what got no PUBACK; step is called after each PUBACK.
func feed(t *testing.T, broker string, messages []simulator.Emission, step func(acked int)) {
	t.Helper()
	const window = 500
	waiting := map[uint16]int{}
	next, acked := 0, 0
	send := func(w *wire, n int, again bool) error {
		id := uint16(n%60000 + 1)
		waiting[id] = n
		return w.publish(messages[n].Topic, messages[n].Payload, id, again)
	}
	session := func(w *wire) error {
		defer w.close()
		for _, n := range waiting {
			if err := send(w, n, true); err != nil {
				return err
			}
		}
		for acked < len(messages) {
			for ; len(waiting) < window && next < len(messages); next++ {
				if err := send(w, next, false); err != nil {
					next++
					return err
				}
			}
			if err := w.flush(); err != nil {
				return err
			}
			select {
			case id := <-w.acks:
				if _, ok := waiting[id]; ok {
					delete(waiting, id)
					acked++
					step(acked)
				}
			case <-w.broken:
				return w.err
			case <-t.Context().Done():
				return t.Context().Err()
			}
		}
		return w.disconnect()
	}
	deadline := time.Now().Add(patience)
	for acked < len(messages) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v only %d of %d messages are acknowledged", patience, acked, len(messages))
		}
		w, err := dialMQTT(t.Context(), broker, "feed")
		if err == nil {
			err = session(w)
		}
		if err != nil && acked < len(messages) {
			time.Sleep(50 * time.Millisecond) // the broker is away: not to turn in circles
		}
	}
}

// settled waits until the ledger has what becomes of the messages if they are
// received now, but for some that were swallowed: what a killed gateway had under
// way, the broker sends again only after a while.
func settled(t *testing.T, up *process, messages []simulator.Emission, swallowed int64) {
	t.Helper()
	var stored, quarantined int64
	for i := range messages {
		switch messages[i].Received(time.Now(), 100*365*24*time.Hour).Fate {
		case simulator.Stored, simulator.Partial:
			stored++
		case simulator.Quarantined:
			quarantined++
		}
	}
	var sum balance
	eventually(t, patience, fmt.Sprintf("%d messages are stored and %d wait", stored-swallowed, quarantined), func() bool {
		r, ok := ledger(up)
		sum = r.total()
		return ok && sum.Queued == 0 && sum.Stored >= stored-swallowed && sum.Quarantined >= quarantined && up.isReady()
	})
	t.Logf("%v", sum)
	audit(t, up)
}

// Every shipped scenario is scored with 100 % through every store, with `kill -9`
// of the process that is everything and an outage of the store in the middle.
func TestScore(t *testing.T) {
	long(t)
	all := playedAll(t)
	var sending []simulator.Emission
	for _, p := range all {
		sending = append(sending, p.messages...)
	}
	through := func(t *testing.T, away func(), back func(), read func(up *process) []string, more ...string) {
		broker := address(freePort(t))
		up := haidang(t, "up", append([]string{"--data", t.TempDir(), "--mqtt", broker, "--retention", forever, "--admit-limit", "100000"}, more...)...)
		up.ready()
		sent := time.Now()
		for i, p := range all {
			feed(t, broker, p.messages, func(acked int) {
				switch {
				case i%4 == 1 && acked == len(p.messages)/2:
					up.kill()
					up.start()
				case i%4 == 2 && acked == len(p.messages)/3:
					away()
				case i%4 == 2 && acked == 2*len(p.messages)/3:
					back()
				}
			})
		}
		settled(t, up, sending, 0)
		t.Logf("%d messages in %v", len(sending), time.Since(sent).Round(time.Millisecond))
		for _, p := range all {
			v, out := p.verify(t, sent, append(read(up), "--url", up.url, "--quarantine", "yes")...)
			if out.code != 0 || !v.Perfect || v.Score != 1 || v.Total.Right != v.Total.Expected || v.Total.Expected < 1000 || v.Quarantine == nil {
				t.Errorf("%s: verify ends with %d\n%.4000s%s", p.name, out.code, out.stdout, out.stderr)
			}
			t.Logf("%s: %d values of %d messages", p.name, v.Total.Right, len(p.messages))
		}
		up.stop()
	}
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		none := func() {} // it goes with its process
		through(t, none, none, func(*process) []string { return nil })
	})
	t.Run("VictoriaMetrics", func(t *testing.T) {
		t.Parallel()
		db := realserver.VictoriaMetrics(t)
		through(t, db.Stop, db.Start, func(*process) []string {
			if err := db.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			return []string{"--prometheus", db.URL}
		}, "--store", "influx", "--influx-url", db.URL, "--influx-bucket", "city")
	})
	t.Run("InfluxDB", func(t *testing.T) {
		t.Parallel()
		db := realserver.InfluxDB(t)
		through(t, db.Stop, db.Start, func(*process) []string {
			return []string{"--influx", db.URL, "--influx-bucket", realserver.Database}
		}, "--store", "influx", "--influx-url", db.URL, "--influx-bucket", realserver.Database)
	})
}

// What a broken pipeline does is caught, and named: a relay before the city drops
// one in a thousand messages, shifts a device's clock, swaps two fields and
// renames a device.
func TestScoreNamesDefects(t *testing.T) {
	long(t)
	t.Parallel()
	p := &played{name: "ordinary-day", from: 7 * time.Hour, length: 30 * time.Minute}
	p.load(t)
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--retention", forever)
	up.ready()
	stamp := regexp.MustCompile(`"ts":(\d+)`)
	n, swallowed := 0, int64(0)
	relay := relayMQTT(t, broker, func(topic string, payload []byte) (string, []byte, bool) {
		n++
		switch {
		case n%1000 == 500:
			swallowed++
			return "", nil, false
		case strings.HasSuffix(topic, "/nt-noise-cho-dam-1"):
			ms, _ := strconv.ParseInt(string(stamp.FindSubmatch(payload)[1]), 10, 64)
			return topic, stamp.ReplaceAll(payload, fmt.Appendf(nil, `"ts":%d`, ms+60_000)), true
		case strings.Contains(topic, "kh/cam-ranh/air_quality/"):
			swapped := bytes.Replace(payload, []byte(`"pm25":`), []byte(`"was":`), 1)
			swapped = bytes.Replace(swapped, []byte(`"pm10":`), []byte(`"pm25":`), 1)
			return topic, bytes.Replace(swapped, []byte(`"was":`), []byte(`"pm10":`), 1), true
		case strings.HasSuffix(topic, "/nt-traffic-ma-vong-1"):
			return topic + "x", payload, true
		}
		return topic, payload, true
	})
	sent := time.Now()
	feed(t, relay, p.messages, func(int) {})
	settled(t, up, p.messages, swallowed)
	v, out := p.verify(t, sent, "--url", up.url)
	if out.code != 1 || v.Perfect || v.Score >= 1 || v.Score < 0.9 {
		t.Errorf("verify ends with %d, score %v", out.code, v.Score)
	}
	for class, says := range map[string][]string{
		"lost":           {"1 in ", "messages is lost", "no pattern"},
		"time_shift":     {"nt-noise-cho-dam-1", "60 s late"},
		"swapped":        {"pm10 and pm25 are swapped", "cam-ranh"},
		"device_renamed": {"nt-traffic-ma-vong-1", "under the device nt-traffic-ma-vong-1x"},
	} {
		found := false
		for _, d := range v.Defects {
			found = found || d.Class == class && hasAll(d.TextEN, says)
		}
		if !found {
			t.Errorf("no defect %s with %q", class, says)
		}
	}
	if len(v.Defects) != 4 {
		t.Errorf("it names %d defects of 4", len(v.Defects))
	}
	page := filepath.Join(t.TempDir(), "report.html")
	_, text := 0, run(t, patience, "verify", "--scenario", p.file, "--from", p.start.Format(time.RFC3339), "--to", p.end.Format(time.RFC3339), "--url", up.url, "--html", page, "--lang", "vi")
	if html, err := os.ReadFile(page); err != nil || !bytes.Contains(html, []byte("bị tráo cho nhau")) || text.code != 1 {
		t.Errorf("the report ends with %d: %v", text.code, err)
	}
	t.Logf("haidang verify --lang vi:\n%s", text.stdout)
	checkUsage(t, up)
	up.stop()
}

// checkUsage sees that mistakes are told, with their remedy.
func checkUsage(t *testing.T, up *process) {
	t.Helper()
	for _, c := range []struct {
		arguments []string
		code      int
		says      []string
	}{
		{[]string{"--scenario", "rush-our"}, 1, []string{"rush-our", "rush-hour", "november-flood"}},
		{[]string{"--scenario", "rush-hour", "--from", "2026-03-10 08:00", "--to", "2026-03-10 07:00"}, 2, []string{"--to", "--from"}},
		{[]string{"--scenario", "rush-hour", "--from", "yesterday"}, 2, []string{"--from", "yesterday"}},
		{[]string{"--scenario", "rush-hour", "--to", "2027-01-01"}, 1, []string{"--at"}},
		{[]string{"--scenario", "november-flood", "--to", "2025-11-15 01:00", "--url", up.url}, 1, []string{"holds nothing", "haidang simulate --scenario"}},
		{[]string{"--scenario", "rush-hour", "--prometheus", "http://127.0.0.1:1"}, 1, []string{"is it running there?"}},
		{[]string{"--scenario", "rush-hour", "--influx", up.url}, 2, []string{"--influx-bucket"}},
	} {
		out := run(t, patience, append([]string{"verify"}, c.arguments...)...)
		if out.code != c.code || !hasAll(out.stderr, c.says) {
			t.Errorf("verify %v ends with %d: %s", c.arguments, out.code, out.stderr)
		}
	}
}

// While a scenario is sent as it is due, the delay is measured.
func TestScoreFollows(t *testing.T) {
	long(t)
	t.Parallel()
	s, err := scenario.Load("rush-hour")
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := simulator.NewScenarioFleet(s)
	if err != nil {
		t.Fatal(err)
	}
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker)
	up.ready()
	start := time.Now().Truncate(time.Second).Add(3 * time.Second)
	fleet = fleet.At(start)
	plan := fleet.Plan(start, start.Add(15*time.Second))
	done := make(chan result, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		done <- run(t, patience, "verify", "--scenario", "rush-hour", "--at", start.Format(time.RFC3339), "--to", start.Add(15*time.Second).Format(time.RFC3339),
			"--sent", "due", "--follow", "--every", "200ms", "--url", up.url, "--json")
	}()
	w, err := dialMQTT(ctx, broker, "live")
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	sent := 0
	for m, ok := plan.Next(); ok; m, ok = plan.Next() {
		e := plan.Write(m)
		time.Sleep(time.Until(e.Due))
		if err := cmp.Or(w.publish(e.Topic, e.Payload, uint16(sent%60000+1), false), w.flush()); err != nil {
			t.Fatal(err)
		}
		<-w.acks
		sent++
	}
	out := <-done
	var r struct {
		Perfect bool
		Delay   struct {
			Messages, Unseen int64
			P50, Max         time.Duration
		}
	}
	r.Delay.P50 = -1
	if err := json.Unmarshal([]byte(strings.NewReplacer("p50_ns", "P50", "max_ns", "Max").Replace(out.stdout)), &r); err != nil || out.code != 0 || !r.Perfect {
		t.Fatalf("verify --follow ends with %d: %v\n%.3000s%s", out.code, err, out.stdout, out.stderr)
	}
	if r.Delay.Messages < int64(sent)*9/10 || r.Delay.Unseen > 0 || r.Delay.P50 < 0 || r.Delay.Max < r.Delay.P50 {
		t.Errorf("of %d messages: %+v", sent, r.Delay)
	}
	t.Logf("%d messages: %+v", sent, r.Delay)
	up.stop()
}
