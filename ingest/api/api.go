// Package api is the REST interface to the ledger and the quarantine. Operations
// are described once, here; the OpenAPI document comes from the same lines.
package api

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxRedriveTime bounds one page of a re-drive; while the store is away it would
// wait for ever.
const maxRedriveTime = 30 * time.Second

// Ingest answers for the ledger and the quarantine of one loader.
type Ingest struct {
	Audit      ingest.Audit
	Quarantine interface {
		Quarantine(context.Context, ingest.QuarantineFilter) (page []ingest.Quarantined, next int64, err error)
		Reasons(context.Context) ([]ingest.ReasonCount, error)
		Use(context.Context) (ingest.QuarantineUse, error)
		Count(context.Context, ingest.QuarantineFilter) (ingest.DiscardResult, error)
		Astray(ctx context.Context, limit int) ([]ingest.Astray, error)
	}
	// Places are what a topic can name.
	Places codec.Places
	// Bounds are the quarantine's.
	Bounds   ingest.Bounds
	History  ingest.History
	Redriver interface {
		Redrive(context.Context, ingest.QuarantineFilter) (ingest.RedriveResult, error)
		Discard(context.Context, ingest.QuarantineFilter) (ingest.DiscardResult, error)
	}
	// Note writes into the journal of access who lets messages go: what, and why.
	Note func(ctx context.Context, what, why string) error
	// Journal lets people look at what waits; nil answers that it cannot.
	Journal ingest.JournalReader
	Guard   Guard
	Now     func() time.Time
}

// Message is a quarantined message as people and programs read it.
type Message struct {
	ID          int64               `json:"id"`
	Gateway     string              `json:"gateway"`
	Device      telemetry.Device    `json:"device,omitempty"`
	Topic       string              `json:"topic"`
	Payload     string              `json:"payload,omitempty" doc:"The payload, where it is valid UTF-8"`
	Binary      []byte              `json:"payload_base64,omitempty" doc:"The payload, where it is not valid UTF-8"`
	Size        int                 `json:"size" doc:"Bytes as delivered; more than the payload here has if it was cut"`
	Cut         bool                `json:"cut,omitempty" doc:"Only the beginning of the payload is kept; it cannot be driven through again"`
	SHA256      string              `json:"sha256,omitempty" doc:"Of the whole payload as delivered, where it was cut and this is known"`
	Received    time.Time           `json:"received"`
	QoS         byte                `json:"qos"`
	Redelivered bool                `json:"redelivered"`
	Retained    bool                `json:"retained"`
	Partial     bool                `json:"partial" doc:"The message's other fields are stored"`
	Problems    []telemetry.Problem `json:"problems"`
	At          time.Time           `json:"at" doc:"When it came into quarantine"`
	Tries       int                 `json:"tries" doc:"How often it has been driven through again"`
}

// QuarantinePage is a part of the quarantine, by ascending id.
type QuarantinePage struct {
	Messages []Message            `json:"messages"`
	Reasons  []ingest.ReasonCount `json:"reasons" doc:"How many wait, by gateway and reason; the whole quarantine"`
	Use      QuarantineUse        `json:"use" doc:"How full the whole quarantine is, and what has left it for good"`
	Next     int64                `json:"next,omitempty" doc:"Continue with after=next; absent on the last page"`
}

type output[T any] struct{ Body T }

type quarantineQuery struct {
	Gateway string `query:"gateway" maxLength:"64"`
	Reason  string `query:"reason" maxLength:"64"`
	Device  string `query:"device" maxLength:"64"`
	Topic   string `query:"topic" maxLength:"65535" doc:"A topic, or with a trailing * all that begin so"`
	After   int64  `query:"after" minimum:"0" doc:"Only ids greater than this"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"A page ends before once its payloads are 4 MiB"`
}

type redriveBody struct {
	Body struct {
		IDs     []int64 `json:"ids,omitempty" maxItems:"500"`
		Gateway string  `json:"gateway,omitempty" maxLength:"64"`
		Reason  string  `json:"reason,omitempty" maxLength:"64"`
		Device  string  `json:"device,omitempty" maxLength:"64"`
		Topic   string  `json:"topic,omitempty" maxLength:"65535"`
		After   int64   `json:"after,omitempty" minimum:"0"`
	}
}

// role says, as access control reads it, who may ask: viewers may look, operators
// re-drive.
func role(least string) map[string]any { return map[string]any{"role": least} }

