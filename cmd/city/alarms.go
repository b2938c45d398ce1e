package city

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/dashboards/rules"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
	"github.com/haidang-iot/haidang/ingest/api"
	"github.com/haidang-iot/haidang/ingest/figures"
	"github.com/haidang-iot/haidang/ingest/telemetry"
	"github.com/haidang-iot/haidang/ingest/telemetry/limits"
)

// alarmFlags say who is told of alarms.
type alarmFlags struct {
	Alertmanager []string `env:"HAIDANG_ALERTMANAGER" help:"Alertmanager that is told of alarms, http://HOST:9093; several times for several. A user and password go into the address." placeholder:"URL"`
	AlarmWebhook string   `env:"HAIDANG_ALARM_WEBHOOK" help:"Where each alarm is posted as JSON when it is raised, cleared and acknowledged; signed with HAIDANG_ALARM_WEBHOOK_SECRET." placeholder:"URL"`
}

// webhookSecretName is the variable that holds the webhook's secret.
const webhookSecretName = "HAIDANG_ALARM_WEBHOOK_SECRET"

func (f alarmFlags) check() error {
	if f.AlarmWebhook == "" {
		return nil
	}
	u, err := url.Parse(f.AlarmWebhook)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("--alarm-webhook is no URL: give it like https://ioc.example.vn/alarms")
	}
	secret := os.Getenv(webhookSecretName)
	switch {
	case len(secret) < minShared:
		return fmt.Errorf("%s has %d characters, and anybody could send alarms in our name: give at least %d, such as: openssl rand -base64 24", webhookSecretName, len(secret), minShared)
	case u.Scheme != "https" && !terminal.ThisMachine(u.Hostname()):
		return fmt.Errorf("--alarm-webhook %s is not encrypted: give an https:// address", terminal.Redact(f.AlarmWebhook))
	}
	return nil
}

// alarms is the city's alarms: rules from the limits, the registry's areas and the
// day, evaluated in this process.
type alarms struct {
	engine       *alarm.Engine
	alertmanager *alarm.Alertmanager
	webhook      *alarm.Webhook
	rules        *currentRules
}

// openAlarms makes the alarms and serves them. Where InfluxDB is the store rules are
// evaluated by Grafana, and this process keeps only what it finds wrong with itself.
func (c *city) openAlarms(ctx context.Context, f loadFlags, g *guarded) (*alarms, error) {
	a := &alarms{}
	rest := api.Alarms{History: g.ledger, Evaluated: "grafana", Rules: rulesAt{g.registry.Registry, g.registry.cadences}.file, Now: time.Now, Guard: scoped{g.control}}
	o := alarm.Options{Store: g.evaluated, Findings: c.findings, Alarms: g.ledger, Now: time.Now, Logger: c.log, Registerer: c.reg, Settle: g.audit.Settling}
	if f.Store == "influx" && f.Query == "promql" {
		o.Remote = &alarm.Remote{URL: f.InfluxURL, Token: f.InfluxToken, Client: &http.Client{Timeout: 30 * time.Second}}
		if f.QueryURL != "" {
			o.Remote.URL = f.QueryURL
		}
	}
	var err error
	if o.Store != nil || o.Remote != nil {
		a.rules = newCurrentRules(g.registry.Registry, g.registry.cadences, c.log)
		o.Rules, o.Gone, rest.Evaluated = a.rules.at, a.rules.gone, "here"
	} else {
		c.log.Info("alarms of readings are not evaluated here: InfluxDB's are Grafana's, where `haidang dashboards push --query influxql` puts the rules; for VictoriaMetrics add --query promql")
		if len(f.Alertmanager) > 0 || f.AlarmWebhook != "" {
			c.log.Warn("--alertmanager and --alarm-webhook are told only what is wrong with Hải Đăng itself: alarms of readings are Grafana's, so set its contact points")
		}
	}
	if len(f.Alertmanager) > 0 {
		if a.alertmanager, err = alarm.NewAlertmanager(f.Alertmanager, c.srv.url()+"/alarms", c.log, c.reg); err != nil {
			return nil, fmt.Errorf("--alertmanager: %w", err)
		}
	}
	if f.AlarmWebhook != "" {
		if a.webhook, err = alarm.NewWebhook(f.AlarmWebhook, []byte(os.Getenv(webhookSecretName)), g.ledger, c.log); err != nil {
			return nil, fmt.Errorf("--alarm-webhook: %w", err)
		}
	}
	o.Alertmanager, o.Webhook = a.alertmanager, a.webhook
	o.Changed = func(changed []ingest.Alarm) {
		for _, one := range changed {
			g.registry.live.Alarm(one.Locality, one.Site, one)
		}
	}
	if a.engine, err = alarm.Open(ctx, o); err != nil {
		return nil, err
	}
	c.open.opened("alarms", a.engine.Close)
	rest.Engine = acknowledging{a.engine, g.control}
	rest.Register(c.srv.api)
	return a, nil
}

