package access

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// DevicesKey is the key of a huma operation's metadata that, where it is true, lets
// devices in too: by HTTP Basic, with the user name and the secret that they have at the
// broker.
const DevicesKey = "devices"

const (
	// deviceBurst is how many wrong secrets an address may send in a row, and deviceEvery
	// how often it may then send one more. A whole city's devices can share the one address
	// of a mobile operator, hence not few.
	deviceBurst = 20
	deviceEvery = time.Second
)

// AskingDevice is the device that asks in this context, and what it may do; false if it is no
// device.
func AskingDevice(ctx context.Context) (Grant, bool) {
	g := requestOf(ctx).device
	if g == nil {
		return Grant{}, false
	}
	return *g, true
}

// RemoteOf is where the request of this context comes from.
func RemoteOf(ctx context.Context) netip.AddrPort {
	return netip.AddrPortFrom(requestOf(ctx).remote, 0)
}

// NoteOutside writes down that who asks in this context may not do something where it
// belongs.
func (c *Control) NoteOutside(ctx context.Context, why Reason, what string) {
	q := requestOf(ctx)
	c.journal.refused(Event{Action: RequestRefused, Who: q.Principal.String(), Reason: string(why), Detail: what, Remote: q.caller().remote()})
}

// basicOf is what an operation that lets devices in was shown of one.
func basicOf(ctx huma.Context) (username string, secret Secret, ok bool) {
	if devices, _ := ctx.Operation().Metadata[DevicesKey].(bool); !devices {
		return "", "", false
	}
	r := http.Request{Header: http.Header{"Authorization": {ctx.Header("Authorization")}}}
	username, password, ok := r.BasicAuth()
	return username, Secret(password), ok
}

// device lets a device through to an operation.
func (c *Control) device(ctx huma.Context, username string, secret Secret, next func(huma.Context)) {
	q := requestOf(ctx.Context())
	g, err := c.authenticateHTTP(ctx.Context(), q.remote, username, secret)
	if err != nil {
		refuseOperation(ctx, err)
		return
	}
	q.device = &g
	next(huma.WithContext(ctx, context.WithValue(ctx.Context(), requestKey{}, q)))
}

// authenticateHTTP is [Control.Authenticate] for HTTP. Who has sent too many wrong secrets
// from an address is not looked at; the devices that were right the last time are.
func (c *Control) authenticateHTTP(ctx context.Context, from netip.Addr, username string, secret Secret) (Grant, error) {
	if wait := c.limits.deviceWait(from, c.now()); wait > 0 {
		if k, known := c.doorbell.know(DeviceOf(username)); !known || k.refused.Action != "" {
			e := fault(ReasonTooMany, "", int64((wait+time.Second-1)/time.Second))
			e.RetryAfter = wait
			return Grant{}, e
		}
	}
	g, err := c.Authenticate(ctx, "", username, secret, netip.AddrPortFrom(from, 0))
	var why Refused
	switch {
	case errors.As(err, &why):
		c.limits.deviceFailed(from, c.now())
		return g, fault(ReasonDevice, "")
	case err != nil && ctx.Err() == nil:
		c.log.Error("cannot find out whether a device may come in", "error", err)
	}
	return g, wrapped("authenticate device", err)
}

// refuseOperation answers with a problem in place of the operation.
func refuseOperation(ctx huma.Context, err error) {
	e := asError(err)
	for k, v := range e.GetHeaders() {
		ctx.SetHeader(k, v[0])
	}
	if devices, _ := ctx.Operation().Metadata[DevicesKey].(bool); devices && e.Code == Unauthenticated {
		ctx.AppendHeader("WWW-Authenticate", `Basic realm="haidang", charset="UTF-8"`)
	}
	ctx.SetHeader("Content-Type", e.ContentType(""))
	ctx.SetStatus(e.Status)
	_ = json.NewEncoder(ctx.BodyWriter()).Encode(e) // an error here means that nobody reads any more
}

// deviceWait is how long an address must wait before another unknown secret is looked at.
func (l *limits) deviceWait(from netip.Addr, now time.Time) time.Duration {
	if from.IsLoopback() { // whoever is on this machine has easier ways
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.devices.wait(Network(from), now)
}

// deviceFailed counts a wrong secret.
func (l *limits) deviceFailed(from netip.Addr, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.devices.add(Network(from), 1, now)
}
