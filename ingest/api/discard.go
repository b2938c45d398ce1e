package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxDiscardTime bounds one request; what is left is told as next.
const maxDiscardTime = 20 * time.Second

// QuarantineUse is how full the quarantine is, beside its bounds.
type QuarantineUse struct {
	ingest.QuarantineUse
	Budget       int64 `json:"budget" doc:"Bytes; what is over leaves, the oldest of the device with the most first"`
	DeviceBudget int64 `json:"device_budget" doc:"Bytes of one device"`
	DeviceCount  int64 `json:"device_count" doc:"Messages of one device"`
	AgeSeconds   int64 `json:"age_seconds" doc:"How long a message waits before it leaves"`
}

func quarantineUse(u ingest.QuarantineUse, b ingest.Bounds) QuarantineUse {
	if u.Heaviest == nil {
		u.Heaviest = []ingest.DeviceShare{}
	}
	if u.Discarded == nil {
		u.Discarded = []ingest.DiscardCount{}
	}
	return QuarantineUse{QuarantineUse: u, Budget: b.Bytes, DeviceBudget: b.DeviceBytes, DeviceCount: b.DeviceCount, AgeSeconds: int64(b.Age / time.Second)}
}

// Selection says which messages are let go, and why.
type Selection struct {
	Gateway string    `json:"gateway,omitempty" maxLength:"64"`
	Reason  string    `json:"reason,omitempty" maxLength:"64"`
	Device  string    `json:"device,omitempty" maxLength:"64"`
	Topic   string    `json:"topic,omitempty" maxLength:"65535" doc:"A topic, or with a trailing * all that begin so"`
	Before  time.Time `json:"before,omitzero" doc:"Those that came into quarantine before"`
	After   int64     `json:"after,omitempty" minimum:"0" doc:"Only ids greater than this: next of the answer before"`
	Why     string    `json:"why" minLength:"3" maxLength:"200" doc:"Why they are let go, for the journal of access"`
	DryRun  bool      `json:"dry_run,omitempty" doc:"Only count them"`
}

type discardBody struct {
	Body struct {
		IDs []int64 `json:"ids,omitempty" maxItems:"500"`
		Selection
	}
}

type purgeBody struct {
	Body struct {
		All bool `json:"all,omitempty" doc:"Needed where nothing else selects"`
		Selection
	}
}

func (s Selection) filter() ingest.QuarantineFilter {
	return ingest.QuarantineFilter{Gateway: s.Gateway, Reason: telemetry.Reason(s.Reason), Device: telemetry.Device(s.Device), Topic: s.Topic, Before: s.Before, After: s.After}
}

// empty reports whether it selects everything.
func (s Selection) empty() bool {
	return s.Gateway == "" && s.Reason == "" && s.Device == "" && s.Topic == "" && s.Before.IsZero()
}

func (g Ingest) registerDiscard(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "discard-quarantine", Method: http.MethodPost, Path: "/api/v1/quarantine/discard",
		Summary: "Let quarantined messages go for good, by id or filter",
		Description: "They are counted as discarded; one that is stored in part stays stored. Who did it and why is in the journal of access. " +
			"Goes on for some seconds; repeat with after = next until next is 0.", Tags: []string{"ingest"}, Metadata: role("operator")}, g.discard)
	huma.Register(api, huma.Operation{OperationID: "purge-quarantine", Method: http.MethodPost, Path: "/api/v1/quarantine/purge",
		Summary:     "Let all quarantined messages go that a filter selects",
		Description: "As discard-quarantine, without ids. It is done even while the loader waits for the store or the disk: it makes room.",
		Tags:        []string{"ingest"}, Metadata: role("operator")}, g.purge)
}

func (g Ingest) discard(ctx context.Context, in *discardBody) (*output[ingest.DiscardResult], error) {
	b := in.Body
	if len(b.IDs) == 0 && b.empty() {
		return nil, huma.Error422UnprocessableEntity("say which messages: ids, gateway, reason, device, topic or before; to let all go, use purge with all")
	}
	if err := g.mayMessages(ctx, b.IDs); err != nil {
		return nil, err
	}
	f := b.filter()
	f.IDs = b.IDs
	return g.letGo(ctx, f, b.Selection)
}

