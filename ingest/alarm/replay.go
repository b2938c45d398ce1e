package alarm

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"golang.org/x/sync/errgroup"

	"github.com/haidang-iot/haidang/ingest"
)

const (
	// replayLead is how long before the period a replay begins, so that what waits
	// and what is kept has settled at its start.
	replayLead = time.Hour
	// replayPart is for how long rules stay as they are: limits change with the day,
	// at midnight in Vietnam.
	replayPart = 24 * time.Hour
	// replayLeast is the least that a question is cut down to where a day of a rule
	// is more than the store answers at once.
	replayLeast = time.Hour
	// replayWorkers is how many questions are asked at once.
	replayWorkers = 2
)

// Replay evaluates rules over a past period of a store: which alarms there would
// have been, had each reading come when it was measured.
//
// Rules go through Prometheus' rules package step by step at their group's
// interval, as in an [Engine]; only the store is asked once for many steps. So
// memory is that of the answers for a day of [replayWorkers] rules.
type Replay struct {
	// Rules gives the Prometheus rule file that is in force at a moment; it is asked
	// for each part of the period.
	Rules func(ctx context.Context, at time.Time) ([]byte, error)
	Store *Remote
	// From and To bound when alarms of interest are active. To is not in it.
	From, To time.Time
	// Only chooses rules by name; nil is all.
	Only func(rule string) bool
	// Progress, if set, is told how many questions of how many are answered, from
	// one goroutine at a time.
	Progress func(done, total int)
}

// Run replays. The alarms are in the order in which they were raised; Cleared is
// zero where one is active at the end.
func (r *Replay) Run(ctx context.Context) ([]ingest.Alarm, error) {
	p := newReplaying(ctx)
	starts := replayStarts(r.From.Add(-replayLead), r.To)
	for i, from := range starts {
		to := r.To
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		text, err := r.Rules(ctx, from)
		if err != nil {
			return nil, fmt.Errorf("replay alarms: make rules: %w", err)
		}
		if err := p.load(text); err != nil {
			return nil, fmt.Errorf("replay alarms: %w", err)
		}
		if err := r.part(ctx, p, from, to, i, len(starts)); err != nil {
			return nil, fmt.Errorf("replay alarms: %w", err)
		}
	}
	out := slices.DeleteFunc(p.alarms(), func(a ingest.Alarm) bool { return !a.Active() && !a.Cleared.After(r.From) })
	slices.SortFunc(out, func(a, b ingest.Alarm) int {
		return cmp.Or(a.Raised.Compare(b.Raised), strings.Compare(a.Rule, b.Rule), strings.Compare(string(a.Site), string(b.Site)), strings.Compare(string(a.Device), string(b.Device)))
	})
	return out, nil
}

// part replays all rules over a part of the period, the n-th of some.
func (r *Replay) part(ctx context.Context, p *replaying, from, to time.Time, n, parts int) error {
	all := p.chosen(r.Only)
	p.endOthers(all, from)
	if len(all) == 0 {
		return nil
	}
	var mu sync.Mutex
	done := 0
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(replayWorkers)
	for _, one := range all {
		workers.Go(func() error {
			if err := one.run(ctx, r.Store, from, to); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if done++; r.Progress != nil {
				r.Progress(n*len(all)+done, parts*len(all))
			}
			return nil
		})
	}
	return workers.Wait()
}

// replayStarts are the starts of a period's parts: its own, and each midnight in
// Vietnam.
func replayStarts(from, to time.Time) (out []time.Time) {
	const east = 7 * time.Hour // Asia/Ho_Chi_Minh has no summer time
	for at := from; at.Before(to); at = at.Add(east).Truncate(replayPart).Add(replayPart - east) {
		out = append(out, at)
	}
	return out
}

// CheckRules tells the alerts of a Prometheus rule file, in its order, or what is
// wrong with it, before it is replayed.
func CheckRules(text []byte) (alerts []string, err error) {
	p := newReplaying(context.Background())
	if err := p.load(text); err != nil {
		return nil, err
	}
	file, errs := p.Load("", false, model.LegacyValidation)
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r.Alert)
			}
		}
	}
	return alerts, nil
}

// replaying are the rules in force with their state, and what they raised.
type replaying struct {
	parser  parser.Parser
	manager *rules.Manager
	text    []byte
	groups  map[string]*rules.Group
	// holdings are the rules' expressions by name.
	holdings map[string][]*holding
	// states are the rules' by name and, of one in several parts, by which part it is.
	states map[partOf]*replayed
	// words are what rules say of their alarms, by their names.
	words map[string]ingest.Alarm
}

// partOf is the n-th part of a rule.
type partOf struct {
	rule string
	n    int
}

