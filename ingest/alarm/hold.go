package alarm

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// mostHeld is how many held alarms are asked about in one question, so that it stays
// within what a store takes.
const mostHeld = 40

// holding is a rule's expression of the form
//
//	crossed or ((max by (locality, site) (ALERTS{…}) * Inf) unless on (locality, site) observed) and on () hours
//
// which keeps an alert firing for as long as nothing observed contradicts it. In a
// Prometheus of one's own ALERTS is a series; here the alarms that are kept stand in
// for it, so that they outlive a restart and keep their value. An expression of
// another form is evaluated as it stands: absence ends its alerts.
type holding struct {
	parser parser.Parser
	// expr is all of it, crossed and kept what is before and after its "or"; kept is
	// empty if it holds nothing.
	expr, crossed, kept string
	// sites are the matchers of the sites it is about; none is all.
	sites []*labels.Matcher
	// bySite says that what is observed is told apart by site.
	bySite bool
	// reach is how old the oldest window is that may end an alarm.
	reach time.Duration
}

// newHolding splits an expression.
func newHolding(p parser.Parser, expr string) (*holding, error) {
	parsed, err := p.ParseExpr(expr)
	if err != nil {
		return nil, fmt.Errorf("read expression: %w", err)
	}
	h := &holding{parser: p, expr: expr, crossed: expr}
	top, ok := parsed.(*parser.BinaryExpr)
	if !ok || top.Op != parser.LOR {
		return h, nil
	}
	unless := unlessObserved(top.RHS)
	if unless == nil {
		return h, nil
	}
	h.crossed, h.kept = top.LHS.String(), top.RHS.String()
	h.bySite = unless.VectorMatching.On && slices.Contains(unless.VectorMatching.MatchingLabels, "site")
	for _, v := range selectors(unless.RHS) {
		if v.Name == "ALERTS" {
			h.reach = max(h.reach, v.OriginalOffset)
			continue
		}
		if h.bySite && h.sites == nil {
			h.sites = slices.DeleteFunc(slices.Clone(v.LabelMatchers), func(m *labels.Matcher) bool { return m.Name != "site" })
		}
	}
	return h, nil
}

// unlessObserved finds "ALERTS unless …" in what is after the "or"; nil if it is not
// there.
func unlessObserved(e parser.Expr) *parser.BinaryExpr {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return unlessObserved(e.Expr)
	case *parser.BinaryExpr:
		alerts := func(v *parser.VectorSelector) bool { return v.Name == "ALERTS" }
		switch {
		case e.Op == parser.LAND:
			return unlessObserved(e.LHS)
		case e.Op == parser.LUNLESS && slices.ContainsFunc(selectors(e.LHS), alerts):
			return e
		}
	}
	return nil
}

func selectors(e parser.Expr) (out []*parser.VectorSelector) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			out = append(out, v)
		}
		return nil
	})
	return out
}

// about reports whether it looks at the site at all.
func (h *holding) about(site telemetry.Site) bool {
	for _, m := range h.sites {
		if !m.Matches(string(site)) {
			return false
		}
	}
	return true
}

// question is what answers with those of the held that nothing contradicts; raised is
// since when the last of them is active.
func (h *holding) question(held []instance, value map[instance]float64, raised time.Time) (string, error) {
	parsed, err := h.parser.ParseExpr(h.kept)
	if err != nil {
		return "", fmt.Errorf("read expression: %w", err)
	}
	unless, text := unlessObserved(parsed), ""
	for i, key := range held {
		if i > 0 {
			text += " or "
		}
		one := "vector(" + strconv.FormatFloat(value[key], 'g', -1, 64) + ")"
		for _, l := range [][2]string{{"locality", string(key.locality)}, {"site", string(key.site)}, {"device", string(key.device)}} {
			if l[1] != "" {
				one = fmt.Sprintf(`label_replace(%s, %q, %q, "", "")`, one, l[0], l[1])
			}
		}
		text += one
	}
	if unless.LHS, err = h.parser.ParseExpr("(" + text + ")"); err != nil {
		return "", fmt.Errorf("write what is held: %w", err)
	}
	if err := h.firing(unless.RHS, raised); err != nil {
		return "", err
	}
	if h.bySite {
		if err := onlySites(unless.RHS, held); err != nil {
			return "", err
		}
	}
	return parsed.String(), nil
}

// firing has every "and on (…) ALERTS offset d" of an expression ask for the time
// instead, at which alarms raised at a moment have been active for so long.
func (h *holding) firing(e parser.Expr, raised time.Time) error {
	var failed error
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		and, ok := n.(*parser.BinaryExpr)
		if !ok || and.Op != parser.LAND {
			return nil
		}
		if alerts, ok := and.RHS.(*parser.VectorSelector); ok && alerts.Name == "ALERTS" {
			and.VectorMatching.On, and.VectorMatching.MatchingLabels = true, nil
			text := fmt.Sprintf("(vector(time()) >= %d)", raised.Add(alerts.OriginalOffset).Unix())
			and.RHS, failed = h.parser.ParseExpr(text)
		}
		return failed
	})
	if failed != nil {
		return fmt.Errorf("write since when it is held: %w", failed)
	}
	return nil
}

