package seed_test

import (
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
)

// TestTables holds the tables to what they say of themselves: a slip in typing a
// coordinate or a code shows here.
func TestTables(t *testing.T) {
	wards := map[string]devices.Ward{}
	for _, w := range seed.Wards() {
		if err := w.Validate(); err != nil {
			t.Errorf("%s: %v", w.Code, err)
		}
		if _, twice := wards[w.Code]; twice {
			t.Errorf("ward %s comes twice", w.Code)
		}
		if !w.ValidFrom.Equal(time.Date(2025, 6, 30, 17, 0, 0, 0, time.UTC)) {
			t.Errorf("%s is valid from %v", w.Code, w.ValidFrom)
		}
		wards[w.Code] = w
	}
	boxes := map[string]devices.Box{}
	for _, l := range seed.Localities() {
		boxes[string(l.ID)] = l.Box
		for _, m := range l.Wards {
			w, ok := wards[m.Ward]
			if !ok || !near(l.Box, w.Box) {
				t.Errorf("ward %s of %s: %v is not in %v", m.Ward, l.ID, w.Box, l.Box)
			}
		}
	}
	// The upstream wards' boxes are not known.
	assigned := map[string]bool{"22657": true, "22672": true}
	for _, s := range seed.Sites() {
		if err := s.Validate(devices.DefaultProvince()); err != nil {
			t.Errorf("%s: %v", s.ID, err)
		}
		if s.Position.Accuracy < 300 || s.NameEN == "" {
			t.Errorf("%s: %+v", s.ID, s)
		}
		if !assigned[s.Ward] && !wards[s.Ward].Box.Holds(s.Position) {
			t.Errorf("%s at %v is not in the box of its ward %s: %v", s.ID, s.Position, s.Ward, wards[s.Ward].Box)
		}
		if !assigned[s.Ward] && !boxes[string(s.Locality)].Holds(s.Position) {
			t.Errorf("%s is not in %s", s.ID, s.Locality)
		}
	}
}

// near reports whether a box lies in another, but for its rounding.
func near(outer, inner devices.Box) bool {
	const slack = 0.001
	return inner.West >= outer.West-slack && inner.South >= outer.South-slack && inner.East <= outer.East+slack && inner.North <= outer.North+slack
}
