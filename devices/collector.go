package devices

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// PresenceCollector shows as metrics how many devices are heard as expected. It
// judges when it is asked.
type PresenceCollector struct {
	now                        func() Silences
	devices, online, incidents *prometheus.Desc
}

// NewPresenceCollector makes a collector of what now says.
func NewPresenceCollector(now func() Silences) *PresenceCollector {
	return &PresenceCollector{now: now,
		devices:   prometheus.NewDesc("haidang_devices", "Devices that stand somewhere, by locality and presence: fresh, waiting, late, silent or muted.", []string{"locality", "presence"}, nil),
		online:    prometheus.NewDesc("haidang_devices_online_without_readings", "Devices that are in contact and send no readings in time: their presence is waiting, late or silent.", []string{"locality"}, nil),
		incidents: prometheus.NewDesc("haidang_silence_incident_devices", "Silent devices behind a gateway of which so many are silent that it is one incident; absent where there is none.", []string{"gateway"}, nil),
	}
}

// Describe implements [prometheus.Collector].
func (c *PresenceCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.devices
	ch <- c.online
	ch <- c.incidents
}

// Collect implements [prometheus.Collector]. Every locality with devices has all
// presences, so that a count that falls to 0 is shown as 0.
func (c *PresenceCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.now()
	counts, online := map[telemetry.Locality]map[Presence]int{}, map[telemetry.Locality]int{}
	for _, d := range s.Devices {
		if counts[d.Locality] == nil {
			counts[d.Locality] = map[Presence]int{}
		}
		counts[d.Locality][d.State]++
		if d.Online && d.State.rank() >= Waiting.rank() {
			online[d.Locality]++
		}
	}
	for locality, n := range counts {
		ch <- prometheus.MustNewConstMetric(c.online, prometheus.GaugeValue, float64(online[locality]), string(locality))
		for _, p := range []Presence{Fresh, Waiting, Late, Silent, Muted} {
			ch <- prometheus.MustNewConstMetric(c.devices, prometheus.GaugeValue, float64(n[p]), string(locality), string(p))
		}
	}
	for _, i := range s.Incidents {
		ch <- prometheus.MustNewConstMetric(c.incidents, prometheus.GaugeValue, float64(len(i.Devices)), i.Gateway)
	}
}
