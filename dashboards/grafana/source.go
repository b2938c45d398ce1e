package grafana

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/grafana-tools/sdk"

	"github.com/haidang-iot/haidang/dashboards"
)

// options are a data source's members for jsonData and secureJsonData. Provision
// writes the same ones.
func (d DataSource) options() (options, secret object) {
	switch d.Language {
	case dashboards.InfluxQL:
		// dbName is where newer ones look, 9.4 has it as database; POST keeps
		// long queries out of addresses and logs.
		options = object{"version": "InfluxQL", "dbName": d.Database, "httpMode": "POST"}
	default:
		// VictoriaMetrics' cache would move the steps of days to its own borders;
		// Prometheus and the embedded store know no such parameter and pass over it.
		options = object{"httpMethod": "POST", "customQueryParameters": "nocache=1"}
	}
	if d.Authorization != "" {
		options["httpHeaderName1"] = "Authorization"
		secret = object{"httpHeaderValue1": d.Authorization}
	}
	return options, secret
}

// kind is Grafana's name of the plugin that speaks the language.
func (d DataSource) kind() string {
	if d.Language == dashboards.InfluxQL {
		return "influxdb"
	}
	return "prometheus"
}

// findSource is the data source as Grafana has it, nil if it has none.
func (p *Publisher) findSource(ctx context.Context, d DataSource) (object, error) {
	live := object{}
	err := p.Server.ask(ctx, http.MethodGet, "/api/datasources/uid/"+d.UID, nil, &live)
	if refusedWith(err, http.StatusNotFound) {
		return nil, nil
	}
	return live, err
}

// checkSource refuses to turn the data source of one kind of store into one of
// another, unless Force is set: a forgotten --query would rewrite every board and
// take the alert rules away.
func (p *Publisher) checkSource(ctx context.Context, d DataSource) error {
	live, err := p.findSource(ctx, d)
	switch {
	case p.NoSource && refusedWith(err, http.StatusForbidden):
		return nil // an Editor may not look at it
	case err != nil:
		return fmt.Errorf("look at the data source: %w", err)
	case live == nil || p.Force || live["type"] == d.kind():
		return nil
	}
	name, _ := live["name"].(string)
	kind, _ := live["type"].(string)
	return fmt.Errorf("nothing was pushed: the data source %s in Grafana (%q) is of the type %s, and --query %s would make it one of the type %s\n"+
		"  → Give the --query that it was pushed with, or another uid with --datasource; or change it over, with boards and alert rules, with --force",
		d.UID, shown(name, 80), shown(kind, 40), d.Language, d.kind())
}

// pushSource makes the data source, or gives it our settings and leaves those we
// know nothing of. A secret cannot be read back, so one that is given is always
// sent.
func (p *Publisher) pushSource(ctx context.Context, d DataSource) (Step, error) {
	s := Step{What: "data source", Name: d.Name, UID: d.UID, Done: unchanged}
	if p.NoSource {
		s.Done, s.Why = left, "--no-source"
		return s, nil
	}
	options, secret := d.options()
	live, err := p.findSource(ctx, d)
	if err != nil {
		return s, err
	}
	if live == nil {
		s.Done = created
		if p.DryRun {
			return s, nil
		}
		return s, p.makeSource(ctx, d, options, secret)
	}
	switch changed := overlay(live, d, options); {
	case live["readOnly"] == true:
		s.Done, s.Why = left, "Grafana has it from a provisioning file"
	case len(changed) > 0 || secret != nil:
		s.Done, s.Why = updated, strings.Join(changed, ", ")
	}
	if s.Done != updated || p.DryRun {
		return s, nil
	}
	if secret != nil {
		live["secureJsonData"] = secret
	}
	return s, p.Server.ask(ctx, http.MethodPut, "/api/datasources/uid/"+d.UID, live, nil)
}

func (p *Publisher) makeSource(ctx context.Context, d DataSource, options, secret object) error {
	database := d.Database
	made, err := p.Server.sdk.CreateDatasource(ctx, sdk.Datasource{
		UID: d.UID, Name: d.Name, Type: d.kind(), Access: "proxy", URL: d.URL, Database: &database,
		JSONData: options, SecureJSONData: secret,
	})
	if err != nil {
		return p.Server.unreached(err)
	}
	if made.ID == nil {
		return fmt.Errorf("the answer of Grafana does not say that it made the data source")
	}
	return nil
}

// overlay gives a data source as Grafana has it our settings, and says what that
// changed.
func overlay(live object, d DataSource, options object) (changed []string) {
	set := func(in object, name string, v any) {
		if !reflect.DeepEqual(in[name], v) {
			changed = append(changed, fmt.Sprintf("%s: %s → %s", name, shown(text(in[name]), maxValue), text(v)))
			in[name] = v
		}
	}
	set(live, "name", d.Name)
	set(live, "type", d.kind())
	set(live, "access", "proxy")
	if !d.AnyURL {
		set(live, "url", d.URL)
	}
	if d.Language == dashboards.InfluxQL {
		set(live, "database", d.Database)
	}
	inner, _ := live["jsonData"].(object)
	if inner == nil {
		inner = object{}
		live["jsonData"] = inner
	}
	for _, name := range keys(options, nil) {
		set(inner, name, options[name])
	}
	return changed
}
