package alarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// Interval is how often rules are evaluated that do not ask for less.
	Interval = time.Minute
	// Grace is for how long after a start alarms of an earlier run stay.
	Grace = 10 * time.Minute
	// outage is how long the process may have been away for what was pending to be
	// taken up again.
	outage = time.Hour
	// maxSamples bounds what one rule may hold in memory, at some 16 bytes each.
	maxSamples = 20_000_000
	// queryTimeout bounds one rule.
	queryTimeout = 20 * time.Second
	// clearedTold is for how long the Alertmanager is told of an alarm's end.
	clearedTold = 15 * time.Minute
)

// Store is what rules are evaluated over, and where ALERTS is written.
type Store interface {
	storage.Queryable
	storage.Appendable
}

// Options say what is evaluated, over what, and who is told.
type Options struct {
	// Rules gives the Prometheus rule file that is in force at a moment; it is
	// asked before every round, so that a change of limits or sites takes effect.
	Rules func(now time.Time) ([]byte, error)
	// Store or Remote answers the rules' queries; neither does where others evaluate the
	// rules and only findings are alarms here.
	Store  Store
	Remote *Remote
	// Findings are alarms without a rule; nil has none.
	Findings *ingest.Findings
	// Alarms keeps what was raised.
	Alarms ingest.Alarms
	// Settle is what acknowledging an alarm of something that has happened settles, a
	// loss; nil is nothing.
	Settle func(ctx context.Context, rule string, about telemetry.Device) ([]ingest.Settlement, error)
	// Gone reports whether no device measures a kind at a site any more, or the site is
	// no more: its alarms end, which no reading could. nil knows of none.
	Gone func(telemetry.Site, telemetry.Kind) bool
	// Alertmanager and Webhook are told; nil is nobody.
	Alertmanager *Alertmanager
	Webhook      *Webhook
	// Changed is told of alarms that were raised, cleared or acknowledged; it must
	// not wait.
	Changed    func([]ingest.Alarm)
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Engine evaluates rules and keeps alarms. Evaluate must not run twice at one
// time; all else may.
type Engine struct {
	o       Options
	parser  parser.Parser
	engine  *promql.Engine
	manager *rules.Manager
	metrics *metrics

	began  time.Time
	text   []byte // of the rules in force
	groups map[string]*rules.Group
	last   map[string]time.Time // when each group was evaluated
	// query asks the store; holdings are the rules' expressions by name, shares those
	// whose value is told in percent, kinds what they are about.
	query    rules.QueryFunc
	holdings map[string][]*holding
	shares   map[string]bool
	kinds    map[string]telemetry.Kind
	newest   map[string][]string // expressions of the newest readings, by rule
	failed   int                 // rounds in a row in which no rule could be

	mu      sync.Mutex
	active  map[instance]*ingest.Alarm
	earlier map[instance]bool // of an earlier run, not seen since
	cleared []ingest.Alarm    // of the last clearedTold
}

// Open makes an engine and takes up the alarms of an earlier run.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Store != nil && o.Remote != nil || (o.Rules == nil) != (o.Store == nil && o.Remote == nil) {
		return nil, errors.New("open alarms: either a store or a remote one must answer the rules")
	}
	if o.Findings == nil {
		o.Findings = ingest.NewFindings(time.Now)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func([]ingest.Alarm) {}
	}
	p := parser.NewParser(parser.Options{})
	e := &Engine{o: o, parser: p, began: o.Now(), last: map[string]time.Time{}, active: map[instance]*ingest.Alarm{}, earlier: map[instance]bool{}}
	e.metrics = newMetrics(o.Registerer, e)
	m := &rules.ManagerOptions{Context: context.WithoutCancel(ctx), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger: o.Logger, GroupLoader: e, Parser: p, OutageTolerance: outage, NameValidationScheme: model.LegacyValidation}
	if o.Store != nil {
		e.engine = promql.NewEngine(promql.EngineOpts{Logger: o.Logger, MaxSamples: maxSamples, Timeout: queryTimeout, EnableAtModifier: true, EnableNegativeOffset: true, Parser: p})
		e.query, m.Queryable, m.Appendable = rules.EngineQueryFunc(e.engine, o.Store), o.Store, o.Store
	} else if o.Remote != nil {
		e.query, m.Queryable, m.Appendable = o.Remote.query, nothing{}, nothing{}
	}
	m.QueryFunc = func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
		return e.answer(ctx, rules.FromOriginContext(ctx).Name, expr, at)
	}
	e.manager = rules.NewManager(m)
	open, err := o.Alarms.Alarms(ctx, ingest.AlarmFilter{Active: true})
	if err != nil {
		return nil, fmt.Errorf("open alarms: %w", err)
	}
	for i := range open {
		key := instanceOf(open[i])
		e.active[key] = &open[i]
		if e.earlier[key] = !open[i].Lasting; open[i].Lasting && open[i].Acknowledged.IsZero() {
			o.Findings.Restore(findingOf(open[i]))
		}
	}
	return e, nil
}

