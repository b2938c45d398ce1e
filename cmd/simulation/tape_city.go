package simulation

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/haidang-iot/haidang/ingest/api"
	"github.com/haidang-iot/haidang/simulator/tape"
)

// pages reads messages from the running city a page at a time.
type pages struct {
	ctx context.Context
	// page is what comes after a number, and the number that the next comes after;
	// 0 is the last.
	page func(ctx context.Context, after uint64) ([]tape.Message, uint64, error)

	rows  []tape.Message
	after uint64
	ended bool
}

func newPages(ctx context.Context, page func(context.Context, uint64) ([]tape.Message, uint64, error)) *pages {
	return &pages{ctx: ctx, page: page}
}

// Next implements source.
func (p *pages) Next() (tape.Message, error) {
	for len(p.rows) == 0 {
		if p.ended {
			return tape.Message{}, io.EOF
		}
		var err error
		if p.rows, p.after, err = p.page(p.ctx, p.after); err != nil {
			return tape.Message{}, err
		}
		p.ended = p.after == 0
	}
	m := p.rows[0]
	p.rows = p.rows[1:]
	return m, nil
}

// Close implements source.
func (p *pages) Close() error { return nil }

// quarantinePage asks the city for what could not be stored.
func (c *tapeConvert) quarantinePage() func(context.Context, uint64) ([]tape.Message, uint64, error) {
	return func(ctx context.Context, after uint64) ([]tape.Message, uint64, error) {
		q := url.Values{"limit": {"1000"}, "after": {strconv.FormatUint(after, 10)}}
		for name, value := range map[string]string{"gateway": c.Gateway, "reason": c.Reason, "device": c.Device, "topic": c.Topic} {
			if value != "" {
				q.Set(name, value)
			}
		}
		var page api.QuarantinePage
		if err := c.Call(ctx, http.MethodGet, "/api/v1/quarantine?"+q.Encode(), nil, &page); err != nil {
			return nil, 0, err
		}
		out := make([]tape.Message, 0, len(page.Messages))
		for _, m := range page.Messages {
			if m.Cut { // half a message is none that a device has sent
				continue
			}
			out = append(out, tape.Message{At: m.Received, Topic: m.Topic, QoS: m.QoS, Retain: m.Retained, Payload: payload(m.Payload, m.Binary)})
		}
		return out, uint64(page.Next), nil
	}
}

// journalPage asks the city for what waits in the journal.
func (c *tapeConvert) journalPage() func(context.Context, uint64) ([]tape.Message, uint64, error) {
	return func(ctx context.Context, after uint64) ([]tape.Message, uint64, error) {
		var page api.JournalPage
		if err := c.Call(ctx, http.MethodGet, "/api/v1/journal/messages?limit=100&after="+strconv.FormatUint(after, 10), nil, &page); err != nil {
			return nil, 0, err
		}
		out := make([]tape.Message, 0, len(page.Messages))
		for _, m := range page.Messages {
			out = append(out, tape.Message{At: m.Received, Topic: m.Topic, QoS: m.QoS, Retain: m.Retained, Payload: payload(m.Payload, m.Binary)})
		}
		return out, page.Next, nil
	}
}

func payload(text string, binary []byte) []byte {
	if binary != nil {
		return binary
	}
	return []byte(text)
}
