package door

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the door's own; what it has in common with gateways is in ingest.Metrics
// under the name door.
type metrics struct {
	messages *prometheus.CounterVec
	byQoS    [3]prometheus.Counter
	refused  *prometheus.CounterVec
	slowed   *prometheus.CounterVec
	unread   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, d *Door) *metrics {
	m := &metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_door_messages_total", Help: "Messages taken since the process began, by MQTT's QoS; those of HTTP are not among them."}, []string{"qos"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_door_refusals_total", Help: "What was not allowed, by what was tried and MQTT 5's reason code for it."}, []string{"kind", "code"}),
		slowed:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_door_slowed_seconds_total", Help: "Time that clients were made to wait by a limit, by the limit."}, []string{"limit"}),
		unread:   prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_door_unread_total", Help: "Connections that were ended because their client did not read."}),
	}
	for i, l := range []string{"0", "1", "2"} {
		m.byQoS[i] = m.messages.WithLabelValues(l)
	}
	if reg == nil {
		return m
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	reg.MustRegister(m.messages, m.refused, m.slowed, m.unread,
		gauge("haidang_door_connections", "MQTT clients that are connected.", func() float64 { n, _ := d.clients.counts(); return float64(n) }),
		gauge("haidang_door_half_open", "Connections that have not said yet who they are.", func() float64 { _, n := d.clients.counts(); return float64(n) }),
		gauge("haidang_door_waiting_bytes", "Bytes of messages that wait for the journal.", func() float64 { return float64(d.held.Load()) }))
	return m
}
