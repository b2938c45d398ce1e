package api

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxAstray is how many topics are looked at.
const maxAstray = 1000

// AstrayTopic is a topic that leads nowhere, of which messages wait in quarantine.
type AstrayTopic struct {
	Topic   string           `json:"topic"`
	Reason  telemetry.Reason `json:"reason" enum:"bad_topic,unknown_locality,unknown_kind"`
	Fault   codec.Fault      `json:"fault,omitempty" doc:"What is wrong with it now, more closely than the reason; absent where nothing is any more: re-drive"`
	Nearest string           `json:"nearest,omitempty" doc:"The topic that was most likely meant; <locality>, <kind>, <device> stand for what cannot be guessed"`
	Device  telemetry.Device `json:"device,omitempty" doc:"Whose it is, as far as the topic tells"`
	Known   bool             `json:"known" doc:"There is a device of this id"`
	Gateway string           `json:"gateway"`
	Count   int64            `json:"count" doc:"How many messages wait"`
	First   time.Time        `json:"first"`
	Last    time.Time        `json:"last"`
	Payload string           `json:"payload,omitempty" doc:"The beginning of the last one's payload, where it is valid UTF-8"`
	Binary  []byte           `json:"payload_base64,omitempty" doc:"The same, where it is not"`
}

// AstrayPage lists topics that lead nowhere.
type AstrayPage struct {
	Topics     []AstrayTopic        `json:"topics" doc:"The last heard first"`
	Total      int                  `json:"total" doc:"How many there are for who asks, of the last 1,000"`
	Localities []telemetry.Locality `json:"localities" doc:"Those that there are"`
}

type astrayQuery struct {
	Q     string `query:"q" maxLength:"200" doc:"Only topics that contain this"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// astray lists them. Who is restricted to localities sees the topics that name one of
// them, or most likely mean one.
func (g Ingest) astray(ctx context.Context, q *astrayQuery) (*output[AstrayPage], error) {
	all, err := g.Quarantine.Astray(ctx, maxAstray)
	if err != nil {
		return nil, huma.Error500InternalServerError("the quarantine cannot be read", err)
	}
	topics, mine := codec.NewTopics(telemetry.NewCatalogue()), g.Guard.Localities(ctx)
	page := AstrayPage{Topics: []AstrayTopic{}, Localities: g.Places.Localities()}
	for _, a := range all {
		if !strings.Contains(strings.ToLower(a.Topic), strings.ToLower(strings.TrimSpace(q.Q))) {
			continue
		}
		t := astrayTopic(a, topics.Examine(a.Topic, g.Places))
		if mine != nil && !slices.Contains(mine, ingest.LocalityOf(a.Topic)) && !slices.Contains(mine, ingest.LocalityOf(t.Nearest)) {
			continue
		}
		if page.Total++; len(page.Topics) < q.Limit {
			page.Topics = append(page.Topics, t)
		}
	}
	return &output[AstrayPage]{page}, nil
}

func astrayTopic(a ingest.Astray, found codec.Astray) AstrayTopic {
	t := AstrayTopic{Topic: a.Topic, Reason: a.Reason, Fault: found.Fault, Nearest: found.Nearest, Device: found.Device, Known: found.Known,
		Gateway: a.Gateway, Count: a.Count, First: a.First, Last: a.Last}
	if t.Device == "" {
		t.Device = a.Device
	}
	// The cut may have gone through a character.
	text := a.Payload
	for n := 0; n < utf8.UTFMax-1 && len(text) > 0 && !utf8.Valid(text); n++ {
		text = text[:len(text)-1]
	}
	if utf8.Valid(text) {
		t.Payload = string(text)
	} else {
		t.Binary = a.Payload
	}
	return t
}