// Firing are the active alarms, the gravest first.
func (a *alarms) Firing() []ingest.Alarm { return a.engine.Firing() }

// sites are those with an alarm. A silent site has a state of its own.
func (a *alarms) sites() map[telemetry.Site]bool {
	out := map[telemetry.Site]bool{}
	for _, f := range a.Firing() {
		if f.Site != "" && f.Kind != telemetry.SiteState {
			out[f.Site] = true
		}
	}
	return out
}

// figures are the active alarms as they stand in the store, for boards.
func (a *alarms) figures() []figures.Alarm {
	var out []figures.Alarm
	for _, f := range a.Firing() {
		out = append(out, figures.Alarm{Rule: f.Rule, Locality: f.Locality, Site: f.Site, Severity: int(severityOf(f.Severity))})
	}
	return out
}

// severityOf is the severity of a name; the gravest if it is none, so that nothing is
// played down.
func severityOf(name string) (s limits.Severity) {
	if err := s.UnmarshalText([]byte(name)); err != nil {
		return limits.Extreme
	}
	return s
}

// run adds what alarms consist of to the process: who is told before who tells, to
// end after it.
func (a *alarms) run(parts *actors) {
	if a.alertmanager != nil {
		parts.add("Alertmanager", a.alertmanager.Run)
	}
	if a.webhook != nil {
		parts.add("alarm webhook", a.webhook.Run)
	}
	parts.add("alarms", a.engine.Run)
}

// acknowledging writes acknowledgements into the journal of who did what, too.
type acknowledging struct {
	*alarm.Engine
	control *access.Control
}

// Acknowledge acknowledges an alarm. That the journal could not be written does not
// undo it: who and when stand with the alarm.
func (a acknowledging) Acknowledge(ctx context.Context, id int64, who, note string) (ingest.Alarm, error) {
	done, err := a.Engine.Acknowledge(ctx, id, who, note)
	if err != nil {
		return done, err
	}
	return done, a.control.Acknowledged(ctx, who, done.Rule+" "+string(done.Site), note)
}

// areasAge is after how long the registry is asked again although it told of no
// change.
const areasAge = 10 * time.Minute

// currentRules makes the rules of a moment from the registry's sites and their
// limits.
type currentRules struct {
	registry *devices.Registry
	cadences func() []rules.Cadence
	log      *slog.Logger

	mu    sync.Mutex
	known rules.Options // without a moment
	// stand are the kinds that devices measure at each site.
	stand map[telemetry.Site]map[telemetry.Kind]bool
	read  time.Time // zero: something has changed since
	reads int       // of known
	made  rendered
}

// rendered are rules that hold until something changes: to make them costs time and
// memory with each site and each device that keeps a pace of its own.
type rendered struct {
	text     []byte
	read     int // which reading of the registry they are made from
	cadences []rules.Cadence
	// from and until bound when the same limits are in force; until is zero if for ever.
	from, until time.Time
}

// holds reports whether they are those of a moment.
func (r *rendered) holds(now time.Time, read int, cadences []rules.Cadence) bool {
	return r.text != nil && r.read == read && !now.Before(r.from) && (r.until.IsZero() || now.Before(r.until)) && slices.Equal(r.cadences, cadences)
}

