package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the counters and histograms of gateways and loader. What the
// ledger counts is not here: [LedgerCollector] reads it from the ledger, so that
// it survives restarts.
type Metrics struct {
	connected     *prometheus.GaugeVec
	received      *prometheus.CounterVec
	receivedBytes *prometheus.CounterVec
	repeated      *prometheus.CounterVec
	inFlight      *prometheus.GaugeVec
	brokerDropped *prometheus.CounterVec
	recordSize    prometheus.Histogram
	appendSeconds prometheus.Histogram
	appendErrors  *prometheus.CounterVec

	batchMessages prometheus.Histogram
	writeSeconds  prometheus.Histogram
	writeErrors   prometheus.Counter
	storeUp       prometheus.Gauge
	delay         prometheus.Histogram
	loadDelay     prometheus.Histogram
	problems      *prometheus.CounterVec
	values        prometheus.Counter
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		connected:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "haidang_gateway_connected", Help: "1 while the gateway is connected to its broker and all its subscriptions are granted."}, []string{"gateway"}),
		received:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_gateway_publishes_total", Help: "MQTT PUBLISH packets delivered to the gateway since it started, whether or not they are in the journal yet."}, []string{"gateway"}),
		receivedBytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_gateway_payload_bytes_total", Help: "Payload bytes delivered to the gateway since it started."}, []string{"gateway"}),
		repeated:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_gateway_repeated_total", Help: "Messages the broker sent once more while they were waiting for the journal."}, []string{"gateway"}),
		inFlight:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "haidang_gateway_in_flight", Help: "Messages delivered to the gateway and not yet acknowledged to the broker."}, []string{"gateway"}),
		brokerDropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_gateway_broker_dropped_total", Help: "Messages that the gateway's broker, if it is another program that tells, says to have dropped: for all its clients, and what it had dropped when it was first asked included."}, []string{"gateway"}),
		recordSize:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "haidang_gateway_record_messages", Help: "Messages gathered into one journal record.", Buckets: prometheus.ExponentialBuckets(1, 4, 7)}),
		appendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "haidang_journal_append_seconds", Help: "Time until the journal confirmed a record.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9)}),
		appendErrors:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_journal_append_errors_total", Help: "Appends that failed and were repeated."}, []string{"gateway"}),
		batchMessages: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "haidang_loader_batch_messages", Help: "Messages in one batch of the loader.", Buckets: prometheus.ExponentialBuckets(1, 4, 8)}),
		writeSeconds:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "haidang_store_write_seconds", Help: "Time of one write to the store, failed ones included.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}),
		writeErrors:   prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_store_write_errors_total", Help: "Writes to the store that failed and were repeated."}),
		storeUp:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "haidang_store_up", Help: "1 while the last write to the store succeeded."}),
		delay:         prometheus.NewHistogram(prometheus.HistogramOpts{Name: "haidang_event_to_queryable_seconds", Help: "Time from a reading's event time to its being queryable; readings that bring no time count from when they were received.", Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}}),
		loadDelay:     prometheus.NewHistogram(prometheus.HistogramOpts{Name: "haidang_received_to_queryable_seconds", Help: "Time from a reading's receipt by its gateway to its being queryable.", Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}}),
		problems:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "haidang_loader_problems_total", Help: "Things found wrong with messages or fields of them since the loader started."}, []string{"reason"}),
		values:        prometheus.NewCounter(prometheus.CounterOpts{Name: "haidang_store_values_total", Help: "Values written to the store since the loader started."}),
	}
	reg.MustRegister(m.connected, m.received, m.receivedBytes, m.repeated, m.inFlight, m.brokerDropped, m.recordSize, m.appendSeconds, m.appendErrors,
		m.batchMessages, m.writeSeconds, m.writeErrors, m.storeUp, m.delay, m.loadDelay, m.problems, m.values)
	m.storeUp.Set(1)
	return m
}

// begin shows a gateway's counters from 0, or an alert on their rate would miss
// the first event.
func (m *Metrics) begin(gateway string) {
	m.connected.WithLabelValues(gateway)
	m.inFlight.WithLabelValues(gateway)
	for _, c := range []*prometheus.CounterVec{m.received, m.receivedBytes, m.repeated, m.appendErrors, m.brokerDropped} {
		c.WithLabelValues(gateway)
	}
}
