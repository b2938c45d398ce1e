package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
)

const (
	// maxPayload bounds one message that comes over HTTP, maxBatch and mostMessages a
	// request with several.
	maxPayload   = 256 << 10
	maxBatch     = 4 << 20
	mostMessages = 1000
	// bodyTime is how long a body may take: a device's right to send is not looked at
	// again meanwhile.
	bodyTime = 10 * time.Second
	// takeTime is how long the journal is waited for.
	takeTime = 20 * time.Second
)

// Sender is who sends messages over HTTP, and what they may.
type Sender struct {
	// Name tells the sender from all others.
	Name string
	// May is why the sender may not publish to a topic, nil if they may; it notes the
	// attempt.
	May func(topic string) *Problem
	// Take returns when the journal has the messages, all of them. An error wraps
	// [ErrTooMany], ingest.ErrJournalFull or neither, and then it is not known which of
	// them the journal has.
	Take func(ctx context.Context, messages []ingest.Message) error
}

// ErrTooMany says that a limit of the sender's is reached; the text of the error that
// wraps it names the limit.
var ErrTooMany = errors.New("too many messages")

// ErrNoDoor says that this process takes no messages.
var ErrNoDoor = errors.New("this process takes no messages")

// Door takes messages over HTTP, of what cannot speak MQTT.
type Door struct {
	// Sender is who asks in a context.
	Sender func(context.Context) (Sender, error)
	// NotTelemetry says which topics are for no readings, such as commands to devices.
	NotTelemetry func(topic string) bool
	Now          func() time.Time
}

type messageInput struct {
	Locality string `path:"locality" doc:"As in the MQTT topic kh/<locality>/<kind>/<device>" example:"nha-trang"`
	Kind     string `path:"kind" example:"air_quality"`
	Device   string `path:"device" example:"esp32-07"`
	Key      string `header:"Idempotency-Key" doc:"Another for every message, and the same where it is sent again for want of an answer: what comes again with the same key is stored once. Not needed where the payload has a ts"`
	Type     string `header:"Content-Type" hidden:"true"`
	bodyInput
}

type batchInput struct {
	Key  string `header:"Idempotency-Key" doc:"The same where the whole request is sent again. Not needed where every message has a ts or a time"`
	Type string `header:"Content-Type" hidden:"true"`
	bodyInput
}

// bodyInput reads the body of a request whose size and time are bounded here, so that who
// goes beyond is told so in both languages.
type bodyInput struct{ ctx huma.Context }

// Resolve implements huma.Resolver.
func (b *bodyInput) Resolve(ctx huma.Context) []error {
	b.ctx = ctx
	return nil
}

