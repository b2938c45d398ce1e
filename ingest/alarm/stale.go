package alarm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// overdue tells of the active alarms since when there is no reading, by the rules'
// annotation "newest": when each site's newest reading was measured, and as the label
// grace how old it may be. Zero is that there is one; an alarm that is left out stays
// as it is.
func (e *Engine) overdue(ctx context.Context, now time.Time) (map[instance]time.Time, error) {
	e.mu.Lock()
	active := map[string][]instance{}
	since := map[instance]time.Time{}
	for key, a := range e.active {
		if len(e.newest[key.rule]) > 0 {
			active[key.rule] = append(active[key.rule], key)
			since[key] = a.Raised // where nothing is known of any reading
			if !a.Stale.IsZero() {
				since[key] = a.Stale
			}
		}
	}
	e.mu.Unlock()
	out := map[instance]time.Time{}
	var failures []error
	for _, rule := range slices.Sorted(maps.Keys(active)) {
		slices.SortFunc(active[rule], instance.compare)
		for part := range slices.Chunk(active[rule], mostHeld) {
			newest, fresh, err := e.newestOf(ctx, rule, part, now)
			if err != nil {
				failures = append(failures, fmt.Errorf("find the newest readings of rule %s: %w", rule, err))
				continue
			}
			for _, key := range part {
				switch at, known := newest[key.site]; {
				case fresh[key.site]:
					out[key] = time.Time{}
				case known:
					out[key] = at
				default:
					out[key] = since[key]
				}
			}
		}
	}
	return out, errors.Join(failures...)
}

// newestOf is when the newest reading of the sites of some alarms of a rule was
// measured, and at which it is not overdue.
func (e *Engine) newestOf(ctx context.Context, rule string, alarms []instance, now time.Time) (map[telemetry.Site]time.Time, map[telemetry.Site]bool, error) {
	newest, fresh := map[telemetry.Site]time.Time{}, map[telemetry.Site]bool{}
	for _, text := range e.newest[rule] {
		parsed, err := e.parser.ParseExpr(text)
		if err != nil {
			return nil, nil, err
		}
		if err := onlySites(parsed, alarms); err != nil {
			return nil, nil, err
		}
		vector, err := e.query(ctx, parsed.String(), now)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range vector {
			grace, err := strconv.Atoi(s.Metric.Get("grace"))
			if err != nil {
				return nil, nil, fmt.Errorf("read label grace: %w", err)
			}
			site, at := telemetry.Site(s.Metric.Get("site")), time.UnixMilli(int64(s.F*1000)).UTC()
			if at.After(newest[site]) {
				newest[site] = at
			}
			if now.Sub(at) <= time.Duration(grace)*time.Second {
				fresh[site] = true
			}
		}
	}
	return newest, fresh, nil
}
