package embedded

import (
	"errors"
	"slices"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/annotations"
)

// lateLabels are the labels of samples from mint to maxt that came late and are
// in no block yet. The TSDB (v0.315.0) finds such samples but not their labels:
// its head has labels only from its first timely sample on (headIndexReader,
// LabelValues). After a replay of the past a board's variables would be empty
// until the next compaction.
type lateLabels struct {
	db         *tsdb.DB
	mint, maxt int64
}

// with is what ask has of q, and of the head's first moment if q needs that too:
// the head has one index for all its series, so these may be labels of series that
// have nothing between mint and maxt. A block's answer is no nearer.
func (l lateLabels) with(q storage.LabelQuerier, ask func(storage.LabelQuerier) ([]string, annotations.Annotations, error)) (found []string, warnings annotations.Annotations, err error) {
	found, warnings, err = ask(q)
	head := l.db.Head()
	first := head.MinTime()
	if err != nil || l.maxt >= first || l.maxt < head.MinOOOTime() || l.mint > head.MaxOOOTime() {
		return found, warnings, err
	}
	timely, err := l.db.Querier(first, first)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, timely.Close()) }()
	more, also, err := ask(timely)
	if err != nil {
		return nil, nil, err
	}
	all := slices.Concat(found, more)
	slices.Sort(all)
	return slices.Compact(all), warnings.Merge(also), nil
}
