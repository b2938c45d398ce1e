package alarm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/rules"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// EvaluationRule is the alarm that is raised when rules cannot be evaluated.
const EvaluationRule = "alarm-evaluation"

// roundsFailed is after how many rounds without an answer it is raised.
const roundsFailed = 3

// instance tells alarms of one rule apart.
type instance struct {
	rule     string
	locality telemetry.Locality
	site     telemetry.Site
	device   telemetry.Device
}

func (i instance) compare(j instance) int {
	return cmp.Or(strings.Compare(i.rule, j.rule), strings.Compare(string(i.locality), string(j.locality)), strings.Compare(string(i.site), string(j.site)), strings.Compare(string(i.device), string(j.device)))
}

func instanceOf(a ingest.Alarm) instance { return instance{a.Rule, a.Locality, a.Site, a.Device} }

// seen is what the rules say now.
type seen struct {
	firing map[instance]ingest.Alarm
	// kept are those that must not be cleared: pending again after a restart, or
	// of a rule that could not be evaluated.
	kept     map[instance]bool
	doubtful map[string]bool // rules
	// keeps is for how long alarms of a rule stay on after their cause.
	keeps map[string]time.Duration
}

// look reads the rules' alerts.
func (e *Engine) look() seen {
	s := seen{map[instance]ingest.Alarm{}, map[instance]bool{}, map[string]bool{}, map[string]time.Duration{}}
	for _, g := range e.groups {
		for _, r := range g.AlertingRules() {
			s.keeps[r.Name()] = r.KeepFiringFor()
			if r.Health() == rules.HealthBad {
				s.doubtful[r.Name()] = true
			}
			for _, alert := range r.ActiveAlerts() {
				a := alarmOf(r, alert)
				switch alert.State {
				case rules.StateFiring:
					s.firing[instanceOf(a)] = a
				case rules.StatePending:
					s.kept[instanceOf(a)] = true
				}
			}
		}
	}
	return s
}

// alarmOf is an alert as people are told of it.
func alarmOf(r *rules.AlertingRule, alert *rules.Alert) ingest.Alarm {
	l, a := alert.Labels, alert.Annotations
	value := alert.Value
	if a.Get("share") == "true" { // told in percent, as its limit and unit are
		value *= 100
	}
	return ingest.Alarm{
		Rule: r.Name(), Severity: l.Get("severity"), Kind: telemetry.Kind(l.Get("kind")), Metric: telemetry.Metric(l.Get("metric")),
		Locality: telemetry.Locality(l.Get("locality")), Site: telemetry.Site(l.Get("site")), Device: telemetry.Device(l.Get("device")),
		Value: value, Worst: value, Threshold: a.Get("threshold"), Unit: a.Get("unit"),
		SummaryVI: a.Get("summary_vi"), SummaryEN: a.Get("summary_en"), DescriptionVI: a.Get("description_vi"), DescriptionEN: a.Get("description_en"),
		RunbookVI: a.Get("runbook_vi"), RunbookEN: a.Get("runbook_en"), Reference: a.Get("reference"), Basis: a.Get("basis"),
		Since: alert.ActiveAt.UTC(), Raised: alert.FiredAt.UTC(), Quiet: alert.KeepFiringSince.UTC(),
	}
}

// watch keeps what has been raised and cleared and tells of it. What could not be
// kept is tried again in the next round.
func (e *Engine) watch(ctx context.Context, now time.Time, late map[instance]time.Time, cause error) error {
	s := e.look()
	if e.failed >= roundsFailed {
		a := evaluationAlarm(now, cause)
		s.firing[instanceOf(a)] = a
	}
	for _, f := range e.o.Findings.List() {
		a := alarmOfFinding(f)
		s.firing[instanceOf(a)] = a
	}
	changed, raised, cleared := e.compare(s, late, now)
	if err := e.o.Alarms.KeepAlarms(ctx, changed, e.o.Webhook != nil); err != nil {
		return fmt.Errorf("keep alarms: %w", err)
	}
	e.mu.Lock()
	for _, a := range raised {
		e.active[instanceOf(*a)] = a
	}
	for _, a := range changed {
		key := instanceOf(*a)
		if !a.Active() {
			if open := e.active[key]; open != nil && open.ID == a.ID { // else another of its kind has followed
				delete(e.active, key)
			}
			delete(e.earlier, key)
			continue
		}
		if e.active[key] != nil && e.active[key].ID == a.ID {
			// Who acknowledged it meanwhile stays.
			open := e.active[key]
			open.Value, open.Worst, open.DescriptionVI, open.DescriptionEN, open.Quiet, open.Stale = a.Value, a.Worst, a.DescriptionVI, a.DescriptionEN, a.Quiet, a.Stale
			open.Lasting, open.NotReady = a.Lasting, a.NotReady
		}
	}
	e.cleared = slices.DeleteFunc(append(e.cleared, copies(cleared)...), func(a ingest.Alarm) bool { return now.Sub(a.Cleared) > clearedTold })
	ended := slices.Clone(e.cleared)
	e.mu.Unlock()
	e.tell(copies(slices.Concat(raised, cleared)))
	if e.o.Alertmanager != nil {
		e.o.Alertmanager.send(now, e.Firing(), ended)
	}
	return nil
}