// Close ends the query engine.
func (e *Engine) Close() error {
	if e.engine == nil {
		return nil
	}
	return e.engine.Close()
}

// Run evaluates once a minute, and when a finding has changed, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	var last string
	for {
		err := e.Evaluate(ctx, e.o.Now())
		if ctx.Err() != nil {
			return nil
		}
		// What lasts is logged once.
		if text := fmt.Sprint(err); err != nil && text != last {
			e.o.Logger.Error("cannot evaluate all alarms; trying again every minute", "error", err)
			last = text
		} else if err == nil {
			last = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-e.o.Findings.Changed():
		}
	}
}

// Evaluate evaluates the rules that are due at a moment and keeps what they
// raise and clear. The error says what could not be evaluated or kept; the next
// round tries it again.
func (e *Engine) Evaluate(ctx context.Context, now time.Time) error {
	err := e.load(now)
	var failures []error
	good, seen := 0, map[string]bool{}
	for key, g := range e.groups {
		// A tenth early is not early: clocks tick unevenly.
		if at, before := e.last[key]; before && now.Sub(at) < g.Interval()-Interval/10 {
			continue
		}
		first := e.last[key].IsZero()
		g.Eval(ctx, now)
		if first && e.o.Store != nil {
			g.RestoreForState(now)
		}
		e.last[key] = now
		for _, r := range g.AlertingRules() {
			e.metrics.evaluations.Inc()
			if r.Health() != rules.HealthBad {
				good++
				continue
			}
			e.metrics.failures.Inc()
			text := r.LastError().Error()
			if !seen[text] { // most fail for one cause
				seen[text] = true
				failures = append(failures, fmt.Errorf("evaluate rule %s: %w", r.Name(), r.LastError()))
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case good > 0:
		e.failed = 0
	case len(failures) > 0:
		e.failed++
	}
	late, stale := e.overdue(ctx, now)
	return errors.Join(err, errors.Join(failures...), stale, e.watch(ctx, now, late, errors.Join(failures...)))
}

// load makes the groups anew if the rules have changed; those that stay the same
// go on.
func (e *Engine) load(now time.Time) error {
	if e.o.Rules == nil {
		return nil
	}
	text, err := e.o.Rules(now)
	if err != nil {
		return fmt.Errorf("make rules: %w", err)
	}
	if e.groups != nil && bytes.Equal(text, e.text) {
		return nil
	}
	before := e.text
	e.text = text
	groups, errs := e.manager.LoadGroups(Interval, labels.EmptyLabels(), "", nil, false, "haidang")
	if errs != nil {
		e.text = before
		return fmt.Errorf("read rules: %w", errors.Join(errs...))
	}
	for key, g := range groups {
		old := e.groups[key]
		if old == nil {
			continue
		}
		g.CopyState(old)
		for _, r := range g.AlertingRules() {
			r.SetRestored(true) // there is nothing to restore: it has been there all the time
		}
	}
	for key := range e.last {
		if groups[key] == nil {
			delete(e.last, key)
		}
	}
	holdings, err := holdingsOf(e.parser, groups)
	if err != nil {
		e.text = before
		return err
	}
	e.groups, e.holdings, e.shares, e.newest = groups, holdings, map[string]bool{}, map[string][]string{}
	e.kinds = map[string]telemetry.Kind{}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		for _, r := range groups[key].AlertingRules() {
			e.kinds[r.Name()] = telemetry.Kind(r.Labels().Get("kind"))
			e.shares[r.Name()] = r.Annotations().Get("share") == "true"
			if text := r.Annotations().Get("newest"); text != "" {
				e.newest[r.Name()] = append(e.newest[r.Name()], text)
			}
		}
	}
	return nil
}

// holdingsOf are the expressions of rules by name.
func holdingsOf(p parser.Parser, groups map[string]*rules.Group) (map[string][]*holding, error) {
	out := map[string][]*holding{}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		for _, r := range groups[key].AlertingRules() {
			h, err := newHolding(p, r.Query().String())
			if err != nil {
				return nil, fmt.Errorf("read rule %s: %w", r.Name(), err)
			}
			out[r.Name()] = append(out[r.Name()], h)
		}
	}
	return out, nil
}

