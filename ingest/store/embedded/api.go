package embedded

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// apiVersion is the Prometheus whose API this is; Grafana chooses by it what it may
// ask for.
const apiVersion = "3.15.0"

// consolePlaces is how many requests of this process's own pages are answered at
// once, beside Options.Queries.
const consolePlaces = 6

// Handler serves the Prometheus HTTP API below prefix: with the prefix
// "/prometheus" the URL of a Grafana data source is http://HOST:PORT/prometheus.
// Nothing can be written or deleted through it. At most Options.Queries requests
// are answered at once, three quarters of them of one caller (see [WithCaller]);
// others wait for their turn, and a body is read before it.
func (s *Store) Handler(prefix string) http.Handler { return below(prefix, s.api) }

// Console is the same for this process's own pages: it has places of its own, so
// that they are answered whoever else asks.
func (s *Store) Console(prefix string) http.Handler { return below(prefix, s.console) }

func below(prefix string, h http.Handler) http.Handler {
	prefix = "/" + strings.Trim(prefix, "/")
	return http.StripPrefix(strings.TrimSuffix(prefix, "/"), h)
}

// newAPI wires the official API to this store: for others, and for its own console.
func (s *Store) newAPI() (api, console http.Handler) {
	o := s.options
	p := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{
		Logger:               o.Logger,
		Reg:                  s.apiMetrics,
		MaxSamples:           o.QuerySamples,
		Timeout:              o.QueryTimeout,
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
		Parser:               p,
	})
	started := o.Now()
	nowhere := nowhere{}
	official := v1.NewAPI(
		engine, s, nil, nil, s,
		func(context.Context) v1.ScrapePoolsRetriever { return nowhere },
		s.targets(),
		func(context.Context) v1.AlertmanagerRetriever { return nowhere },
		func() config.Config { return config.DefaultConfig },
		map[string]string{},
		v1.GlobalURLOptions{},
		func(f http.HandlerFunc) http.HandlerFunc { return f },
		admin{s}, o.Dir, false, // no admin API
		false, 0, // no search API
		o.Logger,
		func(context.Context) v1.RulesRetriever { return nowhere },
		o.QuerySamples, o.Queries, 1<<20, // remote read
		false, // not an agent
		nil,   // no CORS: see serve
		func() (v1.RuntimeInfo, error) { return s.runtimeInfo(started) },
		&v1.PrometheusVersion{Version: apiVersion, GoVersion: runtime.Version()},
		func() []notifications.Notification { return []notifications.Notification{} },
		func() (<-chan notifications.Notification, func(), bool) { return nil, nil, false },
		gatherer{s}, s.apiMetrics,
		nil,
		false, nil, // no remote write
		false, false, false, // no OTLP
		false,
		0,
		false,
		false,
		nil,
		features.NewRegistry(),
		v1.OpenAPIOptions{Version: apiVersion},
		p,
	)
	router := route.New().WithPrefix("/api/v1")
	official.Register(router)
	return s.serve(router, newTurns(o.Queries)), s.serve(router, newTurns(consolePlaces))
}

// serve bounds what requests may take: how many at once, how long, how large.
func (s *Store) serve(next http.Handler, turns *turns) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		if !wholeBody(w, r) {
			return
		}
		ctx, cancel := s.untilRetired(r.Context())
		defer cancel()
		ctx, cancelTimeout := context.WithTimeout(ctx, s.options.QueryTimeout)
		defer cancelTimeout()
		end, ok := turns.begin(ctx)
		if !ok {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many queries at once: try again in 5 seconds", http.StatusServiceUnavailable)
			return
		}
		defer end()
		_, release, err := s.acquire()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer release()
		if strings.HasSuffix(r.URL.Path, "/api/v1/metadata") {
			ctx = context.WithValue(ctx, metadataRequest{}, true)
		}
		// The API is for Grafana's server and for our own pages, not for the
		// scripts of other sites.
		r.Header.Del("Origin")
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (s *Store) runtimeInfo(started time.Time) (v1.RuntimeInfo, error) {
	host, err := os.Hostname()
	if err != nil {
		return v1.RuntimeInfo{}, err
	}
	return v1.RuntimeInfo{
		StartTime:           started,
		ServerTime:          s.options.Now(),
		LastConfigTime:      started,
		ReloadConfigSuccess: true,
		Hostname:            host,
		GoroutineCount:      runtime.NumGoroutine(),
		GOMAXPROCS:          runtime.GOMAXPROCS(0),
		StorageRetention:    s.options.Retention.String(),
	}, nil
}

// admin is what the API may ask the TSDB about itself. It changes nothing.
type admin struct{ store *Store }

var errReadOnly = errors.New("the store cannot be changed through its API")

func (admin) CleanTombstones() error { return errReadOnly }

func (admin) Delete(context.Context, int64, int64, ...*labels.Matcher) error { return errReadOnly }

func (admin) Snapshot(string, bool) error { return errReadOnly }

func (a admin) Stats(label string, limit int) (*tsdb.Stats, error) {
	g, release, err := a.store.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	return g.db.Head().Stats(label, limit), nil
}

func (a admin) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	g, release, err := a.store.acquire()
	if err != nil {
		return tsdb.WALReplayStatus{}, err
	}
	defer release()
	return g.stats.Head.WALReplayStatus.GetWALReplayStatus(), nil
}

func (a admin) BlockMetas() ([]tsdb.BlockMeta, error) {
	g, release, err := a.store.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	return g.db.BlockMetas(), nil
}

// gatherer gathers the metrics of the current generation.
type gatherer struct{ store *Store }

var _ prometheus.Gatherer = gatherer{}

func (g gatherer) Gather() ([]*dto.MetricFamily, error) {
	current, release, err := g.store.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	return current.gatherer.Gather()
}

// nowhere answers what the API asks a whole Prometheus about: there are no
// scrape targets, no rules, no alertmanagers.
type nowhere struct{}

func (nowhere) ScrapePools() []string                                 { return []string{} }
func (nowhere) TargetsActive() map[string][]*scrape.Target            { return nil }
func (nowhere) TargetsDropped() map[string][]*scrape.Target           { return nil }
func (nowhere) TargetsDroppedCounts() map[string]int                  { return nil }
func (nowhere) ScrapePoolConfig(string) (*config.ScrapeConfig, error) { return nil, errNoPool }
func (nowhere) Alertmanagers() []*url.URL                             { return nil }
func (nowhere) DroppedAlertmanagers() []*url.URL                      { return nil }
func (nowhere) RuleGroups() []*rules.Group                            { return nil }
func (nowhere) AlertingRules() []*rules.AlertingRule                  { return nil }

var errNoPool = errors.New("there are no scrape pools")