func (g Ingest) purge(ctx context.Context, in *purgeBody) (*output[ingest.DiscardResult], error) {
	b := in.Body
	if b.All != b.empty() {
		return nil, huma.Error422UnprocessableEntity("say which messages: before, gateway, reason, device or topic; or all, and then none of these")
	}
	return g.letGo(ctx, b.filter(), b.Selection)
}

// letGo writes down who lets go what, and does so page by page until all are gone or
// the time is up.
func (g Ingest) letGo(ctx context.Context, f ingest.QuarantineFilter, s Selection) (*output[ingest.DiscardResult], error) {
	f.Localities = g.Guard.Localities(ctx)
	total, err := g.Quarantine.Count(ctx, f)
	if err != nil {
		return nil, huma.Error500InternalServerError("the quarantine cannot be read", err)
	}
	if s.DryRun || total.Discarded == 0 {
		return &output[ingest.DiscardResult]{total}, nil
	}
	if s.After == 0 { // a request that goes on has been written down
		if err := g.Note(ctx, selected(f), fmt.Sprintf("%d messages, %d bytes: %s", total.Discarded, total.Bytes, s.Why)); err != nil {
			return nil, huma.Error500InternalServerError("it could not be written into the journal of access, so nothing was discarded", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, maxDiscardTime)
	defer cancel()
	var done ingest.DiscardResult
	for {
		r, err := g.Redriver.Discard(ctx, f)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && done.Discarded > 0:
			return &output[ingest.DiscardResult]{done}, nil
		case errors.Is(err, context.DeadlineExceeded):
			return nil, huma.Error503ServiceUnavailable("the loader is busy; nothing was discarded: try again later", err)
		case err != nil:
			return nil, huma.Error500InternalServerError(fmt.Sprintf("cut off after %d messages", done.Discarded), err)
		}
		done.Discarded, done.Partial, done.Bytes, done.Next = done.Discarded+r.Discarded, done.Partial+r.Partial, done.Bytes+r.Bytes, r.Next
		if r.Next == 0 {
			return &output[ingest.DiscardResult]{done}, nil
		}
		f.After = r.Next
	}
}

// selected says in words what a filter selects.
func selected(f ingest.QuarantineFilter) string {
	var out []string
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+" "+value)
		}
	}
	if n := len(f.IDs); n > 0 {
		add("ids", strings.Trim(fmt.Sprint(f.IDs[:min(n, 8)]), "[]"))
		if n > 8 {
			out[0] += fmt.Sprintf(" and %d more", n-8)
		}
	}
	add("gateway", f.Gateway)
	add("reason", string(f.Reason))
	add("device", string(f.Device))
	add("topic", f.Topic)
	if !f.Before.IsZero() {
		add("before", f.Before.UTC().Format(time.RFC3339))
	}
	if f.Localities != nil {
		out = append(out, fmt.Sprint("of ", f.Localities))
	}
	if len(out) == 0 {
		return "all"
	}
	return strings.Join(out, ", ")
}

// refuseCut refuses to drive messages through again of which only the beginning is
// kept, where they are named; of a filter they are passed over and counted.
func (g Ingest) refuseCut(ctx context.Context, ids []int64) error {
	for len(ids) > 0 {
		rows, next, err := g.Quarantine.Quarantine(ctx, ingest.QuarantineFilter{IDs: ids})
		if err != nil {
			return huma.Error500InternalServerError("the quarantine cannot be read", err)
		}
		for _, q := range rows {
			if q.Cut() {
				sum := "not known"
				if q.SHA256 != nil {
					sum = hex.EncodeToString(q.SHA256)
				}
				return huma.Error409Conflict(fmt.Sprintf("Bản tin %d chỉ còn phần đầu (%d trong %d byte), không chạy lại được: hãy để thiết bị gửi lại, hoặc loại bỏ nó. / "+
					"Of message %d only the beginning is kept (%d of %d bytes; SHA-256 of the whole: %s), so it cannot be driven through again: have the device send it anew, or discard it.",
					q.ID, len(q.Message.Payload), q.Message.FullSize, q.ID, len(q.Message.Payload), q.Message.FullSize, sum))
			}
		}
		if next == 0 {
			return nil
		}
		ids = slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id <= next })
	}
	return nil
}
