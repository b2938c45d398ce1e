package api

import (
	"context"
	"log/slog"
	"time"

	"github.com/haidang-iot/haidang/devices"
)

// API answers for the registry. Registry is needed; what is nil of the ports is
// answered with 503 where it is asked for, or left out where it only adds.
type API struct {
	Registry    *devices.Registry
	Readings    Readings
	Quarantine  Quarantine
	Refusals    Refusals
	Credentials Credentials
	Presences   Presences
	Live        *Live
	// Asker tells who asks, from what the middleware before put into the context.
	Asker func(context.Context) Asker
	// PublicURL is where people's phones reach the console, for the links in QR
	// codes; empty is where the request came to.
	PublicURL string
	Now       func() time.Time
	Logger    *slog.Logger

	board    *board
	decoding chan struct{} // has a place for each picture that is decoded
	sheets   chan struct{} // has a place for the one file that is read
}

// New makes the interface to an opened registry. It is subscribed to the registry
// for as long as that lives. Set the other fields before [API.Register].
func New(r *devices.Registry) *API {
	a := &API{Registry: r, decoding: make(chan struct{}, maxDecoding), sheets: make(chan struct{}, 1), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Asker: func(context.Context) Asker { return Asker{} }}
	a.board = newBoard(a)
	a.Live = NewLive(a.Now())
	r.Subscribe(func(e devices.Event) { a.Live.changed(e) })
	return a
}

// by is who asks and why, for the journal. The registry refuses an empty name.
func (a *API) by(ctx context.Context, why string) devices.By {
	return devices.By{Who: a.Asker(ctx).Name, Why: why}
}