func (b *bodyInput) read(most int64) ([]byte, error) {
	if err := b.ctx.SetReadDeadline(time.Now().Add(bodyTime)); err != nil {
		return nil, fmt.Errorf("set deadline of request: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(b.ctx.BodyReader(), most+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, problem(http.StatusRequestTimeout, "too_slow", fmt.Sprintf("Nội dung gửi lâu hơn %v.", bodyTime), fmt.Sprintf("The body took longer than %v.", bodyTime))
	case err != nil:
		return nil, problem(http.StatusBadRequest, "cut_off", "Nội dung gửi bị cắt ngang.", "The body was cut off.")
	case int64(len(body)) > most:
		return nil, problem(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("Nội dung gửi quá lớn; tối đa %d byte.", most), fmt.Sprintf("The body is too large; %d bytes are the limit.", most))
	}
	return body, nil
}

// Taken says that the journal has messages.
type Taken struct {
	Taken   int `json:"taken" doc:"How many messages the journal has now"`
	Refused int `json:"refused,omitempty" doc:"How many of a batch were not taken, and need not be sent again as they are"`
	// Messages has an answer for each message of a batch, in its order.
	Messages []Answer `json:"messages,omitempty" doc:"Of a batch: the answer to each message, in order"`
}

// Answer is what became of one message of a batch.
type Answer struct {
	Status int    `json:"status" doc:"202: the journal has it; else why not: 403, 413 or 422"`
	Code   string `json:"code,omitempty" doc:"Of one that was refused: a stable word, and why in both languages"`
	VI     string `json:"vi,omitempty"`
	EN     string `json:"en,omitempty"`
}

type takenOutput struct{ Body Taken }

// Register adds the operations to a huma API.
func (d Door) Register(api huma.API) {
	problem := &huma.Response{Description: "What is wrong, in Vietnamese and English: 401 no or a wrong credential, 403 not its topic or locality, 413 too large, 415 no JSON by its Content-Type, " +
		"422 no topic, 429 a limit of the sender's, 503 the journal is full or does not answer; of the last two Retry-After says when to try again",
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")}}}
	operation := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/api/v1/ingest/" + path, Summary: summary, Description: description, Tags: []string{"ingest"},
			Metadata: map[string]any{"role": "field", "devices": true}, DefaultStatus: http.StatusAccepted, Responses: map[string]*huma.Response{"default": problem}}
	}
	one := operation("send-message", "{locality}/{kind}/{device}", "Send a message as by MQTT", oneDescription)
	huma.Register(api, one, d.one)
	batch := operation("send-messages", "batch", "Send several messages as by MQTT", batchDescription)
	huma.Register(api, batch, d.batch)
	// Bodies are documented when all is registered: huma would check them, and a payload
	// that is no JSON is the quarantine's matter.
	item := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Item](), true, "Item")
	body := func(o huma.Operation, content map[string]*huma.MediaType) {
		api.OpenAPI().Paths[o.Path].Post.RequestBody = &huma.RequestBody{Required: true, Content: content}
	}
	body(one, map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Description: "As the device would publish it"}, Example: examplePayload()}})
	body(batch, map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: "array", Items: item}, Example: exampleItems()},
		ndjson:             {Schema: item, Example: exampleItems()[0]}})
}

const oneDescription = `For what cannot speak MQTT: loggers, the webhooks of LoRaWAN servers. The body is the payload as the device would publish it to kh/<locality>/<kind>/<device>, at most 256 KiB.
202 means what PUBACK means: the journal has it. As by MQTT, what the path and the payload say is looked at afterwards, and what cannot be stored is in quarantine with the reason.
A device shows its user name and secret by HTTP Basic and may send what it may publish; a program shows a token of scope register or higher and may send what belongs to its account's localities; on the city's own machine, while nobody has an account, nobody is asked.
Send it again until there is an answer. A payload with a ts is stored once however often it comes; one without is, where it comes again with the same Idempotency-Key, and else it is another reading of the time when it came.`

const batchDescription = `As send-message, for up to 1,000 messages in 4 MiB: a JSON array, or with application/x-ndjson one message a line. A message has a topic, or locality, kind and device; a payload, which is any JSON, or as a string the text of one that is no JSON; and, where the payload has no ts, the time when it was measured.
The journal has all messages whose status in the answer is 202. The others will not be taken however often they are sent. If none can be taken, the whole request is refused with the reasons of each.`

func examplePayload() any {
	return map[string]any{"ts": 1795293000123, "pm25": 12.4, "pm10": 30.1, "bat": 3.7}
}

func exampleItems() []any {
	return []any{
		map[string]any{"topic": "kh/nha-trang/air_quality/esp32-07", "payload": examplePayload()},
		map[string]any{"locality": "cam-ranh", "kind": "water_level", "device": "lora-a840", "time": "2026-11-29T08:15:00+07:00", "payload": map[string]any{"level": 1.42}},
	}
}

