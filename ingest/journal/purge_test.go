package journal_test

import (
	"testing"

	"github.com/haidang-iot/haidang/ingest"
)

// testAcknowledgeMany lets records leave by dozens: none after the last of them leaves,
// the taking goes on, and the position is known when all are gone.
func testAcknowledgeMany(t *testing.T, s place) {
	j := s.open(t)
	const records, batch = 60, 12
	for i := range uint64(records) {
		appendAll(t, j, record("g", i, 1))
	}
	taken := take(t, j)
	for at := uint64(0); at < records; at += batch {
		var done []ingest.Delivery
		for i := range uint64(batch) {
			done = append(done, next(t, taken, "g", at+i, 1))
		}
		last := done[batch-1].Record
		if err := taken.Processed(testContext(t), last.Sequence(), last.End()); err != nil {
			t.Fatal(err)
		}
		if err := taken.Acknowledge(testContext(t), done); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the batch has left, and nothing else", func() bool { return state(t, j).Records == records-at-batch })
	}
	wantPosition(t, j, "g", records)
	appendAll(t, j, record("g", records, 1))
	finish(t, taken, next(t, taken, "g", records, 1))
}
