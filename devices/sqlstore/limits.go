package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// limitRow is a limit with its years as databases count.
type limitRow struct {
	devices.Limit
	year int64
}

func limitRows() table[limitRow] {
	return table[limitRow]{"site_limit", strings.Fields("id site device code kind metric statistic span threshold below strict severity name_vi name_en year " +
		"datum basis reference reference_en valid_from valid_to version updated removed"),
		func(l *limitRow) []any {
			return []any{&l.ID, textOf(&l.Site), textOf(&l.Device), &l.Code, textOf(&l.Kind), textOf(&l.Metric), named[limits.Statistic]{&l.Statistic}, span{&l.Window},
				&l.Value, &l.Below, &l.Strict, named[limits.Severity]{&l.Severity}, &l.NameVI, &l.NameEN, &l.year, &l.Datum, named[limits.Basis]{&l.Basis},
				&l.Reference, &l.ReferenceEN, moment{&l.Since}, moment{&l.Until}, &l.Version, moment{&l.Updated}, moment{&l.Removed}}
		}}
}

// limit is the row as the registry knows it.
func (r limitRow) limit() devices.Limit {
	l := r.Limit
	l.Year = int(r.year)
	return l
}

// Limit implements [devices.Reader].
func (t *transaction) Limit(ctx context.Context, id int64) (devices.Limit, error) {
	row, err := t.limits.one(ctx, t, devices.EntityLimit, id)
	if err == nil && !row.Removed.IsZero() {
		err = devices.Missing(devices.EntityLimit, fmt.Sprint(id))
	}
	if err != nil {
		return devices.Limit{}, err
	}
	return row.limit(), nil
}

// Limits implements [devices.Reader].
func (t *transaction) Limits(ctx context.Context, f devices.LimitFilter) ([]devices.Limit, error) {
	var rows []limitRow
	var err error
	if f.Site != "" {
		rows, err = t.limits.grouped(ctx, t, t.limitsBySite, string(f.Site))
		slices.SortFunc(rows, func(a, b limitRow) int { return int(a.ID - b.ID) })
	} else {
		rows, err = t.limits.all(ctx, t, "ORDER BY id")
	}
	var out []devices.Limit
	for _, r := range rows {
		if l := r.limit(); f.Selects(l) {
			out = append(out, l)
		}
	}
	return out, err
}

// PutLimit implements [devices.Tx].
func (t *transaction) PutLimit(ctx context.Context, l devices.Limit) (_ devices.Limit, err error) {
	if l.Version == 1 {
		if l.ID, err = t.next(ctx, "site_limit", "id"); err != nil {
			return l, err
		}
		t.limits.fresh(l.ID)
	}
	return l, t.limits.put(ctx, t, limitRow{l, int64(l.Year)}, l.Version, func(l *limitRow) int64 { return l.Version })
}