// compare finds what is to be written: changed holds raised and cleared too. They
// are copies, so that nothing has happened if they cannot be kept.
func (e *Engine) compare(s seen, late map[instance]time.Time, now time.Time) (changed, raised, cleared []*ingest.Alarm) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, a := range s.firing {
		open := e.active[key]
		if open == nil {
			raised = append(raised, &a)
			continue
		}
		delete(e.earlier, key)
		next := *open
		if open.Lasting && !open.Acknowledged.IsZero() { // it has happened again
			next.Cleared = now.UTC()
			cleared, raised = append(cleared, &next), append(raised, &a)
			continue
		}
		next.Lasting, next.NotReady = a.Lasting, a.NotReady
		next.Value, next.DescriptionVI, next.DescriptionEN, next.Quiet = a.Value, a.DescriptionVI, a.DescriptionEN, a.Quiet
		if worse(a, open) {
			next.Worst = a.Value
		}
		if at, told := late[key]; told {
			next.Stale = at
		}
		if next != *open {
			changed = append(changed, &next)
		}
	}
	for key, open := range e.active {
		if _, firing := s.firing[key]; firing || s.kept[key] || s.doubtful[key.rule] || e.earlier[key] && now.Before(e.stays(open, s.keeps[key.rule])) {
			continue
		}
		if key.rule == EvaluationRule && e.failed > 0 {
			continue
		}
		next := *open
		next.Cleared = now.UTC()
		cleared = append(cleared, &next)
	}
	// The order of a map is none; that of the alarms is by gravity.
	slices.SortFunc(raised, func(a, b *ingest.Alarm) int { return graver(*b, *a) })
	return append(append(changed, raised...), cleared...), raised, cleared
}

// stays is until when an alarm of an earlier run stays that the rules know nothing of
// yet. What was quiet already is kept on for the rest of its rule's while.
func (e *Engine) stays(a *ingest.Alarm, keep time.Duration) time.Time {
	if a.Quiet.IsZero() {
		return e.began.Add(max(Grace, keep))
	}
	return a.Quiet.Add(keep)
}

// worse reports whether an alarm's value is further beyond the limit than any
// before.
func worse(a ingest.Alarm, open *ingest.Alarm) bool {
	if strings.HasPrefix(a.Threshold, "<") {
		return a.Value < open.Worst
	}
	return a.Value > open.Worst
}

// graver sorts by severity, then the newest first.
func graver(a, b ingest.Alarm) int {
	return cmp.Or(severity(b.Severity)-severity(a.Severity), b.Raised.Compare(a.Raised), strings.Compare(string(a.Site), string(b.Site)), strings.Compare(a.Rule, b.Rule))
}

// severity counts the severities from 1, the least.
func severity(name string) int { return slices.Index(severities(), name) + 1 }

func severities() []string { return []string{"watch", "warning", "danger", "extreme"} }

func copies(alarms []*ingest.Alarm) []ingest.Alarm {
	out := make([]ingest.Alarm, 0, len(alarms))
	for _, a := range alarms {
		out = append(out, *a)
	}
	return out
}

func evaluationAlarm(now time.Time, cause error) ingest.Alarm {
	text := ""
	if cause != nil {
		text = ": " + cause.Error()
		text = text[:min(len(text), 500)]
	}
	return ingest.Alarm{
		Rule: EvaluationRule, Severity: "danger", Kind: telemetry.Platform, Locality: telemetry.Locality(telemetry.PlatformSite), Site: telemetry.PlatformSite,
		Device: telemetry.ComputedBy, Basis: "operational", Reference: "Hải Đăng", Since: now.UTC(), Raised: now.UTC(),
		SummaryVI: "Không đánh giá được cảnh báo", SummaryEN: "Alarms cannot be evaluated",
		DescriptionVI: "Kho dữ liệu không trả lời các quy tắc cảnh báo" + text, DescriptionEN: "The store does not answer the alert rules" + text,
		RunbookVI: "Kiểm tra kho dữ liệu; trong lúc này không có cảnh báo mới.", RunbookEN: "Check the store; until then no new alarm is raised.",
	}
}
