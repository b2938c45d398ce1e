package alarm

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the engine tells of itself.
type metrics struct {
	evaluations, failures prometheus.Counter
}

func newMetrics(r prometheus.Registerer, e *Engine) *metrics {
	m := &metrics{
		evaluations: prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_alarm_evaluations_total", Help: "Evaluations of alert rules."}),
		failures:    prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_alarm_evaluation_failures_total", Help: "Evaluations of alert rules that failed."}),
	}
	if r != nil {
		r.MustRegister(m.evaluations, m.failures, firing{e})
	}
	return m
}

// firing counts the active alarms when asked.
type firing struct{ engine *Engine }

func firingDesc() *prometheus.Desc {
	return prometheus.NewDesc("haidang_alarms_firing", "Active alarms by severity; acknowledged ones count too.", []string{"severity"}, nil)
}

// Describe implements [prometheus.Collector].
func (firing) Describe(ch chan<- *prometheus.Desc) { ch <- firingDesc() }

// Collect implements [prometheus.Collector].
func (f firing) Collect(ch chan<- prometheus.Metric) {
	count := map[string]int{}
	for _, a := range f.engine.Firing() {
		count[a.Severity]++
	}
	for _, s := range severities() {
		ch <- prometheus.MustNewConstMetric(firingDesc(), prometheus.GaugeValue, float64(count[s]), s)
	}
}
