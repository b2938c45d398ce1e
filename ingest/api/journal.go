package api

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
)

// JournalMessage is a message that waits in the journal.
type JournalMessage struct {
	Gateway  string    `json:"gateway"`
	Topic    string    `json:"topic"`
	Payload  string    `json:"payload,omitempty" doc:"The payload, where it is valid UTF-8"`
	Binary   []byte    `json:"payload_base64,omitempty" doc:"The payload, where it is not valid UTF-8"`
	Received time.Time `json:"received"`
	QoS      byte      `json:"qos"`
	Retained bool      `json:"retained"`
}

// JournalPage is a part of the journal.
type JournalPage struct {
	Messages []JournalMessage `json:"messages"`
	Next     uint64           `json:"next,omitempty" doc:"Continue with after=next; absent on the last page"`
}

type journalQuery struct {
	After uint64 `query:"after" doc:"Only records with a number greater than this"`
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"How many records at most; each holds up to some thousand messages"`
}

func (g Ingest) journal(ctx context.Context, q *journalQuery) (*output[JournalPage], error) {
	if g.Journal == nil {
		return nil, huma.Error503ServiceUnavailable("this process cannot look into the journal")
	}
	page, mine := JournalPage{Messages: []JournalMessage{}}, g.Guard.Localities(ctx)
	size, after := 0, q.After
	for n := 0; n < q.Limit && size < ingest.PageBytes; n++ {
		// One at a time: a record may be as large as a message may.
		records, err := g.Journal.Peek(ctx, after, 1)
		if err != nil {
			return nil, huma.Error503ServiceUnavailable("the journal does not answer", err)
		}
		if len(records) == 0 {
			return &output[JournalPage]{page}, nil
		}
		after = records[0].Number
		for _, m := range records[0].Record.Messages {
			size += len(m.Payload) + len(m.Topic)
			if mine != nil && !slices.Contains(mine, ingest.LocalityOf(m.Topic)) {
				continue
			}
			page.Messages = append(page.Messages, journalMessage(records[0].Record.Gateway, m))
		}
	}
	page.Next = after
	return &output[JournalPage]{page}, nil
}

func journalMessage(gateway string, m ingest.Message) JournalMessage {
	out := JournalMessage{Gateway: gateway, Topic: m.Topic, Received: m.Received, QoS: m.QoS, Retained: m.Retained}
	if utf8.Valid(m.Payload) {
		out.Payload = string(m.Payload)
	} else {
		out.Binary = m.Payload
	}
	return out
}
