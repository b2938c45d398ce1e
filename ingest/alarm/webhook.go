package alarm

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/haidang-iot/haidang/ingest"
)

// The headers by which a receiver knows that a call is ours and new: the signature
// is "sha256=" and the hexadecimal HMAC-SHA256, by the shared secret, of the
// timestamp (Unix seconds), a full stop and the body.
const (
	TimestampHeader = "X-Haidang-Timestamp"
	SignatureHeader = "X-Haidang-Signature"
)

const (
	// webhookTimeout bounds one call.
	webhookTimeout = 10 * time.Second
	// webhookRetry and webhookRetryMost are the first and the longest pause before
	// a call is tried again.
	webhookRetry, webhookRetryMost = time.Second, time.Minute
	// webhookRefusals is how often a receiver may refuse one event before it is given
	// up, some four minutes.
	webhookRefusals = 10
)

// Webhook posts events to a receiver, each until it has been taken: those of the
// gravest alarms first, for in a storm a slow receiver has hundreds before it, and of
// these the oldest. What is to be told stands with the alarms, so that it outlives the
// process; an event is told again, with the same id, if the process ends before it
// knows that it was taken.
type Webhook struct {
	// URL is where events are posted; Secret signs them.
	URL    string
	Secret []byte
	// Events are those that the receiver is to be told.
	Events ingest.AlarmEvents
	Client *http.Client
	Logger *slog.Logger
	Now    func() time.Time
	// Retry is the first pause before another try.
	Retry time.Duration

	wake chan struct{}
	// taken says that the receiver has taken an event since one was last given up;
	// refused is the event that it refuses, and how often it has.
	taken   bool
	refused struct {
		id    string
		times int
	}
}

// NewWebhook makes a webhook.
func NewWebhook(address string, secret []byte, events ingest.AlarmEvents, log *slog.Logger) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of the webhook is no URL: give it like https://ioc.example.vn/alarms")
	}
	return &Webhook{URL: address, Secret: secret, Events: events, Logger: log, Now: time.Now, Retry: webhookRetry, wake: make(chan struct{}, 1), Client: &http.Client{
		Timeout: webhookTimeout,
		// What is signed is for one receiver.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// look has it look for new events.
func (w *Webhook) look() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run posts until ctx ends.
func (w *Webhook) Run(ctx context.Context) error {
	retry := w.Retry
	for ctx.Err() == nil {
		e, ok, err := w.Events.NextEvent(ctx)
		if err == nil && ok {
			if away := w.tell(ctx, e); away != nil {
				if retry == w.Retry && ctx.Err() == nil {
					w.Logger.Warn("the alarm webhook does not take events; trying again", "error", away)
				}
				w.pause(ctx, retry)
				retry = min(2*retry, webhookRetryMost)
				continue // what is graver by then goes before it
			}
			retry = w.Retry
			err = w.Events.Told(context.WithoutCancel(ctx), e)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			w.Logger.Error("cannot read or write which alarm events the webhook has been told; trying again", "error", err)
			w.pause(ctx, webhookRetryMost)
		case !ok:
			select {
			case <-ctx.Done():
			case <-w.wake:
			}
		}
	}
	return nil
}

// tell posts an event once. There is no error where the event is done with: it is
// taken, or given up. A refusal, were it a 400, is no word on the event where all
// are refused: a proxy says so, and a TLS port that is spoken to in HTTP. So an event
// is given up only if it was refused often, by a receiver that took others, and none
// after it before the receiver has taken one again.
func (w *Webhook) tell(ctx context.Context, e ingest.AlarmEvent) error {
	body, err := json.Marshal(e)
	if err != nil { // a value that is no number
		w.Logger.Error("cannot encode an alarm for the webhook", "error", err)
		return nil
	}
	err, refused := w.post(ctx, body)
	if err == nil {
		w.taken = true
		return nil
	}
	if !refused {
		return err
	}
	if w.refused.id != e.ID {
		w.refused.id, w.refused.times = e.ID, 0
	}
	if w.refused.times++; !w.taken || w.refused.times < webhookRefusals {
		return err
	}
	w.taken = false
	w.Logger.Error("the alarm webhook refuses an event though it takes others; it is given up", "error", err, "event", e.Event, "rule", e.Alarm.Rule)
	return nil
}

// pause waits, but not longer than ctx.
func (w *Webhook) pause(ctx context.Context, d time.Duration) {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
}

// post makes one call; refused says that it may be the event that is refused.
func (w *Webhook) post(ctx context.Context, body []byte) (err error, refused bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address of the webhook is no URL"), false
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "haidang")
	if len(w.Secret) > 0 {
		stamp := strconv.FormatInt(w.Now().Unix(), 10)
		req.Header.Set(TimestampHeader, stamp)
		req.Header.Set(SignatureHeader, Sign(w.Secret, stamp, body))
	}
	resp, err := w.Client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which may hold a secret
		}
		return fmt.Errorf("call webhook: %w", err), false
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection serves again
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return fmt.Errorf("webhook answers %s", resp.Status), true
	}
	if resp.StatusCode/100 == 2 {
		return nil, false
	}
	return fmt.Errorf("webhook answers %s", resp.Status), false
}

// Sign is the signature of a body sent at a time.
func Sign(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
