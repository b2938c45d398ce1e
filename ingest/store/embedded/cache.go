package embedded

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// seriesCache remembers where the TSDB keeps the series, so that a point costs
// one look-up and builds no labels. It has two generations: what is used moves
// to the young one; when that is full it becomes the old one, and what was not
// used for a whole generation is forgotten. So it is bounded, and what is used
// stays.
type seriesCache struct {
	young, old map[telemetry.Series]*place
	limit      int // of each generation
}

// place is what is remembered of one telemetry series.
type place struct {
	series telemetry.Series
	// cells are indexed as the kind's metrics are.
	cells []cell
}

// cell is one metric's reference in the TSDB. The name is kept beside it because
// an index means something only within its catalogue.
type cell struct {
	metric telemetry.Metric
	ref    storage.SeriesRef
}

// maxIndex bounds how many cells a place may grow to.
const maxIndex = 255

func newSeriesCache(limit int) *seriesCache {
	return &seriesCache{young: map[telemetry.Series]*place{}, limit: max(1, limit/2)}
}

// find returns the series' place; nil if it is not known.
func (c *seriesCache) find(s telemetry.Series) *place {
	if p := c.young[s]; p != nil {
		return p
	}
	p := c.old[s]
	if p != nil {
		c.add(p)
	}
	return p
}

// make adds a place for the series.
func (c *seriesCache) make(s telemetry.Series) *place {
	p := &place{series: s.Clone()}
	c.add(p)
	return p
}

func (c *seriesCache) add(p *place) {
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[telemetry.Series]*place, c.limit/4)
	}
	c.young[p.series] = p
}

// ref returns the metric's reference; 0 if it is not known.
func (p *place) ref(m *telemetry.MetricSpec) storage.SeriesRef {
	if uint(m.Index) < uint(len(p.cells)) && p.cells[m.Index].metric == m.Name {
		return p.cells[m.Index].ref
	}
	return 0
}

// remember keeps the metric's reference.
func (p *place) remember(m *telemetry.MetricSpec, ref storage.SeriesRef) {
	if m.Index < 0 || m.Index > maxIndex {
		return
	}
	if m.Index >= len(p.cells) {
		cells := make([]cell, m.Index+1)
		copy(cells, p.cells)
		p.cells = cells
	}
	p.cells[m.Index] = cell{metric: m.Name, ref: ref}
}

// labels are the series' labels in the TSDB, in their order.
func (p *place) labels(m telemetry.Metric) labels.Labels {
	return labels.FromStrings(
		model.MetricNameLabel, metricName(p.series.Kind, m),
		"device", string(p.series.Device),
		"locality", string(p.series.Locality),
		"site", string(p.series.Site),
	)
}

// metricName is how PromQL calls a kind's metric.
func metricName(k telemetry.Kind, m telemetry.Metric) string {
	return string(k) + "_" + string(m)
}
