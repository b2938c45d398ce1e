package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// told is an alarm as far as this test looks at it.
type told struct {
	Rule, Device, Severity string
	Value                  float64
	SummaryVI              string `json:"summary_vi"`
	DescriptionEN          string `json:"description_en"`
	RunbookVI              string `json:"runbook_vi"`
	RunbookEN              string `json:"runbook_en"`
}

// damagedCity is a city whose data folder is damaged while it is stopped or runs.
type damagedCity struct {
	*process
	t      *testing.T
	data   string
	broker string
	sent   int
}

// send publishes readings that are good, each with a time of its own.
func (c *damagedCity) send(n int) {
	c.t.Helper()
	for range n {
		at := time.Now().Add(-2*time.Hour + time.Duration(c.sent)*time.Second).UnixMilli()
		if err := send(c.t, c.broker, "kh/nha-trang/air_quality/air-1", fmt.Appendf(nil, `{"ts":%d,"pm25":%d}`, at, 1+c.sent%50)); err != nil {
			c.t.Fatal(err)
		}
		c.sent++
	}
}

// eventually told waits until an alarm of a rule about something is active.
func (c *damagedCity) told(rule, device string) (found told) {
	c.t.Helper()
	eventually(c.t, patience, "there is an alarm "+rule+" "+device, func() bool {
		code, body := c.get("/api/v1/alarms?limit=100")
		var page struct{ Alarms []told }
		if code != 200 || json.Unmarshal([]byte(body), &page) != nil {
			return false
		}
		for _, a := range page.Alarms {
			if a.Rule == rule && strings.HasPrefix(a.Device, device) {
				found = a
			}
		}
		return found.Rule != ""
	})
	if found.SummaryVI == "" || found.RunbookVI == "" || found.RunbookEN == "" {
		c.t.Errorf("the alarm does not say in both languages what to do: %+v", found)
	}
	c.t.Logf("%s %s: %s", rule, device, found.DescriptionEN)
	return found
}

// counts asks the ledger for the city's totals.
func (c *damagedCity) counts() (received, stored, queued int) {
	code, body := c.get("/api/v1/ledger")
	var r struct {
		Gateways []struct {
			Gateway                  string
			Received, Stored, Queued int
		}
	}
	if code != 200 || json.Unmarshal([]byte(body), &r) != nil {
		return -1, -1, -1
	}
	for _, g := range r.Gateways {
		if g.Gateway == "door" {
			received, stored, queued = received+g.Received, stored+g.Stored, queued+g.Queued
		}
	}
	return received, stored, queued
}

// marked waits until the marks know of something that is true of them.
func (c *damagedCity) marked(what string, ok func(text string) bool) {
	c.t.Helper()
	eventually(c.t, patience, "the marks know "+what, func() bool {
		b, err := os.ReadFile(filepath.Join(c.data, "marks.json"))
		return err == nil && ok(string(b))
	})
}

