package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	heartbeat    = 15 * time.Second
	writeTimeout = 10 * time.Second // for a client that does not read
)

const liveDescription = `Events: reading (a Reading, at most one a second for each site, kind and device), presence (a PresenceEvent),
change (a ChangeEvent), alarm (an alarm that was raised, cleared or acknowledged, as /api/v1/alarms lists it)
and reset ({}): some events are lost to this client; read the lists again.
Open the stream first and then read the lists, so that nothing falls between. A browser that comes back sends Last-Event-ID by itself and gets what it missed, or reset.
A comment comes every 15 s as a heartbeat. 503 with Retry-After where too many streams are open.`

type streamQuery struct {
	LastEventID string             `header:"Last-Event-ID" maxLength:"64"`
	Locality    telemetry.Locality `query:"locality" maxLength:"64" doc:"Only readings and presences there"`
	Site        telemetry.Site     `query:"site" maxLength:"64" doc:"Only what concerns the site"`
}

// wants reports whether a client asked for an event.
func (q *streamQuery) wants(e event) bool {
	return (q.Locality == "" || e.locality == "" || e.locality == q.Locality) && (q.Site == "" || e.site == "" || e.site == q.Site)
}

func (a *API) stream(_ context.Context, q *streamQuery) (*huma.StreamResponse, error) {
	since, lost, ok := a.Live.join(q.LastEventID)
	if !ok {
		p := unavailable("Quá nhiều màn hình đang theo dõi; hãy thử lại sau.", "Too many streams are open; try again later.")
		p.RetryAfter = 30 * time.Second
		return nil, p
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer a.Live.leave()
		ctx.SetHeader("Content-Type", "text/event-stream; charset=utf-8")
		ctx.SetHeader("Cache-Control", "no-store")
		ctx.SetHeader("X-Accel-Buffering", "no") // proxies must not gather it
		// The server's deadlines are for ordinary requests. An error means that
		// they cannot be changed, and then they stand.
		_ = ctx.SetReadDeadline(time.Time{})
		a.follow(ctx, q, since, lost)
	}}, nil
}

// follow writes events until the client is gone.
func (a *API) follow(ctx huma.Context, q *streamQuery, since uint64, lost bool) {
	w := streamWriter{ctx: ctx}
	fmt.Fprint(&w.buf, "retry: 3000\n\n")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		events, gone, more := a.Live.after(since)
		if gone || lost {
			var id string
			since, id = a.Live.newestID()
			w.event(id, EventReset, []byte("{}"))
			events, lost = nil, false
		}
		for _, e := range events {
			since = e.seq
			if q.wants(e) {
				w.event(a.Live.id(e.seq), e.name, e.data)
			}
		}
		if w.send() != nil {
			return
		}
		select {
		case <-ctx.Context().Done():
			return
		case <-more:
		case <-beat.C:
			// A comment; a client that resumes asks from its last event on.
			fmt.Fprintf(&w.buf, ": %s\n\n", a.Live.id(since))
		}
	}
}

// streamWriter gathers events and sends them together.
type streamWriter struct {
	ctx huma.Context
	buf bytes.Buffer
}

func (w *streamWriter) event(id, name string, data []byte) {
	fmt.Fprintf(&w.buf, "id: %s\nevent: %s\ndata: %s\n\n", id, name, data)
}

// line writes a value as a line of JSON.
func (w *streamWriter) line(v any) error {
	if err := json.NewEncoder(&w.buf).Encode(v); err != nil {
		return err
	}
	return w.send()
}

// send writes what was gathered; an error means that the client is gone.
func (w *streamWriter) send() error {
	if w.buf.Len() == 0 {
		return nil
	}
	defer w.buf.Reset()
	body := w.ctx.BodyWriter()
	rw, ok := body.(http.ResponseWriter)
	if !ok {
		_, err := body.Write(w.buf.Bytes())
		return err
	}
	c := http.NewResponseController(rw)
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout)) // where it cannot be set, the server's stands
	if _, err := rw.Write(w.buf.Bytes()); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return err
	}
	// HTTP/2 ends a stream whose deadline passes though nothing is being written.
	_ = c.SetWriteDeadline(time.Time{})
	return nil
}