func (d Door) one(ctx context.Context, in *messageInput) (*takenOutput, error) {
	sender, err := d.Sender(ctx)
	if err != nil {
		return nil, err
	}
	if !isJSON(in.Type) {
		return nil, unsupported(in.Type, "application/json")
	}
	topic := strings.Join([]string{"kh", in.Locality, in.Kind, in.Device}, "/")
	if err := d.may(sender, topic); err != nil {
		return nil, err
	}
	payload, err := in.read(maxPayload)
	if err != nil {
		return nil, err
	}
	m := d.message(topic, payload, keyOf(sender.Name, in.Key, 0))
	if err := d.take(ctx, sender, []ingest.Message{m}); err != nil {
		return nil, err
	}
	return &takenOutput{Taken{Taken: 1}}, nil
}

func (d Door) batch(ctx context.Context, in *batchInput) (*takenOutput, error) {
	sender, err := d.Sender(ctx)
	if err != nil {
		return nil, err
	}
	body, err := in.read(maxBatch)
	if err != nil {
		return nil, err
	}
	items, err := readBatch(in.Type, body)
	if err != nil {
		return nil, err
	}
	var messages []ingest.Message
	var refused *Problem // of all messages, or the first reason
	out := Taken{Messages: make([]Answer, len(items))}
	for i, item := range items {
		topic, payload, err := item.message()
		if err == nil {
			err = d.may(sender, topic)
		}
		if err != nil {
			p := asProblem(err)
			out.Refused++
			out.Messages[i] = Answer{p.Status, p.Code, p.VI, p.Detail}
			refused = refused.with(p, fmt.Sprintf("messages[%d]", i))
			continue
		}
		out.Taken++
		out.Messages[i] = Answer{Status: http.StatusAccepted}
		messages = append(messages, d.message(topic, payload, keyOf(sender.Name, in.Key, i)))
	}
	if len(messages) == 0 {
		return nil, refused
	}
	if err := d.take(ctx, sender, messages); err != nil {
		return nil, err
	}
	return &takenOutput{out}, nil
}

// may says why nothing may be sent to a topic.
func (d Door) may(s Sender, topic string) error {
	if p := checkTopic(topic); p != nil {
		return p
	}
	if d.NotTelemetry(topic) {
		return problem(http.StatusUnprocessableEntity, "not_telemetry", fmt.Sprintf("Chủ đề %q là lệnh cho thiết bị, không phải số đo; hãy gửi lệnh qua MQTT.", shown(topic)),
			fmt.Sprintf("The topic %q is for commands to devices, not for readings; send commands by MQTT.", shown(topic)))
	}
	if p := s.May(topic); p != nil {
		return p
	}
	return nil
}

// message is what came, as the journal keeps it.
func (d Door) message(topic string, payload []byte, key uint64) ingest.Message {
	return ingest.Message{Topic: topic, Payload: payload, FullSize: len(payload), Received: d.Now().Truncate(time.Millisecond), QoS: 1, Key: key}
}

// take has the journal take messages.
func (d Door) take(ctx context.Context, s Sender, messages []ingest.Message) error {
	ctx, cancel := context.WithTimeout(ctx, takeTime)
	defer cancel()
	err := s.Take(ctx, messages)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNoDoor):
		return problem(http.StatusServiceUnavailable, "no_door", "Tiến trình này không nhận bản tin; hãy gửi đến nơi chạy haidang up.", "This process takes no messages; send them to where haidang up runs.").after(time.Hour)
	case errors.Is(err, ErrTooMany):
		return problem(http.StatusTooManyRequests, "too_many_messages", "Gửi quá nhiều: "+err.Error()+". Hãy gửi chậm lại.", "Too much was sent: "+err.Error()+". Send less often.").after(time.Minute)
	case errors.Is(err, ingest.ErrJournalFull):
		return problem(http.StatusServiceUnavailable, "journal_full", "Hàng chờ đã đầy nên không nhận thêm; hãy gửi lại sau.", "The journal is full, so nothing was taken; send it again later.").after(time.Minute)
	default:
		return problem(http.StatusServiceUnavailable, "journal_unavailable", "Hàng chờ chưa xác nhận nên không rõ đã nhận hay chưa; hãy gửi lại.",
			"The journal has not confirmed it, so it is not known whether it was taken; send it again.").after(5 * time.Second)
	}
}