// damageFile changes a file of the data folder from the place of a text.
func (c *damagedCity) damageFile(name, text string, last bool, change func(b []byte, at int) []byte) {
	c.t.Helper()
	found, err := filepath.Glob(filepath.Join(c.data, name))
	if err != nil || len(found) == 0 {
		c.t.Fatalf("%s: %v, %v", name, found, err)
	}
	path := found[len(found)-1]
	b, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	at := bytes.Index(b, []byte(text))
	if last {
		at = bytes.LastIndex(b, []byte(text))
	}
	if at < 0 {
		c.t.Fatalf("%q is not in %s", text, path)
	}
	b = change(b, at)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// Several damages are done to a stopped city and one to a running one. Each is told with
// what was lost in numbers and what to do, what is good goes on, and what lies behind a
// damage is not lost with it.
func TestDamageIsTold(t *testing.T) {
	long(t)
	t.Parallel()
	c := &damagedCity{t: t, data: t.TempDir(), broker: address(freePort(t))}
	c.process = haidang(t, "up", "--data", c.data, "--mqtt", c.broker)
	c.ready()
	whole := c.arguments
	c.send(150)
	if err := send(t, c.broker, "kh/nha-trang/air_quality/bad", []byte(`{"nothing-known":1}`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "all is stored", func() bool { _, stored, queued := c.counts(); return stored >= 150 && queued == 0 })
	eventually(t, patience, "there are backups", func() bool {
		made, err := filepath.Glob(filepath.Join(c.data, "backups", "*.db"))
		return err == nil && len(made) == 3 // ledger, registry, sessions
	})
	c.stop() // moves the ledger's log into its file, where it is damaged

	// Without its store a city keeps what comes in the journal, one message a record.
	c.arguments = append(append([]string{}, whole...), "--store", "influx", "--influx-url", "http://127.0.0.1:1", "--influx-bucket", "x")
	c.start()
	eventually(t, patience, "it takes messages", func() bool {
		code, _ := c.get("/healthz")
		return code == 200 && send(t, c.broker, "kh/nha-trang/status/x", []byte("online")) == nil
	})
	c.send(100)
	eventually(t, patience, "messages wait", func() bool { _, _, queued := c.counts(); return queued >= 100 })
	received, _, _ := c.counts()
	c.marked("what waits", func(text string) bool {
		return strings.Contains(text, fmt.Sprintf(`"counted": %d`, received)) || strings.Contains(text, `"accounted"`) && marksCount(text) >= received
	})
	c.kill()

	c.damageStopped()
	check := run(t, patience, "check", "--data", c.data)
	if check.code != 1 || !strings.Contains(check.stdout, "the journal") || !strings.Contains(check.stdout, "ledger.db") || !strings.Contains(check.stdout, "registry.db") {
		t.Errorf("haidang check says %d:\n%s%s", check.code, check.stdout, check.stderr)
	}
	c.arguments = whole
	c.start()
	c.ready()
	lost := int(c.told("damage-stream", "HAIDANG_JOURNAL").Value)
	if lost < 20 || lost > 80 {
		t.Errorf("of the journal %d messages are said to be lost", lost)
	}
	if a := c.told("damage-log", "wal"); a.Value == 0 {
		t.Errorf("the store's log lost nothing: %+v", a)
	}
	if a := c.told("damage-mended", "ledger"); !strings.Contains(a.DescriptionEN, "nothing is lost") {
		t.Errorf("only an index of the ledger was damaged: %+v", a)
	}
	c.told("damage-mended", "registry")
	if code, body := c.get("/api/v1/quarantine"); code != 200 || !strings.Contains(body, "nothing-known") {
		t.Errorf("the quarantine was not saved: %d %s", code, body)
	}
	before := c.sent
	c.send(50)
	eventually(t, patience, "what came before and behind the damage is stored", func() bool {
		_, stored, queued := c.counts()
		return stored >= before-lost+50 && queued == 0
	})
	c.damageRunning()
}

// marksCount is how many messages the marks say the journal has counted.
func marksCount(text string) (n int) {
	var m struct{ Counted int }
	if json.Unmarshal([]byte(text), &m) != nil {
		return -1
	}
	return m.Counted
}

// damageStopped cuts the journal's tail and flips a bit before it, flips one in the
// store's log, overwrites a page of the ledger and deletes the registry.
func (c *damagedCity) damageStopped() {
	journal := "broker/jetstream/JOURNAL/streams/HAIDANG_JOURNAL/msgs/*.blk"
	c.damageFile(journal, `"pm25"`, true, func(b []byte, at int) []byte { return b[:len(b)*3/4] })
	c.damageFile(journal, `"pm25"`, true, func(b []byte, at int) []byte { b[at-3000] ^= 1; return b })
	c.damageFile("store/wal/0*", "", false, func(b []byte, at int) []byte {
		n := len(bytes.TrimRight(b, "\x00"))
		if n < 1000 {
			c.t.Fatalf("the store's log has %d bytes", n)
		}
		b[n/2] ^= 4
		return b
	})
	c.damageFile("ledger.db", "", false, func(b []byte, _ int) []byte {
		return overwriteIndex(c.t, b, "air_quality/bad", "nothing-known")
	})
	for _, end := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(filepath.Join(c.data, "registry.db"+end)) // the last two may not be there
	}
}

// overwriteIndex overwrites the page of an SQLite file that has the one text and not the
// other: of an index, whose table has both.
func overwriteIndex(t *testing.T, b []byte, has, hasNot string) []byte {
	t.Helper()
	const page = 4096
	for at := page; at+page <= len(b); at += page {
		if p := b[at : at+page]; bytes.Contains(p, []byte(has)) && !bytes.Contains(p, []byte(hasNot)) {
			copy(p, bytes.Repeat([]byte{0xff}, page))
			return b
		}
	}
	t.Fatalf("no page of the ledger has %q and not %q", has, hasNot)
	return nil
}

// readQuarantine lists the whole quarantine, and returns the code of the last answer.
func (c *damagedCity) readQuarantine() int {
	for after := int64(0); ; {
		code, body := c.get(fmt.Sprintf("/api/v1/quarantine?limit=100&after=%d", after))
		var page struct{ Next int64 }
		if code != 200 || json.Unmarshal([]byte(body), &page) != nil || page.Next == 0 {
			return code
		}
		after = page.Next
	}
}

// damageRunning overwrites pages of the ledger while it is in use.
func (c *damagedCity) damageRunning() {
	for i := range 60 {
		// More than SQLite keeps of pages in memory.
		payload := fmt.Sprintf(`{"nothing-known":%d,"filler":%q}`, i, strings.Repeat("running", 7000))
		if err := send(c.t, c.broker, "kh/nha-trang/air_quality/bad", []byte(payload)); err != nil {
			c.t.Fatal(err)
		}
	}
	eventually(c.t, patience, "they are in quarantine", func() bool {
		_, body := c.get("/api/v1/quarantine?limit=100")
		return strings.Count(body, "filler") >= 60
	})
	c.stop() // moves the log into the file
	c.start()
	c.ready()
	path := filepath.Join(c.data, "ledger.db")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	for at := 4096; at+4096 <= len(b); at += 4096 {
		if bytes.Contains(b[at:at+4096], []byte("runningrunning")) {
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 4096), int64(at)); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	if code := c.readQuarantine(); code < 500 {
		c.t.Errorf("a damaged quarantine answers %d", code)
	}
	eventually(c.t, patience, "it is not ready", func() bool {
		code, body := c.get("/readyz")
		return code == 503 && strings.Contains(body, "damage-file ledger")
	})
	if a := c.told("damage-file", "ledger"); a.Severity != "extreme" {
		c.t.Errorf("%+v", a)
	}
	c.send(20) // acknowledged all the same
	c.stop()
	c.start()
	c.ready()
	c.told("damage-mended", "ledger")
	sent := c.sent
	c.send(1)
	eventually(c.t, patience, "it goes on", func() bool { _, stored, queued := c.counts(); return stored > 0 && queued == 0 && c.sent == sent+1 })
}
