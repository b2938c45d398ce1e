package simulator

import "github.com/prometheus/client_golang/prometheus"

// Register shows a simulator's [Stats] as Prometheus metrics.
func (s *Simulator) Register(reg prometheus.Registerer) error { return reg.Register(newCollector(s)) }

// collector reads the stats once for each scrape.
type collector struct {
	sim     *Simulator
	numbers []number
	latency *prometheus.Desc
}

// number is one of the stats.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*Stats) float64
}

func newCollector(s *Simulator) *collector {
	c := &collector{sim: s, latency: prometheus.NewDesc("haidang_simulator_latency_seconds",
		"From when a message was due to its acknowledgement, since the start.", nil, nil)}
	add := func(kind prometheus.ValueType, name, help string, of func(*Stats) float64) {
		c.numbers = append(c.numbers, number{prometheus.NewDesc("haidang_simulator_"+name, help, nil, nil), kind, of})
	}
	add(prometheus.CounterValue, "planned_total", "Messages that were due.", func(s *Stats) float64 { return float64(s.Planned) })
	add(prometheus.CounterValue, "sent_total", "Messages sent.", func(s *Stats) float64 { return float64(s.Sent) })
	add(prometheus.CounterValue, "acknowledged_total", "Messages that the broker has confirmed.", func(s *Stats) float64 { return float64(s.Acknowledged) })
	add(prometheus.CounterValue, "late_total", "Messages sent more than a second after they were due.", func(s *Stats) float64 { return float64(s.Late) })
	add(prometheus.CounterValue, "resent_total", "Messages sent once more after a connection broke.", func(s *Stats) float64 { return float64(s.Resent) })
	add(prometheus.CounterValue, "failed_total", "Messages given up.", func(s *Stats) float64 { return float64(s.Failed) })
	add(prometheus.CounterValue, "withheld_total", "Messages not sent because their topic is not the device's.", func(s *Stats) float64 { return float64(s.Withheld) })
	add(prometheus.CounterValue, "reconnects_total", "Connections made after one broke.", func(s *Stats) float64 { return float64(s.Reconnects) })
	add(prometheus.GaugeValue, "connections", "Connections that are open.", func(s *Stats) float64 { return float64(s.Connected) })
	add(prometheus.GaugeValue, "connections_wanted", "Connections that should be open.", func(s *Stats) float64 { return float64(s.Connections) })
	if s.o.Fleet != nil {
		add(prometheus.GaugeValue, "scenario_timestamp_seconds", "Where on the scenario's time line sending is.",
			func(s *Stats) float64 { return float64(s.At.UnixMilli()) / 1000 })
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, n := range c.numbers {
		out <- n.desc
	}
	out <- c.latency
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	st := c.sim.Stats()
	for _, n := range c.numbers {
		out <- prometheus.MustNewConstMetric(n.desc, n.kind, n.of(&st))
	}
	l := st.Latency
	out <- prometheus.MustNewConstSummary(c.latency, l.Count, l.Mean*float64(l.Count)/1000,
		map[float64]float64{0.5: l.P50 / 1000, 0.9: l.P90 / 1000, 0.99: l.P99 / 1000, 0.999: l.P999 / 1000})
}
