package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Username is what a device calls itself at the broker: its id, with ~ for each
// colon. Mosquitto's password file cannot hold a colon, and no id has a ~, so the
// two can be told from each other. The id itself is accepted too.
func Username(d telemetry.Device) string { return strings.ReplaceAll(string(d), ":", "~") }

// DeviceOf is the device that calls itself so.
func DeviceOf(username string) telemetry.Device {
	return telemetry.Device(strings.ReplaceAll(username, "~", ":"))
}

// Grant is what a device may do at the broker. It holds for the moment at which
// it was asked for: a device that is moved has to connect again.
type Grant struct {
	// Identity is the device's id.
	Identity string
	// Publish are topics, Subscribe filters; none has a wildcard.
	Publish, Subscribe []string
}

// Refused is why a device may not do something. It goes to the journal and the
// log; the device learns only that it may not.
type Refused string

// The refusals.
const (
	RefusedUnknown      Refused = "unknown_device"
	RefusedNoCredential Refused = "no_credential"
	RefusedSecret       Refused = "wrong_secret"
	RefusedOldSecret    Refused = "revoked_or_expired_secret"
	RefusedNowhere      Refused = "not_installed"
	RefusedRetired      Refused = "retired"
	RefusedTopic        Refused = "not_its_topic"
	RefusedWildcard     Refused = "wildcard"
	// RefusedClientID is of brokers whose sessions have no owner: there it would take
	// over another's.
	RefusedClientID Refused = "client_id_of_another"
)

// Error implements error.
func (r Refused) Error() string { return string(r) }

// known reports whether a text is one of the refusals.
func (r Refused) known() bool {
	return slices.Contains([]Refused{RefusedUnknown, RefusedNoCredential, RefusedSecret, RefusedOldSecret, RefusedNowhere,
		RefusedRetired, RefusedTopic, RefusedWildcard, RefusedClientID}, r)
}

// Authenticate lets a device in at the broker and says what it may do there. The
// error is a [Refused], which is in the journal then, or a fault of the store.
func (c *Control) Authenticate(ctx context.Context, clientID, username string, password Secret, remote netip.AddrPort) (Grant, error) {
	device := DeviceOf(username)
	s, err := c.recognise(ctx, device, password)
	var g Grant
	if err == nil {
		g, err = c.grant(device, s)
	}
	var why Refused
	switch {
	case errors.As(err, &why):
		e := Event{Action: CredentialRefused, At: c.now(), Count: 1, Subject: Username(device), Reason: string(why), Detail: clientDetail(clientID), Remote: addressOf(remote)}
		c.journal.refused(e)
		c.doorbell.refuse(device, e)
	case err == nil:
		// It is let in also where that cannot be noted.
		if err := c.admitted(ctx, device, clientID, remote); err != nil {
			c.log.Warn("cannot note that a device was let in", "device", device, "error", err)
		}
	}
	return g, err
}

func clientDetail(id string) string {
	if id == "" {
		return ""
	}
	return "client " + id
}

func addressOf(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().Unmap().String()
}

// recognise checks a secret. All of a device's credentials are compared, in the
// same time whichever it is; who has none is compared with one that nobody has.
func (c *Control) recognise(ctx context.Context, device telemetry.Device, password Secret) (s devices.Standing, err error) {
	if telemetry.CheckID(string(device)) != nil {
		return s, RefusedUnknown
	}
	var all []Credential
	err = c.store.Read(ctx, func(r Reader) error {
		if s, err = standing(ctx, r, device); err != nil {
			return err
		}
		all, err = r.Credentials(ctx, device)
		return err
	})
	if errors.Is(err, ErrMissing) {
		return s, RefusedUnknown
	}
	if err != nil {
		return s, fmt.Errorf("read credentials: %w", err)
	}
	now, right, old, some := c.now(), false, false, false
	for _, one := range all[:min(len(all), 8)] { // old ones only to say so
		same := deviceSecretIs(password, one.Sealed)
		good := live(one, now)
		some, right, old = some || good, right || same && good, old || same && !good
	}
	switch {
	case right:
		return s, nil
	case old:
		return s, RefusedOldSecret
	case !some:
		return s, RefusedNoCredential
	}
	return s, RefusedSecret
}

// grant is what a device may do where it stands.
func (c *Control) grant(device telemetry.Device, s devices.Standing) (Grant, error) {
	if s.State == devices.Retired {
		return Grant{}, RefusedRetired
	}
	l, ok := standsIn(s, c.now())
	if !ok || telemetry.CheckID(string(l)) != nil {
		return Grant{}, RefusedNowhere
	}
	return grantAt(l, s.Kinds, device), nil
}

// standsIn is the locality where a device stands at a moment; false if nowhere.
func standsIn(s devices.Standing, at time.Time) (telemetry.Locality, bool) {
	for _, i := range s.Installations {
		if i.Holds(at) {
			return i.Locality, true
		}
	}
	return "", false
}

func grantAt(l telemetry.Locality, kinds []telemetry.Kind, device telemetry.Device) Grant {
	g := Grant{Identity: string(device), Subscribe: []string{topic(l, "command", device)}}
	for _, k := range kinds {
		if telemetry.CheckID(string(k)) == nil && k != telemetry.Status && k != "command" {
			g.Publish = append(g.Publish, topic(l, string(k), device))
		}
	}
	g.Publish = append(g.Publish, topic(l, string(telemetry.Status), device))
	return g
}

func topic(l telemetry.Locality, level string, d telemetry.Device) string {
	return "kh/" + string(l) + "/" + level + "/" + string(d)
}

// TopicAction is what a device wants to do with a topic.
type TopicAction string

// The actions.
const (
	Publish   TopicAction = "publish"
	Subscribe TopicAction = "subscribe"
)

// Authorize says whether a device that a broker has let in may do something now:
// for brokers that ask at every topic. The error is as that of
// [Control.Authenticate].
func (c *Control) Authorize(ctx context.Context, username string, action TopicAction, name string, remote netip.AddrPort) error {
	device := DeviceOf(username)
	var s devices.Standing
	err := c.store.Read(ctx, func(r Reader) (err error) {
		s, err = standing(ctx, r, device)
		return err
	})
	var g Grant
	switch {
	case errors.Is(err, ErrMissing):
		err = RefusedUnknown
	case err != nil:
		return fmt.Errorf("read registry: %w", err)
	default:
		g, err = c.grant(device, s)
	}
	if err == nil {
		err = g.allows(action, name)
	}
	if err != nil {
		c.journal.refused(Event{Action: TopicRefused, Subject: username, Reason: err.Error(), Detail: string(action) + " " + name, Remote: addressOf(remote)})
	}
	return err
}

func (g Grant) allows(action TopicAction, name string) error {
	allowed := g.Publish
	if action == Subscribe {
		allowed = g.Subscribe
	}
	switch {
	case slices.Contains(allowed, name) && (action == Publish || action == Subscribe):
		return nil
	case strings.ContainsAny(name, "+#"):
		return RefusedWildcard
	}
	return RefusedTopic
}
