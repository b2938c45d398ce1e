package simulation_test

import (
	"testing"

	"github.com/haidang-iot/haidang/devices/seed"
	"github.com/haidang-iot/haidang/simulator/city"
)

// The simulator's places are those that a new registry knows: neither package may
// see the other's table, so it is compared here.
func TestSimulatedPlacesAreTheRegistrys(t *testing.T) {
	known := map[string]city.Place{}
	for _, p := range city.Places() {
		known[string(p.Site)] = p
	}
	for _, s := range seed.Sites() {
		p, ok := known[string(s.ID)]
		if !ok {
			t.Errorf("the simulator has no place %s", s.ID)
			continue
		}
		if p.Name != s.Name || p.Locality != s.Locality || p.Ward != s.Ward || p.Lat != s.Position.Lat || p.Lon != s.Position.Lon {
			t.Errorf("the simulator has %+v; the registry has %q %s %s %v %v", p, s.Name, s.Locality, s.Ward, s.Position.Lat, s.Position.Lon)
		}
		delete(known, string(s.ID))
	}
	for id := range known {
		t.Errorf("the registry has no place %s", id)
	}
}
