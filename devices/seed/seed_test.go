package seed_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/devices/sqlstore"
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
	if len(wards) != 65 {
		t.Errorf("there are %d wards; the province has 65", len(wards))
	}
	// Upstream, in no locality's ward.
	upstream := map[string]bool{"22657": true, "22672": true}
	for _, s := range seed.Sites() {
		if err := s.Validate(devices.DefaultProvince()); err != nil {
			t.Errorf("%s: %v", s.ID, err)
		}
		if s.Position.Accuracy < 300 || s.NameEN == "" {
			t.Errorf("%s: %+v", s.ID, s)
		}
		if !wards[s.Ward].Box.Holds(s.Position) {
			t.Errorf("%s at %v is not in the box of its ward %s: %v", s.ID, s.Position, s.Ward, wards[s.Ward].Box)
		}
		if !upstream[s.Ward] && !boxes[string(s.Locality)].Holds(s.Position) {
			t.Errorf("%s is not in %s", s.ID, s.Locality)
		}
	}
}

// near reports whether a box lies in another, but for its rounding.
func near(outer, inner devices.Box) bool {
	const slack = 0.001
	return inner.West >= outer.West-slack && inner.South >= outer.South-slack && inner.East <= outer.East+slack && inner.North <= outer.North+slack
}

// TestOlderRegistry is a registry of before the 65 wards: it gets what it lacks,
// once, and what was edited there stays.
func TestOlderRegistry(t *testing.T) {
	st, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	r := devices.NewRegistry(st)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	old := map[string]devices.Ward{}
	for _, w := range seed.Wards()[:21] {
		old[w.Code] = w
	}
	for _, code := range []string{"22657", "22672"} { // known by name only
		old[code] = devices.Ward{Code: code, NameVI: "Xã", NameEN: "Commune", Form: devices.Xa, ValidFrom: seed.Since()}
	}
	for _, w := range old {
		if _, err := r.PutWard(t.Context(), devices.By{Who: "test", Scope: devices.Everywhere()}, w); err != nil {
			t.Fatal(err)
		}
	}
	edited := old["22366"]
	edited.NameEN, edited.Version = "Nha Trang Central Ward", 1
	if _, err := r.PutWard(t.Context(), devices.By{Who: "test", Scope: devices.Everywhere()}, edited); err != nil {
		t.Fatal(err)
	}
	if added, err := seed.Apply(t.Context(), r); err != nil || added.Wards != 42 {
		t.Fatalf("%d wards are added, %v; want 42", added.Wards, err)
	}
	wards, err := r.Wards(t.Context())
	if err != nil || len(wards) != 65 {
		t.Fatalf("have %d wards, %v", len(wards), err)
	}
	for _, w := range wards {
		switch {
		case w.Code == "22366" && w.NameEN != "Nha Trang Central Ward":
			t.Errorf("an edited ward is now %+v", w)
		case w.Code == "22672" && (w.NameVI != "Xã Diên Thọ" || !w.Box.Holds(devices.Position{Lat: 12.282, Lon: 109.007})):
			t.Errorf("Đồng Trăng's ward is %+v", w)
		}
	}
	if added, err := seed.Apply(t.Context(), r); err != nil || added != (seed.Applied{}) {
		t.Errorf("seeding again adds %+v, %v", added, err)
	}
}