func newReplaying(ctx context.Context) *replaying {
	p := &replaying{parser: parser.NewParser(parser.Options{}), states: map[partOf]*replayed{}, words: map[string]ingest.Alarm{}}
	p.manager = rules.NewManager(&rules.ManagerOptions{Context: ctx, Logger: slog.New(slog.DiscardHandler), GroupLoader: p, Parser: p.parser,
		Queryable: nothing{}, Appendable: nothing{}, NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, NameValidationScheme: model.LegacyValidation})
	return p
}

// load takes up the rules; those that stay the same go on.
func (p *replaying) load(text []byte) error {
	if p.groups != nil && bytes.Equal(text, p.text) {
		return nil
	}
	p.text = text
	groups, errs := p.manager.LoadGroups(Interval, labels.EmptyLabels(), "", nil, false, "haidang")
	if errs != nil {
		return fmt.Errorf("read rules: %w", errors.Join(errs...))
	}
	for key, g := range groups {
		if old := p.groups[key]; old != nil {
			g.CopyState(old)
		}
	}
	var err error
	if p.holdings, err = holdingsOf(p.parser, groups); err != nil {
		return err
	}
	p.groups = groups
	return nil
}

// Load implements [rules.GroupLoader]. Labels and annotations decide nothing, and
// to write them at every step is most of the work.
func (p *replaying) Load(string, bool, model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	groups, errs := rulefmt.Parse(p.text, false, model.LegacyValidation, p.parser, slog.New(slog.DiscardHandler))
	if errs != nil {
		return nil, errs
	}
	p.note(groups)
	for g := range groups.Groups {
		groups.Groups[g].Labels = nil
		for i := range groups.Groups[g].Rules {
			groups.Groups[g].Rules[i].Labels, groups.Groups[g].Rules[i].Annotations = nil, nil
		}
	}
	return groups, nil
}

// Parse implements [rules.GroupLoader].
func (p *replaying) Parse(query string) (parser.Expr, error) { return p.parser.ParseExpr(query) }

// chosen are the rules in force, but for those that only leaves out.
func (p *replaying) chosen(only func(string) bool) (out []*replayed) {
	parts := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(p.groups)) {
		for _, rule := range p.groups[key].AlertingRules() {
			if only == nil || only(rule.Name()) {
				out = append(out, p.of(rule, parts[rule.Name()], p.groups[key].Interval()))
				parts[rule.Name()]++
			}
		}
	}
	return out
}

// endOthers ends the alarms of rules that are no more in force.
func (p *replaying) endOthers(inForce []*replayed, now time.Time) {
	for _, s := range p.states {
		if !slices.Contains(inForce, s) {
			s.end(now, nil)
		}
	}
}

// of is a rule's state.
func (p *replaying) of(rule *rules.AlertingRule, n int, every time.Duration) *replayed {
	rule.SetRestored(false) // else it makes the samples of ALERTS, which nobody wants
	key := partOf{rule.Name(), n}
	s := p.states[key]
	if s == nil {
		s = &replayed{active: map[instance]*ingest.Alarm{}}
		p.states[key] = s
	}
	s.rule, s.every, s.parts, s.part, s.threshold = rule, every, p.holdings[rule.Name()], n, p.words[rule.Name()].Threshold
	return s
}

func (p *replaying) alarms() (out []ingest.Alarm) {
	for _, s := range p.states {
		out = append(out, s.ended...)
		for _, a := range s.active {
			out = append(out, *a)
		}
	}
	for i := range out {
		p.describe(&out[i])
	}
	return out
}

// replayed is one rule and what it raised. One goroutine has it at a time.
type replayed struct {
	rule  *rules.AlertingRule
	every time.Duration
	// parts are the expressions of all rules of its name, of which it is one.
	parts  []*holding
	part   int
	active map[instance]*ingest.Alarm
	ended  []ingest.Alarm
	// threshold is the limit as people read it: it says which value is worse.
	threshold string
}

// run replays the rule over a part.
func (s *replayed) run(ctx context.Context, store *Remote, from, to time.Time) error {
	first := from.Truncate(s.every)
	if first.Before(from) {
		first = first.Add(s.every)
	}
	if !first.Before(to) {
		return nil
	}
	at, err := store.steps(ctx, s.parts[s.part].crossed, first, to.Add(-time.Millisecond), s.every)
	if err != nil && to.Sub(from) > replayLeast && ctx.Err() == nil {
		half := from.Add(to.Sub(from) / 2)
		if err := s.run(ctx, store, from, half); err != nil {
			return err
		}
		return s.run(ctx, store, half, to)
	}
	if err != nil {
		return fmt.Errorf("evaluate rule %s: %w", s.rule.Name(), err)
	}
	kept := replayedHold{store: store, end: to, stays: map[instance]map[int64]bool{}}
	for now := first; now.Before(to); now = now.Add(s.every) {
		vector, err := s.hold(ctx, &kept, now, at[now.UnixMilli()])
		if err != nil {
			return fmt.Errorf("evaluate rule %s: %w", s.rule.Name(), err)
		}
		if len(vector) == 0 && s.rule.ActiveAlertsCount() == 0 {
			continue // nothing would happen
		}
		answer := func(context.Context, string, time.Time) (promql.Vector, error) { return vector, nil }
		if _, err := s.rule.Eval(ctx, 0, now, answer, &url.URL{}, 0); err != nil {
			return fmt.Errorf("evaluate rule %s: %w", s.rule.Name(), err)
		}
		s.watch(now)
	}
	return nil
}

