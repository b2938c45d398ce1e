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
	"sync"
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
	// webhookQueue is how many events wait for the receiver; beyond it the oldest
	// are dropped, for who comes back wants to know how it is now.
	webhookQueue = 1000
	// webhookTimeout bounds one call.
	webhookTimeout = 10 * time.Second
	// webhookRetry and webhookRetryMost are the first and the longest pause before
	// a call is tried again.
	webhookRetry, webhookRetryMost = time.Second, time.Minute
)

// Event is the body of a call.
type Event struct {
	// Event is raised, cleared or acknowledged.
	Event string       `json:"event"`
	At    time.Time    `json:"at"`
	Alarm ingest.Alarm `json:"alarm"`
}

// Webhook posts events to a receiver, in order, each until it has been taken. Who
// sends never waits.
type Webhook struct {
	// URL is where events are posted; Secret signs them.
	URL    string
	Secret []byte
	Client *http.Client
	Logger *slog.Logger
	Now    func() time.Time
	// Retry is the first pause before another try.
	Retry time.Duration

	mu      sync.Mutex
	queue   []Event
	dropped int
	wake    chan struct{}
}

// NewWebhook makes a webhook.
func NewWebhook(address string, secret []byte, log *slog.Logger) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the address of the webhook is no URL: give it like https://ioc.example.vn/alarms")
	}
	return &Webhook{URL: address, Secret: secret, Logger: log, Now: time.Now, Retry: webhookRetry, wake: make(chan struct{}, 1), Client: &http.Client{
		Timeout: webhookTimeout,
		// What is signed is for one receiver.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (w *Webhook) send(event string, at time.Time, a ingest.Alarm) {
	w.mu.Lock()
	if len(w.queue) >= webhookQueue {
		w.queue = w.queue[1:]
		w.dropped++
	}
	w.queue = append(w.queue, Event{event, at.UTC(), a})
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Webhook) next() (e Event, dropped int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dropped, w.dropped = w.dropped, 0
	if len(w.queue) == 0 {
		return e, dropped, false
	}
	e, w.queue = w.queue[0], w.queue[1:]
	return e, dropped, true
}

// Run posts until ctx ends.
func (w *Webhook) Run(ctx context.Context) error {
	for {
		e, dropped, ok := w.next()
		if dropped > 0 {
			w.Logger.Error("the alarm webhook was away for too long; the oldest events are lost", "lost", dropped)
		}
		if !ok {
			select {
			case <-ctx.Done():
				return nil
			case <-w.wake:
				continue
			}
		}
		if !w.deliver(ctx, e) {
			return nil
		}
	}
}

// deliver posts an event until it is taken, or refused for good; false if ctx
// ended before.
func (w *Webhook) deliver(ctx context.Context, e Event) bool {
	body, err := json.Marshal(e)
	if err != nil { // a value that is no number
		w.Logger.Error("cannot encode an alarm for the webhook", "error", err)
		return true
	}
	for pause, told := w.Retry, false; ; pause = min(2*pause, webhookRetryMost) {
		err, final := w.post(ctx, body)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			w.Logger.Warn("an alarm event was not delivered before the end", "event", e.Event, "rule", e.Alarm.Rule, "site", e.Alarm.Site)
			return false
		case final:
			w.Logger.Error("the alarm webhook refuses an event", "error", err, "event", e.Event, "rule", e.Alarm.Rule)
			return true
		case !told:
			told = true
			w.Logger.Warn("the alarm webhook does not take events; trying again", "error", err)
		}
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
		case <-wait.C:
		}
	}
}

// post makes one call; final says that another would be refused as well.
func (w *Webhook) post(ctx context.Context, body []byte) (err error, final bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address of the webhook is no URL"), true
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
	switch c := resp.StatusCode; {
	case c/100 == 2:
		return nil, false
	case c/100 == 4 && c != http.StatusRequestTimeout && c != http.StatusTooManyRequests && c != http.StatusUnauthorized && c != http.StatusForbidden && c != http.StatusNotFound:
		return fmt.Errorf("webhook answers %s", resp.Status), true
	default:
		return fmt.Errorf("webhook answers %s", resp.Status), false
	}
}

// Sign is the signature of a body sent at a time.
func Sign(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