// Register adds the operations to a huma API.
func (g Ingest) Register(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "get-ledger", Method: http.MethodGet, Path: "/api/v1/ledger",
		Summary: "What became of every message, by gateway", Tags: []string{"ingest"}, Metadata: role("viewer")}, g.ledger)
	huma.Register(api, huma.Operation{OperationID: "compare-store", Method: http.MethodGet, Path: "/api/v1/ledger/store",
		Summary:     "Whether the store still has what was written to it, by hour",
		Description: "Asks the store how many values it has of each hour, and holds that against what the ledger says was newly written. At most 31 days at once.", Tags: []string{"ingest"}, Metadata: role("viewer")}, g.store)
	huma.Register(api, huma.Operation{OperationID: "get-ledger-history", Method: http.MethodGet, Path: "/api/v1/ledger/history",
		Summary:     "What became of the messages in time, by gateway",
		Description: "Minutes are kept for two days, hours for 400.", Tags: []string{"ingest"}, Metadata: role("viewer")}, g.history)
	huma.Register(api, huma.Operation{OperationID: "list-quarantine", Method: http.MethodGet, Path: "/api/v1/quarantine",
		Summary: "Messages that could not be stored, wholly or in part", Tags: []string{"ingest"}, Metadata: role("viewer")}, g.list)
	huma.Register(api, huma.Operation{OperationID: "list-astray-topics", Method: http.MethodGet, Path: "/api/v1/quarantine/topics",
		Summary:     "Topics that lead nowhere, of which messages wait in quarantine",
		Description: "What is wrong with each, and the topic that was most likely meant.", Tags: []string{"ingest"}, Metadata: role("viewer")}, g.astray)
	huma.Register(api, huma.Operation{OperationID: "get-quarantined", Method: http.MethodGet, Path: "/api/v1/quarantine/{id}",
		Summary: "One quarantined message", Tags: []string{"ingest"}, Metadata: role("viewer")}, g.show)
	huma.Register(api, huma.Operation{OperationID: "redrive-quarantine", Method: http.MethodPost, Path: "/api/v1/quarantine/redrive",
		Summary:     "Drive quarantined messages through again",
		Description: "Takes one page of at most 500; repeat with after = next until next is 0.", Tags: []string{"ingest"}, Metadata: role("operator")}, g.redrive)
	g.registerDiscard(api)
	huma.Register(api, huma.Operation{OperationID: "list-journal", Method: http.MethodGet, Path: "/api/v1/journal/messages",
		Summary: "Messages that wait in the journal for the store, in their order", Tags: []string{"ingest"}, Metadata: role("viewer")}, g.journal)
}

func (g Ingest) ledger(ctx context.Context, _ *struct{}) (*output[ingest.Report], error) {
	r, err := g.Audit.Compare(ctx, g.Now())
	if err != nil {
		return nil, huma.Error503ServiceUnavailable("the journal does not answer", err)
	}
	return &output[ingest.Report]{r}, nil
}

func (g Ingest) list(ctx context.Context, q *quarantineQuery) (*output[QuarantinePage], error) {
	rows, next, err := g.Quarantine.Quarantine(ctx, ingest.QuarantineFilter{Gateway: q.Gateway, Reason: telemetry.Reason(q.Reason), Device: telemetry.Device(q.Device), Topic: q.Topic,
		Localities: g.Guard.Localities(ctx), After: q.After, Limit: q.Limit})
	if err != nil {
		return nil, huma.Error500InternalServerError("the quarantine cannot be read", err)
	}
	reasons, err := g.Quarantine.Reasons(ctx)
	if err != nil {
		return nil, huma.Error500InternalServerError("the quarantine cannot be read", err)
	}
	use, err := g.Quarantine.Use(ctx)
	if err != nil {
		return nil, huma.Error500InternalServerError("the quarantine cannot be read", err)
	}
	page := QuarantinePage{Messages: make([]Message, 0, len(rows)), Reasons: reasons, Use: quarantineUse(use, g.Bounds), Next: next}
	for _, r := range rows {
		page.Messages = append(page.Messages, message(r))
	}
	return &output[QuarantinePage]{page}, nil
}

func (g Ingest) show(ctx context.Context, in *struct {
	ID int64 `path:"id" minimum:"1"`
}) (*output[Message], error) {
	rows, _, err := g.Quarantine.Quarantine(ctx, ingest.QuarantineFilter{IDs: []int64{in.ID}})
	if err != nil {
		return nil, huma.Error500InternalServerError("the quarantine cannot be read", err)
	}
	if len(rows) == 0 {
		return nil, huma.Error404NotFound("no message of this id is in quarantine; it may have been re-driven, or discarded")
	}
	if err := g.mayMessage(ctx, rows[0]); err != nil {
		return nil, err
	}
	return &output[Message]{message(rows[0])}, nil
}

func (g Ingest) redrive(ctx context.Context, in *redriveBody) (*output[ingest.RedriveResult], error) {
	ctx, cancel := context.WithTimeout(ctx, maxRedriveTime)
	defer cancel()
	b := in.Body
	if err := g.mayMessages(ctx, b.IDs); err != nil {
		return nil, err
	}
	if err := g.refuseCut(ctx, b.IDs); err != nil {
		return nil, err
	}
	r, err := g.Redriver.Redrive(ctx, ingest.QuarantineFilter{IDs: b.IDs, Gateway: b.Gateway, Reason: telemetry.Reason(b.Reason), Device: telemetry.Device(b.Device), Topic: b.Topic,
		Localities: g.Guard.Localities(ctx), After: b.After})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, huma.Error503ServiceUnavailable("the loader is busy, or waits for the store; nothing is lost: try again later", err)
	case err != nil:
		return nil, huma.Error500InternalServerError("the re-drive was cut off; nothing is lost", err)
	}
	return &output[ingest.RedriveResult]{r}, nil
}

func message(q ingest.Quarantined) Message {
	m := Message{
		ID: q.ID, Gateway: q.Gateway, Device: q.Device, Topic: q.Message.Topic, Size: q.Message.FullSize, Received: q.Message.Received,
		QoS: q.Message.QoS, Redelivered: q.Message.Redelivered, Retained: q.Message.Retained,
		Partial: q.Partial, Problems: q.Problems, At: q.At, Tries: q.Tries,
	}
	m.Cut, m.SHA256 = q.Cut(), hex.EncodeToString(q.SHA256)
	if utf8.Valid(q.Message.Payload) {
		m.Payload = string(q.Message.Payload)
	} else {
		m.Binary = q.Message.Payload
	}
	return m
}