// replayedHold is what the store has said of alarms that are held.
type replayedHold struct {
	store *Remote
	end   time.Time
	// stays are the steps, by Unix milliseconds, at which nothing contradicts an alarm.
	stays map[instance]map[int64]bool
}

// hold adds to what is crossed at a step the alarms that nothing contradicts there, as
// [Engine.answer] does; the store is asked once for all later steps.
func (s *replayed) hold(ctx context.Context, k *replayedHold, now time.Time, crossed promql.Vector) (promql.Vector, error) {
	maps.DeleteFunc(k.stays, func(key instance, _ map[int64]bool) bool { return s.active[key] == nil }) // raised anew it is another
	if s.parts[s.part].kept == "" || len(s.active) == 0 {
		return crossed, nil
	}
	found, value, raised := map[instance]bool{}, map[instance]float64{}, map[instance]time.Time{}
	for _, sample := range crossed {
		found[instanceOfSample(s.rule.Name(), sample.Metric)] = true
	}
	var held, unknown []instance
	for key, a := range s.active {
		if !a.Quiet.IsZero() || found[key] {
			continue
		}
		held, value[key], raised[key] = append(held, key), a.Value, a.Raised
		if k.stays[key] == nil {
			unknown = append(unknown, key)
		}
	}
	for _, part := range together(s.parts, unknown, raised, now) {
		if err := k.ask(ctx, s, part, now); err != nil {
			return nil, err
		}
	}
	for _, key := range held {
		if k.stays[key][now.UnixMilli()] {
			crossed = append(crossed, promql.Sample{T: now.UnixMilli(), F: value[key], Metric: key.labels()})
		}
	}
	return crossed, nil
}

// ask asks of some alarms at which steps from a moment on nothing contradicts them.
func (k *replayedHold) ask(ctx context.Context, s *replayed, held sameAge, from time.Time) error {
	counts := map[instance]map[int64]int{}
	asked := 0
	for _, h := range s.parts {
		if h.kept == "" {
			continue
		}
		asked++
		question, err := h.question(held.alarms, map[instance]float64{}, held.raised)
		if err != nil {
			return err
		}
		at, err := k.store.steps(ctx, question, from, k.end.Add(-time.Millisecond), s.every)
		if err != nil {
			return err
		}
		for step, vector := range at {
			for _, sample := range vector {
				key := instanceOfSample(s.rule.Name(), sample.Metric)
				if counts[key] == nil {
					counts[key] = map[int64]int{}
				}
				counts[key][step]++
			}
		}
	}
	for _, key := range held.alarms {
		k.stays[key] = map[int64]bool{}
		for step, n := range counts[key] {
			k.stays[key][step] = n == asked // no part of the rule contradicts it
		}
	}
	return nil
}

// watch takes note of what the rule raises and clears at a step.
func (s *replayed) watch(now time.Time) {
	firing := map[instance]bool{}
	s.rule.ForEachActiveAlert(func(alert *rules.Alert) {
		if alert.State != rules.StateFiring {
			return
		}
		l := alert.Labels
		key := instanceOfSample(s.rule.Name(), l)
		firing[key] = true
		if s.active[key] == nil {
			s.active[key] = &ingest.Alarm{Rule: key.rule, Locality: key.locality, Site: key.site, Device: key.device,
				Value: alert.Value, Worst: alert.Value, Threshold: s.threshold, Since: alert.ActiveAt.UTC(), Raised: alert.FiredAt.UTC()}
		}
		s.active[key].Value = alert.Value
		if a := s.active[key]; worse(*a, a) {
			a.Worst = a.Value
		}
		s.active[key].Quiet = alert.KeepFiringSince.UTC()
	})
	s.end(now, firing)
}

// end ends the alarms that are not firing any more.
func (s *replayed) end(now time.Time, firing map[instance]bool) {
	for key, a := range s.active {
		if !firing[key] {
			a.Cleared = now.UTC()
			s.ended = append(s.ended, *a)
			delete(s.active, key)
		}
	}
}