// together are the alarms that can be asked about in one question: those raised at one
// moment, and all that are older than any window that is looked at.
func together(parts []*holding, held []instance, raised map[instance]time.Time, now time.Time) (out []sameAge) {
	var reach time.Duration
	for _, h := range parts {
		reach = max(reach, h.reach)
	}
	sorted := slices.SortedStableFunc(slices.Values(held), func(a, b instance) int { return raised[a].Compare(raised[b]) })
	for _, key := range sorted {
		at, n := raised[key], len(out)
		if n > 0 && len(out[n-1].alarms) < mostHeld && (at.Equal(out[n-1].raised) || !at.Add(reach).After(now)) {
			out[n-1].alarms, out[n-1].raised = append(out[n-1].alarms, key), at
			continue
		}
		out = append(out, sameAge{at, []instance{key}})
	}
	return out
}

// sameAge are alarms, and when the last of them was raised.
type sameAge struct {
	raised time.Time
	alarms []instance
}

// onlySites narrows an expression to the sites of some alarms.
func onlySites(e parser.Expr, alarms []instance) error {
	sites := map[telemetry.Site]bool{}
	for _, key := range alarms {
		sites[key.site] = true
	}
	pattern := ""
	for i, site := range slices.Sorted(maps.Keys(sites)) {
		if i > 0 {
			pattern += "|"
		}
		pattern += regexp.QuoteMeta(string(site))
	}
	only, err := labels.NewMatcher(labels.MatchRegexp, "site", pattern)
	if err != nil {
		return fmt.Errorf("narrow to sites: %w", err)
	}
	for _, v := range selectors(e) {
		v.LabelMatchers = append(v.LabelMatchers, only)
	}
	return nil
}

// instanceOfSample is whose alarm a sample of a rule is.
func instanceOfSample(rule string, l labels.Labels) instance {
	return instance{rule, telemetry.Locality(l.Get("locality")), telemetry.Site(l.Get("site")), telemetry.Device(l.Get("device"))}
}

// labels are those of a sample that is the alarm's.
func (i instance) labels() labels.Labels {
	return labels.NewBuilder(labels.EmptyLabels()).Set("locality", string(i.locality)).Set("site", string(i.site)).Set("device", string(i.device)).Labels()
}

// answer implements [rules.QueryFunc] for one rule: what is crossed, and what is held
// because nothing says otherwise.
func (e *Engine) answer(ctx context.Context, rule, expr string, at time.Time) (promql.Vector, error) {
	all := e.holdings[rule]
	i := slices.IndexFunc(all, func(h *holding) bool { return h.expr == expr })
	if i < 0 {
		return e.query(ctx, expr, at) // a template's
	}
	crossed, err := e.query(ctx, all[i].crossed, at)
	if err != nil {
		return nil, err
	}
	crossed = slices.DeleteFunc(crossed, func(s promql.Sample) bool { return e.gone(instanceOfSample(rule, s.Metric)) })
	held, value, raised := e.held(rule, all, i, crossed)
	for _, age := range together(all, held, raised, at) {
		part := age.alarms
		kept := promql.Vector{}
		// Of a rule in several parts, what any of them observes counts.
		for _, h := range all {
			if kept, err = e.kept(ctx, h, sameAge{age.raised, part}, value, at); err != nil {
				return nil, err
			}
			still := part[:0:0]
			for _, s := range kept {
				still = append(still, instanceOfSample(rule, s.Metric))
			}
			if part = still; len(part) == 0 {
				break
			}
		}
		crossed = append(crossed, kept...)
	}
	return crossed, nil
}

// kept are those of the held that a part of the rule does not contradict.
func (e *Engine) kept(ctx context.Context, h *holding, held sameAge, value map[instance]float64, at time.Time) (promql.Vector, error) {
	if h.kept == "" {
		return nil, nil
	}
	question, err := h.question(held.alarms, value, held.raised)
	if err != nil {
		return nil, err
	}
	return e.query(ctx, question, at)
}

// held are the active alarms of a rule that are not among what its i-th part finds
// crossed, with their values and since when they are; each is the matter of one part. What is quiet has been
// contradicted already.
func (e *Engine) held(rule string, all []*holding, i int, crossed promql.Vector) ([]instance, map[instance]float64, map[instance]time.Time) {
	found := map[instance]bool{}
	for _, s := range crossed {
		found[instanceOfSample(rule, s.Metric)] = true
	}
	e.mu.Lock()
	open := map[instance]ingest.Alarm{}
	for key, a := range e.active {
		if key.rule == rule && a.Quiet.IsZero() && !found[key] {
			open[key] = *a
		}
	}
	e.mu.Unlock()
	value, raised := map[instance]float64{}, map[instance]time.Time{}
	for key, a := range open {
		first := slices.IndexFunc(all, func(h *holding) bool { return h.kept != "" && h.about(key.site) })
		if first != i || e.gone(key) {
			continue
		}
		value[key], raised[key] = a.Value, a.Raised
		if e.shares[rule] {
			value[key] /= 100
		}
	}
	return slices.SortedFunc(maps.Keys(value), instance.compare), value, raised
}

// gone reports whether nobody is left at the site of an alarm who could say that it is
// over.
func (e *Engine) gone(key instance) bool {
	return e.o.Gone != nil && key.site != "" && key.site != telemetry.PlatformSite && e.o.Gone(key.site, e.kinds[key.rule])
}
