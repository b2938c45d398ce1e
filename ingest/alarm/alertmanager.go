package alarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/notifier"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Alertmanager tells Alertmanagers of the active alarms, once a round, by
// Prometheus' own notifier: it queues up to queued alerts and never makes who
// sends wait. What an Alertmanager has missed the next round tells again.
type Alertmanager struct {
	manager *notifier.Manager
	targets chan map[string][]*targetgroup.Group
	// source is where a person finds the alarms.
	source string
}

// queued is how many alerts wait for an Alertmanager.
const queued = 10_000

// NewAlertmanager makes a notifier for the Alertmanagers at addresses like
// http://127.0.0.1:9093, with user and password in them if need be; source is the
// URL of the console.
func NewAlertmanager(addresses []string, source string, log *slog.Logger, r prometheus.Registerer) (*Alertmanager, error) {
	conf := config.DefaultConfig
	sets := map[string][]*targetgroup.Group{}
	for i, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			return nil, errors.New("an address of an Alertmanager is no URL: give it like http://127.0.0.1:9093")
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("the address of an Alertmanager is %q: give it like http://127.0.0.1:9093", u.Redacted())
		}
		am := config.DefaultAlertmanagerConfig
		am.Scheme, am.PathPrefix = u.Scheme, strings.TrimRight(u.Path, "/")+"/"
		am.HTTPClientConfig.FollowRedirects = false // the password is for one server
		if u.User != nil {
			password, _ := u.User.Password()
			am.HTTPClientConfig.BasicAuth = &commonconfig.BasicAuth{Username: u.User.Username(), Password: commonconfig.Secret(password)}
		}
		conf.AlertingConfig.AlertmanagerConfigs = append(conf.AlertingConfig.AlertmanagerConfigs, &am)
		sets[fmt.Sprintf("config-%d", i)] = []*targetgroup.Group{{Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(u.Host)}}}}
	}
	a := &Alertmanager{source: source, targets: make(chan map[string][]*targetgroup.Group, 1)}
	a.manager = notifier.NewManager(&notifier.Options{QueueCapacity: queued, Registerer: r}, model.UTF8Validation, log)
	if err := a.manager.ApplyConfig(&conf); err != nil {
		return nil, fmt.Errorf("set up notifications to Alertmanager: %w", err)
	}
	a.targets <- sets
	return a, nil
}

// Run sends until ctx ends.
func (a *Alertmanager) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, a.manager.Stop)
	defer stop()
	a.manager.Run(a.targets)
	return nil
}

// send tells of all active alarms and of those that ended lately.
func (a *Alertmanager) send(now time.Time, active, ended []ingest.Alarm) {
	alerts := make([]*notifier.Alert, 0, len(active)+len(ended))
	for _, alarm := range active {
		alert := a.alert(alarm)
		alert.EndsAt = now.Add(4 * Interval) // as Prometheus has it: two rounds may fail
		alerts = append(alerts, alert)
	}
	for _, alarm := range ended {
		alert := a.alert(alarm)
		alert.EndsAt = alarm.Cleared
		alerts = append(alerts, alert)
	}
	if len(alerts) > 0 {
		a.manager.Send(alerts...)
	}
}

func (a *Alertmanager) alert(alarm ingest.Alarm) *notifier.Alert {
	with := func(all map[string]string) labels.Labels {
		for k, v := range all {
			if v == "" {
				delete(all, k)
			}
		}
		return labels.FromMap(all)
	}
	place := ": " + string(alarm.Site)
	if alarm.Kind == telemetry.Platform {
		place = ": " + string(alarm.Device)
	}
	return &notifier.Alert{
		StartsAt: alarm.Raised, GeneratorURL: a.source,
		Labels: with(map[string]string{"alertname": alarm.Rule, "limit": alarm.Rule, "severity": alarm.Severity, "kind": string(alarm.Kind), "metric": string(alarm.Metric),
			"locality": string(alarm.Locality), "site": string(alarm.Site), "device": string(alarm.Device)}),
		Annotations: with(map[string]string{"summary": alarm.SummaryVI + place, "summary_en": alarm.SummaryEN + place, "description": alarm.DescriptionVI, "description_en": alarm.DescriptionEN,
			"threshold": alarm.Threshold, "reference": alarm.Reference, "basis": alarm.Basis, "runbook": alarm.RunbookVI, "runbook_en": alarm.RunbookEN,
			"acknowledged_by": alarm.AcknowledgedBy}),
	}
}