// Load implements [rules.GroupLoader].
func (e *Engine) Load(string, bool, model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return rulefmt.Parse(e.text, false, model.LegacyValidation, e.parser, e.o.Logger)
}

// Parse implements [rules.GroupLoader].
func (e *Engine) Parse(query string) (parser.Expr, error) { return e.parser.ParseExpr(query) }

// Firing are the active alarms, the gravest first.
func (e *Engine) Firing() []ingest.Alarm {
	e.mu.Lock()
	out := make([]ingest.Alarm, 0, len(e.active))
	for _, a := range e.active {
		out = append(out, *a)
	}
	e.mu.Unlock()
	slices.SortFunc(out, graver)
	return out
}

// Acknowledge writes down who has seen to an alarm, with what that settles, and tells
// the others.
func (e *Engine) Acknowledge(ctx context.Context, id int64, who, note string) (ingest.Alarm, error) {
	settle, err := e.settling(ctx, id)
	if err != nil {
		return ingest.Alarm{}, err
	}
	a, err := e.o.Alarms.Acknowledge(ctx, id, who, note, e.o.Now(), e.o.Webhook != nil, settle)
	if err != nil {
		return a, err
	}
	e.mu.Lock()
	for _, open := range e.active {
		if open.ID == id {
			open.AcknowledgedBy, open.Acknowledged, open.Note = a.AcknowledgedBy, a.Acknowledged, a.Note
			a.Value, a.Worst = open.Value, open.Worst
		}
	}
	e.mu.Unlock()
	if f := findingOf(a); a.Lasting {
		e.o.Findings.Acknowledged(f.Rule, f.Locality, f.Device, a.Acknowledged)
	}
	e.tell([]ingest.Alarm{a})
	return a, nil
}

// settling is what acknowledging an alarm settles.
func (e *Engine) settling(ctx context.Context, id int64) ([]ingest.Settlement, error) {
	found, err := e.o.Alarms.Alarms(ctx, ingest.AlarmFilter{ID: id})
	if err != nil || len(found) == 0 || !found[0].Lasting || e.o.Settle == nil {
		return nil, err
	}
	f := findingOf(found[0])
	return e.o.Settle(ctx, f.Rule, f.Device)
}

// tell tells the console, and the webhook that there is something to tell.
func (e *Engine) tell(alarms []ingest.Alarm) {
	if len(alarms) == 0 {
		return
	}
	e.o.Changed(alarms)
	if e.o.Webhook != nil {
		e.o.Webhook.look()
	}
}
