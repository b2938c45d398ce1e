package api

import (
	"cmp"
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
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
	pictures *workplace // where pictures are decoded
	sheets   *workplace // where files are read that are imported
	writing  *workplace // where exports and labels are made
}

// New makes the interface to an opened registry. It is subscribed to the registry
// for as long as that lives. Set the other fields before [API.Register].
func New(r *devices.Registry) *API {
	a := &API{Registry: r, pictures: newWorkplace(1, 16), sheets: newWorkplace(1, 4), writing: newWorkplace(2, 32), Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Asker: func(context.Context) Asker { return Asker{} }}
	a.board = newBoard(a)
	a.Live = NewLive(a.Now())
	r.Subscribe(func(e devices.Event) { a.Live.changed(e) })
	return a
}

// may refuses who asks something that belongs to a place outside their scope. Changes of
// the registry are refused by itself; this is for what is only shown, such as photos.
func (a *API) may(ctx context.Context, what devices.Entity, id string, at devices.Place) error {
	if s := a.Asker(ctx).Scope; !s.Holds(at) {
		return devices.Outside(what, id, at, s, a.Registry.Snapshot().Names)
	}
	return nil
}

// mayDevice is may for a device; one that is not registered belongs to where it was
// last heard, and if it never was, there is nothing to show of it.
func (a *API) mayDevice(ctx context.Context, id telemetry.Device) error {
	at, err := a.Registry.PlaceOf(ctx, id)
	if devices.CodeOf(err) != devices.NotFound {
		return cmp.Or(err, a.may(ctx, devices.EntityDevice, string(id), at))
	}
	heard, _, err := a.Registry.Heard(ctx, devices.HeardFilter{Device: id, Limit: 1})
	if err != nil || len(heard) == 0 {
		return err
	}
	return a.may(ctx, devices.EntityDevice, string(id), devices.PlaceOf(heard[0].Locality))
}

// mayInstallation is may for what belongs to an installation.
func (a *API) mayInstallation(ctx context.Context, id int64) error {
	at, err := a.Registry.PlaceOfInstallation(ctx, id)
	if err != nil {
		return err
	}
	return a.may(ctx, devices.EntityInstallation, strconv.FormatInt(id, 10), at)
}

// by is who asks and why, for the journal. The registry refuses an empty name.
func (a *API) by(ctx context.Context, why string) devices.By {
	asker := a.Asker(ctx)
	return devices.By{Who: asker.Name, Why: why, Scope: asker.Scope}
}
