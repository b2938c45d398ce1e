package embedded

import (
	"context"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// metadataRequest marks the context of a request for metadata.
type metadataRequest struct{}

// targets is where the API looks for metadata: at its scrape targets. We scrape
// nothing, so for this one question, and for no other, there is a target that
// tells the catalogue.
func (s *Store) targets() func(context.Context) v1.TargetRetriever {
	target := scrape.NewTarget(labels.EmptyLabels(), &config.ScrapeConfig{}, nil, nil)
	target.SetMetadataStore(newCatalogueMetadata(s.options.Catalogue))
	told := catalogueTarget{target: target}
	return func(ctx context.Context) v1.TargetRetriever {
		if ctx.Value(metadataRequest{}) != nil {
			return told
		}
		return nowhere{}
	}
}

type catalogueTarget struct {
	nowhere
	target *scrape.Target
}

func (c catalogueTarget) TargetsActive() map[string][]*scrape.Target {
	return map[string][]*scrape.Target{"catalogue": {c.target}}
}

// catalogueMetadata is the catalogue as Prometheus words it.
type catalogueMetadata map[string]scrape.MetricMetadata

var _ scrape.MetricMetadataStore = catalogueMetadata{}

func newCatalogueMetadata(c *telemetry.Catalogue) catalogueMetadata {
	all := catalogueMetadata{}
	for _, k := range slices.Concat(c.Kinds(), c.Computed()) {
		for _, m := range k.Metrics {
			name := metricName(k.Kind, m.Name)
			typ := model.MetricTypeGauge
			if m.Form == telemetry.Counter {
				typ = model.MetricTypeCounter
			}
			help := k.NameEN + ": " + m.NameEN + " (" + k.NameVI + ": " + m.NameVI + ")"
			if m.Unit != "" {
				help += ", " + m.Unit
			}
			all[name] = scrape.MetricMetadata{MetricFamily: name, Type: typ, Help: help, Unit: m.Unit}
		}
	}
	return all
}

// ListMetadata implements [scrape.MetricMetadataStore].
func (c catalogueMetadata) ListMetadata() []scrape.MetricMetadata {
	list := make([]scrape.MetricMetadata, 0, len(c))
	for _, m := range c {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b scrape.MetricMetadata) int { return strings.Compare(a.MetricFamily, b.MetricFamily) })
	return list
}

// GetMetadata implements [scrape.MetricMetadataStore].
func (c catalogueMetadata) GetMetadata(name string) (scrape.MetricMetadata, bool) {
	m, ok := c[name]
	return m, ok
}

// SizeMetadata implements [scrape.MetricMetadataStore].
func (c catalogueMetadata) SizeMetadata() int {
	size := 0
	for _, m := range c {
		size += len(m.MetricFamily) + len(m.Type) + len(m.Help) + len(m.Unit)
	}
	return size
}

// LengthMetadata implements [scrape.MetricMetadataStore].
func (c catalogueMetadata) LengthMetadata() int { return len(c) }
