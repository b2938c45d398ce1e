package ingest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// openAdmission admits every device of a known locality and gives it a site of
// the same name, up to a number of devices: each admitted device makes series,
// and series cost memory for as long as the store keeps them.
type openAdmission struct {
	// Limit is the number of devices admitted since the start.
	Limit int

	localities map[telemetry.Locality]bool
	mu         sync.Mutex
	sites      map[telemetry.Device]telemetry.Site
}

// newOpenAdmission admits devices of these localities.
func newOpenAdmission(localities []telemetry.Locality, limit int) *openAdmission {
	a := &openAdmission{Limit: limit, localities: map[telemetry.Locality]bool{}, sites: map[telemetry.Device]telemetry.Site{}}
	for _, l := range localities {
		a.localities[l] = true
	}
	return a
}

// Locality implements ingest.Admission.
func (a *openAdmission) Locality(l telemetry.Locality) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.localities[l] {
		return telemetry.Problem{Reason: telemetry.UnknownLocality, Detail: fmt.Sprintf("there is no locality %q; the configuration has %s", l, a.names())}
	}
	return nil
}

// Localities implements ingest.Admission.
func (a *openAdmission) Localities() []telemetry.Locality {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.localities))
}

// Stands implements ingest.Admission: it knows of nobody.
func (a *openAdmission) Stands(telemetry.Device) (telemetry.Locality, telemetry.Kind) { return "", "" }

// found adds a locality.
func (a *openAdmission) found(l telemetry.Locality) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.localities[l] = true
}

// Admit implements ingest.Admission.
func (a *openAdmission) Admit(locality telemetry.Locality, _ telemetry.Kind, device telemetry.Device, _ time.Time) (telemetry.Site, error) {
	if err := a.Locality(locality); err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if site, ok := a.sites[device]; ok {
		return site, nil
	}
	if len(a.sites) >= a.Limit {
		return "", telemetry.Problem{Reason: telemetry.Unregistered,
			Detail: fmt.Sprintf("device %q is new and %d devices are admitted already: raise --admit-limit and re-drive", device, a.Limit)}
	}
	// The strings are parts of a message's topic: copied, lest they hold it.
	device = telemetry.Device(strings.Clone(string(device)))
	a.sites[device] = telemetry.Site(device)
	return telemetry.Site(device), nil
}

func (a *openAdmission) names() string {
	var names []string
	for _, l := range slices.Sorted(maps.Keys(a.localities)) {
		names = append(names, string(l))
	}
	return strings.Join(names, ", ")
}
