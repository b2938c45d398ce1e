package alarm

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// percent is the unit of a share: its rule compares a part of 1.
const percent = "%"

// note keeps what rules say of their alarms, whatever is measured.
func (p *replaying) note(groups *rulefmt.RuleGroups) {
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			a := r.Annotations
			w := ingest.Alarm{Severity: r.Labels["severity"], Kind: telemetry.Kind(r.Labels["kind"]), Metric: telemetry.Metric(r.Labels["metric"]),
				Threshold: a["threshold"], Unit: a["unit"], SummaryVI: cmp.Or(a["summary_vi"], r.Alert), SummaryEN: cmp.Or(a["summary_en"], r.Alert),
				RunbookVI: a["runbook_vi"], RunbookEN: a["runbook_en"], Reference: a["reference"], Basis: a["basis"]}
			if a["share"] == "true" {
				w.Unit = percent
			}
			p.words[r.Alert] = w
		}
	}
}

// describe adds to an alarm what its rule says.
func (p *replaying) describe(a *ingest.Alarm) {
	w := p.words[a.Rule]
	a.Severity, a.Kind, a.Metric, a.Threshold, a.Unit = w.Severity, w.Kind, w.Metric, w.Threshold, w.Unit
	a.SummaryVI, a.SummaryEN, a.RunbookVI, a.RunbookEN, a.Reference, a.Basis = w.SummaryVI, w.SummaryEN, w.RunbookVI, w.RunbookEN, w.Reference, w.Basis
	if w.Unit == percent {
		a.Value, a.Worst = 100*a.Value, 100*a.Worst
	}
}

// Has reports whether the store has a reading of a site between two moments; names is
// a regular expression of series that are none.
func (r *Remote) Has(ctx context.Context, from, to time.Time, names string) (bool, error) {
	form := url.Values{"match[]": {fmt.Sprintf(`{site!="",__name__!~%q}`, names)}, "start": {seconds(from)}, "end": {seconds(to)}, "limit": {"1"}}
	var found []map[string]string
	if err := r.get(ctx, "/api/v1/series", form, &found); err != nil {
		return false, err
	}
	return len(found) > 0, nil
}
