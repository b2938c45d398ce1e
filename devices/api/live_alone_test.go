package api

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// TestNobodyListens makes no events of readings once nobody has been there for a while;
// who comes back then is told that some are gone, and who comes back at once gets them.
func TestNobodyListens(t *testing.T) {
	l := NewLive(time.Now())
	spec := telemetry.NewCatalogue().Kind(telemetry.Noise).Metric([]byte("laeq"))
	if spec == nil {
		t.Fatal("the catalogue has no laeq")
	}
	at := time.Now()
	observe := func() {
		at = at.Add(time.Second)
		l.Observe([]telemetry.Point{{Series: telemetry.Series{Kind: telemetry.Noise, Site: "s", Device: "d"}, Time: at, Values: []telemetry.Value{{Spec: spec, Number: 60}}}})
	}
	if _, _, ok := l.join(""); !ok {
		t.Fatal("nobody may listen")
	}
	observe()
	l.flush()
	seq, _ := l.newestID()
	if seq != 1 {
		t.Fatalf("the first reading is event %d", seq)
	}
	l.leave()
	for range aloneFlushes {
		observe()
		l.flush()
	}
	if since, lost, _ := l.join(l.id(seq)); lost || since != seq {
		t.Errorf("who comes back soon is told that events are lost")
	}
	if events, lost, _ := l.after(seq); lost || len(events) != aloneFlushes {
		t.Errorf("who comes back soon gets %d events, lost %t", len(events), lost)
	}
	l.leave()
	observe()
	l.flush()
	if _, lost, _ := l.join(l.id(seq)); !lost {
		t.Error("who comes back late is not told that events are lost")
	}
	now, _ := l.newestID()
	observe()
	l.flush()
	if events, lost, _ := l.after(now); lost || len(events) != 1 {
		t.Errorf("who is there again gets %d events, lost %t", len(events), lost)
	}
}
