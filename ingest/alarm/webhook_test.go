package alarm_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/alarm"
)

// webhook is one whose other end is a receiver.
func webhook(t *testing.T, r *receiver) *alarm.Webhook {
	t.Helper()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	w, err := alarm.NewWebhook(server.URL, []byte("secret"), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.Retry = time.Millisecond
	return w
}

// The webhook is told once of each event, in order and signed, also when the
// receiver was away.
func TestWebhook(t *testing.T) {
	r := &receiver{refuse: 3}
	w := webhook(t, r)
	p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{Webhook: w})
	p.minutes(20, steady(8.2)) // nobody is sending yet, and nobody waits
	run(t, w.Run)
	if _, err := p.engine.Acknowledge(t.Context(), p.engine.Firing()[0].ID, "lan", ""); err != nil {
		t.Fatal(err)
	}
	p.minutes(40, steady(7))
	want := []string{"1-raised flood-bd1-dong-trang ", "1-acknowledged flood-bd1-dong-trang lan", "1-cleared flood-bd1-dong-trang lan"}
	await(t, "three events", func() bool { return len(r.got()) >= len(want) })
	if got := r.got(); !slices.Equal(got, want) || r.bad != nil {
		t.Errorf("got %q, bad %q", got, r.bad)
	}
}

// What the receiver had not taken when the process ended is told after the next
// start, each event as it was, the gravest alarm's first, and once; what it had taken is not told
// again, nor is what happened while nobody was to be told.
func TestWebhookOutlivesTheProcess(t *testing.T) {
	r := &receiver{}
	p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{})
	p.minutes(20, steady(8.2)) // without a webhook
	p.close()
	p.options.Webhook = webhook(t, r)
	p.open()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.options.Webhook.Run(ctx) }()
	p.minutes(20, steady(9.7))
	await(t, "the first event", func() bool { return len(r.got()) == 1 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := p.engine.Acknowledge(t.Context(), 2, "lan", "đã báo xã"); err != nil {
		t.Fatal(err)
	}
	p.minutes(40, steady(7))
	p.close()
	p.options.Webhook = webhook(t, r)
	p.open()
	p.minutes(5, steady(7))
	run(t, p.options.Webhook.Run)
	want := []string{"2-raised flood-bd2-dong-trang ", "2-acknowledged flood-bd2-dong-trang lan", "2-cleared flood-bd2-dong-trang lan", "1-cleared flood-bd1-dong-trang "}
	await(t, "all events", func() bool { return len(r.got()) >= len(want) })
	if _, ok, err := p.ledger.NextEvent(t.Context()); ok || err != nil {
		t.Errorf("an event is still to be told: %v", err)
	}
	if got := r.got(); !slices.Equal(got, want) || r.bad != nil {
		t.Errorf("got %q, bad %q", got, r.bad)
	}
	for _, e := range r.events {
		if e.Alarm.Cleared.IsZero() == (e.Event == "cleared") || e.At.IsZero() || e.Alarm.Note != map[bool]string{true: "đã báo xã"}[e.Alarm.AcknowledgedBy != ""] {
			t.Errorf("%s tells of another moment: %+v", e.ID, e)
		}
	}
}

// While a receiver is away a graver alarm is raised: that is the first it hears of.
func TestWebhookTellsTheGravestFirst(t *testing.T) {
	r := &receiver{refuse: 1}
	w := webhook(t, r)
	w.Retry = time.Hour // nothing is tried again before the test has said so
	p := start(t, local(2026, 11, 22, 8, 0), "flood-bd", alarm.Options{Webhook: w})
	p.minutes(20, steady(8.2))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	await(t, "báo động I is refused", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.refuse == 0 })
	p.minutes(20, steady(9.7))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	run(t, w.Run)
	want := []string{"2-raised flood-bd2-dong-trang ", "1-raised flood-bd1-dong-trang "}
	await(t, "both events", func() bool { return len(r.got()) >= len(want) })
	if got := r.got(); !slices.Equal(got, want) || r.bad != nil {
		t.Errorf("got %q, bad %q", got, r.bad)
	}
}