// nextChange is when other limits of a table come into force or leave it; zero is never.
func nextChange(table []limits.Limit, now time.Time) (next time.Time) {
	for _, l := range table {
		for _, t := range []time.Time{l.Since, l.Until} {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}

func newCurrentRules(r *devices.Registry, cadences func() []rules.Cadence, log *slog.Logger) *currentRules {
	c := &currentRules{registry: r, cadences: cadences, log: log}
	r.Subscribe(func(devices.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.read = time.Time{}
	})
	return c
}

// at renders the rules of a moment. While the registry cannot be read, what it said
// before counts.
func (c *currentRules) at(now time.Time) ([]byte, error) {
	c.mu.Lock()
	known, old := c.known, now.Sub(c.read) > areasAge
	if old {
		c.read = now // what changes while it is read is read again
	}
	c.mu.Unlock()
	if old {
		fresh, err := rulesOf(context.Background(), c.registry)
		if err != nil && known.Limits == nil {
			return nil, err
		}
		c.mu.Lock()
		if err != nil {
			c.read = time.Time{}
			c.log.Warn("cannot read limits and areas of sites; alarms go on with those of before", "error", err)
		} else {
			known, c.known, c.stand = fresh, fresh, standing(c.registry)
			c.reads++
		}
		c.mu.Unlock()
	}
	cadences := c.cadences()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made.holds(now, c.reads, cadences) {
		return c.made.text, nil
	}
	known.At, known.Cadences = now, cadences
	text, err := rules.Prometheus(rules.All(known), "vi")
	if err == nil {
		c.made = rendered{text, c.reads, cadences, now, nextChange(known.Limits, now)}
	}
	return text, err
}

// gone reports whether no device measures a kind at a site any more.
func (c *currentRules) gone(site telemetry.Site, kind telemetry.Kind) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stand == nil {
		return false
	}
	switch kinds := c.stand[site]; kind {
	case telemetry.SiteState:
		return len(kinds) == 0
	case telemetry.AirQualityIndex:
		return !kinds[telemetry.AirQuality]
	default:
		return !kinds[kind]
	}
}

// standing are the kinds that devices measure at each site now.
func standing(r *devices.Registry) map[telemetry.Site]map[telemetry.Kind]bool {
	out := map[telemetry.Site]map[telemetry.Kind]bool{}
	for _, e := range r.Snapshot().Expectations() {
		if out[e.Site] == nil {
			out[e.Site] = map[telemetry.Kind]bool{}
		}
		for _, k := range e.Kinds {
			out[e.Site][k] = true
		}
	}
	return out
}

// rulesAt makes the rules that hold at any moment, with the sites and limits of now.
type rulesAt struct {
	registry *devices.Registry
	cadences func() []rules.Cadence
}

func (r rulesAt) file(ctx context.Context, at time.Time) ([]byte, error) {
	o, err := rulesOf(ctx, r.registry)
	if err != nil {
		return nil, err
	}
	o.At, o.Cadences = at, r.cadences()
	return rules.Prometheus(rules.All(o), "vi")
}

// rulesOf asks the registry what rules are made from: which sites are of which use,
// and which limits sites have of their own.
func rulesOf(ctx context.Context, r *devices.Registry) (rules.Options, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	own, err := r.OwnLimits(ctx)
	if err != nil {
		return rules.Options{}, err
	}
	areas, err := readAreas(ctx, r)
	return rules.Options{Areas: areas, Limits: limits.Table(own)}, err
}

// readAreas asks the registry which sites are of which use.
func readAreas(ctx context.Context, r *devices.Registry) (map[limits.Area][]telemetry.Site, error) {
	uses := map[telemetry.Site][]string{}
	for _, area := range rules.Areas() {
		for f := (devices.SiteFilter{Tag: string(area), Page: devices.Page{Limit: devices.MaxPage}}); ; {
			page, _, err := r.Sites(ctx, f)
			if err != nil {
				return nil, fmt.Errorf("read sites of area %s: %w", area, err)
			}
			for _, s := range page {
				uses[s.ID] = append(uses[s.ID], string(area))
			}
			if len(page) < devices.MaxPage {
				break
			}
			f.After = string(page[len(page)-1].ID)
		}
	}
	return rules.AreasOf(uses), nil
}
