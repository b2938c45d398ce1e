package journal_test

import (
	"github.com/haidang-iot/haidang/ingest"
	"reflect"
	"testing"
)

// Looking takes nothing, pages go on where the last ended, and what has been
// stored is not seen any more.
func testPeek(t *testing.T, s place) {
	j := s.open(t)
	if waiting, err := j.Peek(testContext(t), 0, 10); err != nil || len(waiting) != 0 {
		t.Fatalf("an empty journal shows %v, %v", waiting, err)
	}
	first, second, third := record("cam-ranh", 0, 3), record("ninh-hoa", 0, 2), record("cam-ranh", 3, 1)
	for _, r := range []*ingest.Record{&first, &second, &third} {
		r.Epoch = state(t, j).Epoch
	}
	appendAll(t, j, first, second, third)
	taken := take(t, j)
	delivery := next(t, taken, "cam-ranh", 0, 3)

	page, err := j.Peek(testContext(t), 0, 2)
	if err != nil || len(page) != 2 || !reflect.DeepEqual(page[0].Record, first) || !reflect.DeepEqual(page[1].Record, second) {
		t.Fatalf("first page %+v, %v", page, err)
	}
	rest, err := j.Peek(testContext(t), page[1].Number, 2)
	if err != nil || len(rest) != 1 || !reflect.DeepEqual(rest[0].Record, third) {
		t.Fatalf("second page %+v, %v", rest, err)
	}
	finish(t, taken, delivery)
	eventually(t, "the first has left", func() bool {
		left, err := j.Peek(testContext(t), 0, 10)
		return err == nil && len(left) == 2 && reflect.DeepEqual(left[0].Record, second)
	})
	next(t, taken, "ninh-hoa", 0, 2) // still there to be taken
}
