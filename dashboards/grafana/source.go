package grafana

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

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
	live := object{}
	err := p.Server.ask(ctx, http.MethodGet, "/api/datasources/uid/"+d.UID, nil, &live)
	if refusedWith(err, http.StatusNotFound) {
		s.Done = created
		if p.DryRun {
			return s, nil
		}
		return s, p.makeSource(ctx, d, options, secret)
	}
	if err != nil {
		return s, err
	}
	switch changed := overlay(live, d, options); {
	case live["readOnly"] == true:
		s.Done, s.Why = left, "Grafana has it from a provisioning file"
	case changed || secret != nil:
		s.Done = updated
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

// overlay gives a data source as Grafana has it our settings, and reports whether
// that changed anything.
func overlay(live object, d DataSource, options object) (changed bool) {
	set := func(in object, name string, v any) {
		if !reflect.DeepEqual(in[name], v) {
			in[name], changed = v, true
		}
	}
	set(live, "name", d.Name)
	set(live, "type", d.kind())
	set(live, "access", "proxy")
	set(live, "url", d.URL)
	if d.Language == dashboards.InfluxQL {
		set(live, "database", d.Database)
	}
	inner, _ := live["jsonData"].(object)
	if inner == nil {
		inner = object{}
		live["jsonData"] = inner
	}
	for name, v := range options {
		set(inner, name, v)
	}
	return changed
}
