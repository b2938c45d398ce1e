package city

import (
	"testing"

	"github.com/haidang-iot/haidang/ingest/store/storetest"
)

// The rule of conflicts over every store, read as `haidang up` reads it.
func TestConflictsOnEveryStore(t *testing.T) {
	for name, open := range readables() {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			g := storetest.Guarded{Store: r.store, Reader: r.reader(), Counter: r.counter(), Settle: r.settle}
			if name != "embedded" {
				g.Visible = externalVisible
			}
			storetest.RunConflicts(t, func(*testing.T) storetest.Guarded { return g })
		})
	}
}
