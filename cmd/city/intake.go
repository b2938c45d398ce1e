package city

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/api"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/door"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// taker is the door as HTTP's messages need it.
type taker interface {
	Take(ctx context.Context, from door.Grant, messages []ingest.Message) error
}

// intake lets messages in that come over HTTP, in the name of who asks: the same door,
// the same rights as by MQTT.
type intake struct {
	control *access.Control
	// door is nil until there is one, and stays so in a process that has none.
	door atomic.Pointer[taker]
}

// open gives it the door.
func (i *intake) open(d taker) { i.door.Store(&d) }

// sender is who asks, as the door knows them.
func (i *intake) sender(ctx context.Context) (api.Sender, error) {
	if g, ok := access.AskingDevice(ctx); ok {
		return api.Sender{Name: "device " + g.Identity, May: i.deviceMay(ctx, g), Take: i.take(door.Grant{Identity: g.Identity, Publish: g.Publish})}, nil
	}
	p := access.Actor(ctx)
	publish := []string{"#"}
	if s := p.Scope(); !s.All {
		publish = nil
		for _, l := range s.Only {
			publish = append(publish, ingest.TopicsOf(l)+"#")
		}
	}
	return api.Sender{Name: "account " + p.Account, May: i.personMay(ctx), Take: func(ctx context.Context, messages []ingest.Message) error {
		from := door.Grant{Identity: p.String(), Publish: publish}
		// A program speaks for many devices. One message is its device's, and counts as such;
		// a batch is what a logger or another server has gathered of all of them.
		if device := codec.TopicDevice(messages[0].Topic); len(messages) == 1 && device != "" {
			from.Identity = string(device)
		} else {
			from.Internal = true
		}
		return i.take(from)(ctx, messages)
	}}, nil
}

const (
	// mostShown is how much of a topic is repeated to who sent it.
	mostShown = 128
	// notAuthorized is what MQTT 5 calls it.
	notAuthorized = 0x87
)

// deviceMay says why a device may not send to a topic: as by MQTT, only to its own.
func (i *intake) deviceMay(ctx context.Context, g access.Grant) func(string) *api.Problem {
	return func(topic string) *api.Problem {
		if slices.Contains(g.Publish, topic) {
			return nil
		}
		shown, own := terminal.Shown(topic, mostShown), strings.Join(g.Publish, ", ")
		i.control.NoteRefused(access.Refusal{Kind: string(access.Publish), Username: access.Username(telemetry.Device(g.Identity)), Known: true, Topic: topic,
			Code: notAuthorized, Remote: access.RemoteOf(ctx)})
		return api.Forbidden(string(access.RefusedTopic), fmt.Sprintf("Thiết bị %s không được gửi đến %q; chỉ được gửi đến %s.", g.Identity, shown, own),
			fmt.Sprintf("Device %s may not send to %q, only to %s.", g.Identity, shown, own))
	}
}

// personMay says why an account may not send to a topic: what its locality is.
func (i *intake) personMay(ctx context.Context) func(string) *api.Problem {
	guard := scoped{i.control}
	return func(topic string) *api.Problem {
		err := guard.May(ctx, "message", terminal.Shown(topic, mostShown), ingest.LocalityOf(topic))
		var e *access.Error
		if errors.As(err, &e) {
			i.control.NoteOutside(ctx, e.Reason, string(access.Publish)+" "+topic)
			return api.Forbidden(string(e.Reason), e.VI, e.EN)
		}
		return nil
	}
}

func (i *intake) take(from door.Grant) func(context.Context, []ingest.Message) error {
	return func(ctx context.Context, messages []ingest.Message) error {
		d := i.door.Load()
		if d == nil {
			return api.ErrNoDoor
		}
		err := (*d).Take(ctx, from, messages)
		if errors.Is(err, door.ErrTooMany) {
			return fmt.Errorf("%w: %w", api.ErrTooMany, err)
		}
		return err
	}
}

// ingestPath begins the paths at which messages come over HTTP.
const ingestPath = "/api/v1/ingest/"

// isCommand reports whether a topic is for commands to devices.
func isCommand(topic string) bool {
	levels := strings.SplitN(topic, "/", 4)
	return len(levels) > 2 && levels[0] == codec.Root && levels[2] == "command"
}
