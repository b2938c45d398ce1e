package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Alarms answers for the alarms of one city.
type Alarms struct {
	Engine interface {
		Acknowledge(ctx context.Context, id int64, who, note string) (ingest.Alarm, error)
	}
	History interface {
		Alarms(context.Context, ingest.AlarmFilter) ([]ingest.Alarm, error)
	}
	Guard Guard
	// Rules gives the rules that hold at a moment, as a Prometheus rule file.
	Rules func(ctx context.Context, at time.Time) ([]byte, error)
	// Now is the clock.
	Now func() time.Time
	// Evaluated says where rules are evaluated: "here", or "grafana", where this
	// city raises none but of the platform itself.
	Evaluated string
}

// AlarmPage is a part of the alarms, the newest first.
type AlarmPage struct {
	Alarms    []ingest.Alarm `json:"alarms"`
	Active    int            `json:"active" doc:"All active alarms, whatever was asked for"`
	Evaluated string         `json:"evaluated" enum:"here,grafana" doc:"grafana: the store is asked by Grafana's own rules, and alarms of readings are found there; those of the platform itself are here"`
	Next      int64          `json:"next,omitempty" doc:"Continue with before=next; absent on the last page"`
}

type alarmQuery struct {
	State    string             `query:"state" enum:"active,recent,all" default:"active" doc:"recent: those that have ended"`
	Rule     string             `query:"rule" maxLength:"64" doc:"Id of the rule, which is the limit's: flood-bd1-dong-trang"`
	Severity string             `query:"severity" enum:"watch,warning,danger,extreme"`
	Kind     telemetry.Kind     `query:"kind" maxLength:"64"`
	Locality telemetry.Locality `query:"locality" maxLength:"64"`
	Site     telemetry.Site     `query:"site" maxLength:"64"`
	From     time.Time          `query:"from" doc:"Those that were active at any time since"`
	To       time.Time          `query:"to" doc:"Those that were raised before"`
	Before   int64              `query:"before" minimum:"0" doc:"Only ids smaller than this"`
	Limit    int                `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type acknowledgeInput struct {
	ID   int64 `path:"id" minimum:"1"`
	Body struct {
		Note string `json:"note,omitempty" maxLength:"500" doc:"What is being done about it"`
	}
}

// Register adds the operations to a huma API.
func (a Alarms) Register(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "list-alarms", Method: http.MethodGet, Path: "/api/v1/alarms",
		Summary: "Limits that are crossed, and were", Tags: []string{"alarms"}, Metadata: role("viewer")}, a.list)
	huma.Register(api, huma.Operation{OperationID: "get-alarm-rules", Method: http.MethodGet, Path: "/api/v1/alarms/rules",
		Summary:     "The rules by which alarms are raised, as a Prometheus rule file",
		Description: "With the limits that are in force at a moment and the sites that now have the tags of a use.", Tags: []string{"alarms"}, Metadata: role("viewer")}, a.rules)
	huma.Register(api, huma.Operation{OperationID: "acknowledge-alarm", Method: http.MethodPost, Path: "/api/v1/alarms/{id}/acknowledge",
		Summary:     "Say that one has seen to an alarm",
		Description: "Once for each alarm; it stays active until its cause has ended.", Tags: []string{"alarms"}, Metadata: role("operator")}, a.acknowledge)
}

func (a Alarms) list(ctx context.Context, q *alarmQuery) (*output[AlarmPage], error) {
	active, err := a.History.Alarms(ctx, ingest.AlarmFilter{Active: true})
	if err != nil {
		return nil, huma.Error500InternalServerError("the alarms cannot be read", err)
	}
	alarms, err := a.History.Alarms(ctx, ingest.AlarmFilter{Active: q.State != "recent", Recent: q.State != "active", Rule: q.Rule, Severity: q.Severity, Kind: q.Kind,
		Locality: q.Locality, Site: q.Site, From: q.From, To: q.To, Before: q.Before, Limit: q.Limit})
	if err != nil {
		return nil, huma.Error500InternalServerError("the alarms cannot be read", err)
	}
	page := AlarmPage{Alarms: alarms, Active: len(active), Evaluated: a.Evaluated}
	if len(alarms) == q.Limit {
		page.Next = alarms[len(alarms)-1].ID
	}
	return &output[AlarmPage]{page}, nil
}

type rulesQuery struct {
	At time.Time `query:"at" doc:"Whose day's limits; now if left out"`
}

type rulesFile struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a Alarms) rules(ctx context.Context, q *rulesQuery) (*rulesFile, error) {
	if q.At.IsZero() {
		q.At = a.Now()
	}
	text, err := a.Rules(ctx, q.At)
	if err != nil {
		return nil, huma.Error500InternalServerError("the rules cannot be made", err)
	}
	return &rulesFile{"application/yaml", text}, nil
}

func (a Alarms) acknowledge(ctx context.Context, in *acknowledgeInput) (*output[ingest.Alarm], error) {
	found, err := a.History.Alarms(ctx, ingest.AlarmFilter{ID: in.ID})
	if err != nil {
		return nil, huma.Error500InternalServerError("the alarms cannot be read", err)
	}
	if len(found) == 0 {
		return nil, huma.Error404NotFound("Không có cảnh báo này. / " + ingest.ErrNoAlarm.Error())
	}
	at := found[0].Locality
	if at == telemetry.Locality(telemetry.PlatformSite) { // the process itself
		at = ""
	}
	if err := a.Guard.May(ctx, "alarm", strconv.FormatInt(in.ID, 10), at); err != nil {
		return nil, err
	}
	for _, c := range in.Body.Note {
		if unicode.IsControl(c) && c != '\n' {
			return nil, huma.Error422UnprocessableEntity("note has a control character in it: give plain text")
		}
	}
	alarm, err := a.Engine.Acknowledge(ctx, in.ID, a.Guard.Who(ctx), in.Body.Note)
	switch {
	case errors.Is(err, ingest.ErrAcknowledged):
		return nil, huma.Error409Conflict("Cảnh báo đã được " + alarm.AcknowledgedBy + " xác nhận. / The alarm is acknowledged already, by " + alarm.AcknowledgedBy + ".")
	case errors.Is(err, ingest.ErrNoAlarm):
		return nil, huma.Error404NotFound("Không có cảnh báo này. / " + err.Error())
	case err != nil:
		return nil, huma.Error500InternalServerError("the acknowledgement could not be written down", err)
	}
	return &output[ingest.Alarm]{alarm}, nil
}
