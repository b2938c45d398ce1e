package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

type registrationBody struct{ Body RegistrationInput }

func (a *API) register(ctx context.Context, in *registrationBody) (*out[Registered], error) {
	b := in.Body
	s := siteFrom(b.Site)
	derive := b.NewSite && s.ID == ""
	if derive {
		named(&s)
	}
	var photo *devices.Picture
	if len(b.Photo) > 0 {
		pic, err := a.picture(ctx, b.Photo)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		photo = &pic
	}
	r, err := a.Registry.RegisterDevice(ctx, a.by(ctx, b.Why), devices.Registration{Request: b.RequestID, Device: deviceFrom(b.Device), Site: s,
		NewSite: b.NewSite, From: orZero(b.From), SentAt: orZero(b.SentAt), Redundant: b.Redundant, Cadence: duration(b.CadenceSeconds), Photo: photo, FreeSite: derive})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &out[Registered]{a.registered(b.RequestID, r)}, nil
}

func (a *API) registered(request string, r devices.Registered) Registered {
	v := Registered{RequestID: request, Device: deviceOf(r.Device), Site: siteOf(r.Site), Installation: installationOf(r.Installation),
		PhotoID: r.PhotoID, ClockSkewSeconds: seconds(r.Skew), Repeated: r.Repeated}
	v.Device.Installation, v.Device.SiteName = &v.Installation, v.Site.Name
	return v
}

func (a *API) registration(ctx context.Context, in *struct {
	RequestID string `path:"request_id" maxLength:"64"`
}) (*out[Registered], error) {
	var done devices.Request
	err := a.Registry.Store.Read(ctx, func(rd devices.Reader) (err error) {
		done, err = rd.Request(ctx, in.RequestID)
		return err
	})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	var r devices.Registered
	if err := json.Unmarshal(done.Answer, &r); err != nil {
		return nil, a.fail(ctx, fmt.Errorf("read answer of request %s: %w", in.RequestID, err))
	}
	r.Repeated = true
	return &out[Registered]{a.registered(in.RequestID, r)}, nil
}

type heardQuery struct {
	Locality telemetry.Locality `query:"locality" maxLength:"64"`
	Q        string             `query:"q" maxLength:"200"`
	PageQuery
}

func (a *API) heard(ctx context.Context, q *heardQuery) (*out[HeardPage], error) {
	offset := 0
	if q.Cursor != "" {
		var err error
		if offset, err = strconv.Atoi(q.Cursor); err != nil || offset < 0 {
			return nil, badCursor()
		}
	}
	found, total, err := a.Registry.Heard(ctx, devices.HeardFilter{Locality: q.Locality, Query: q.Q, Offset: offset, Limit: q.Limit})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body := HeardPage{Heard: make([]Heard, 0, len(found)), Total: total}
	for _, h := range found {
		body.Heard = append(body.Heard, a.heardOf(ctx, h))
	}
	if len(found) == q.Limit && offset+len(found) < total {
		body.Next = strconv.Itoa(offset + len(found))
	}
	return &out[HeardPage]{body}, nil
}

func (a *API) heardDevice(ctx context.Context, in *struct {
	Device telemetry.Device `path:"device" maxLength:"64"`
}) (*out[Heard], error) {
	found, _, err := a.Registry.Heard(ctx, devices.HeardFilter{Device: in.Device, Limit: 1})
	if err == nil && len(found) == 0 {
		err = devices.Missing(devices.EntityDevice, string(in.Device))
	}
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	return &out[Heard]{a.heardOf(ctx, found[0])}, nil
}

// heardOf is what was heard of a device, with the message itself for who may act there.
func (a *API) heardOf(ctx context.Context, h devices.Heard) Heard {
	v := Heard{Device: h.Device, Locality: h.Locality, Kind: h.Kind, Reason: h.Reason, Provisional: h.Provisional, First: h.First, Last: h.Last,
		Earliest: moment(h.Earliest), Count: h.Count, Topic: h.Topic, Gateway: h.Gateway}
	if a.Asker(ctx).Scope.Holds(devices.PlaceOf(h.Locality)) {
		v.Sample, v.Binary = payload(h.Sample)
	}
	v.Draft = RegistrationDraft{Device: DeviceInput{ID: h.Device}, Locality: h.Locality, From: h.First}
	if k := a.Registry.Catalogue.Kind(h.Kind); k != nil && !k.Computed && h.Kind != telemetry.Status {
		v.Draft.Device.Kinds = []telemetry.Kind{h.Kind}
	}
	if !h.Earliest.IsZero() && h.Earliest.Before(h.First) {
		v.Draft.From = h.Earliest
	}
	return v
}

// file is an answer of bytes. What people upload is never to be run: the browser
// is told not to guess its type and to sandbox it.
type file struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Sniff       string `header:"X-Content-Type-Options"`
	Policy      string `header:"Content-Security-Policy"`
	Cache       string `header:"Cache-Control"`
	Body        []byte
}

func fileOf(mime, disposition, cache string, body []byte) *file {
	return &file{ContentType: mime, Disposition: disposition, Sniff: "nosniff", Policy: "default-src 'none'; sandbox", Cache: cache, Body: body}
}
