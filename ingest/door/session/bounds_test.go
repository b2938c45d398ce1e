package session_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/haidang-iot/haidang/ingest/door/session"
)

// Who subscribes again and again and does not read has what is retained waiting once for
// each filter, and a few times for all.
func TestSubscribingAgainDoesNotPileUp(t *testing.T) {
	c := begin(t, session.Limits{})
	const topics = 20
	for i := range topics {
		c.publish(fmt.Sprintf("0:r/%d=x R", i))
	}
	x, l, _ := c.connect("x", clean)
	l.mu.Lock()
	l.room = 0
	l.mu.Unlock()
	for range 50 {
		c.subscribe(x, sub("#", 0))
	}
	for i := range 50 {
		c.subscribe(x, sub(strings.Repeat("+/", i%2)+"#", 0), sub(fmt.Sprintf("$share/s%d/#", i), 0), sub("r/+", 0), sub("r/#", 0))
	}
	l.mu.Lock()
	l.room = 1 << 30
	l.mu.Unlock()
	x.Writable()
	if n := len(l.take()); n != 4*topics {
		t.Errorf("%d messages of %d that are retained, want each once for each of 4 filters", n, topics)
	}
}

// A topic of thousands of levels is not retained: each would take memory of its own.
func TestDeepTopicsAreNotRetained(t *testing.T) {
	c := begin(t, session.Limits{})
	if codes := c.publish("1:"+strings.Repeat("a/", 30_000)+"=x R", "1:a=x R"); codes[0] != 0x97 || codes[1] == 0x97 {
		t.Errorf("codes %x", codes)
	}
}
