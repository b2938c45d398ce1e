package alarm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/alarm"
)

// owed are events that are to be told, in order.
type owed struct {
	mu     sync.Mutex
	events []string
}

func (o *owed) NextEvent(context.Context) (ingest.AlarmEvent, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.events) == 0 {
		return ingest.AlarmEvent{}, false, nil
	}
	return ingest.AlarmEvent{ID: o.events[0], Event: "raised"}, true, nil
}

func (o *owed) Told(context.Context, ingest.AlarmEvent) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = o.events[1:]
	return nil
}

func (o *owed) left() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.events)
}

// A receiver that refuses everything, as a proxy or an HTTPS port does, is told all
// once it takes something; one that refuses a single event is told the others.
func TestWebhookRefusals(t *testing.T) {
	events := func(from, to int) (out []string) {
		for i := from; i <= to; i++ {
			out = append(out, fmt.Sprintf("%d-raised", i))
		}
		return out
	}
	for _, c := range []struct {
		name    string
		refuses func(id string, calls int) bool
		lost    []string
	}{
		{"everything, at first", func(_ string, calls int) bool { return calls <= 15 }, nil},
		{"everything, for a while", func(_ string, calls int) bool { return calls > 5 && calls <= 25 }, []string{"6-raised"}},
		{"one event", func(id string, _ int) bool { return id == "3-raised" }, []string{"3-raised"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var told []string
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var e ingest.AlarmEvent
				if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if calls++; c.refuses(e.ID, calls) {
					http.Error(w, "Client sent an HTTP request to an HTTPS server.", http.StatusBadRequest)
					return
				}
				told = append(told, e.ID)
			}))
			t.Cleanup(server.Close)
			hook, err := alarm.NewWebhook(server.URL, nil, nil, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			all := &owed{events: events(1, 9)}
			hook.Events, hook.Retry = all, 1
			run(t, hook.Run)
			await(t, "all is told or given up", func() bool { return all.left() == 0 })
			mu.Lock()
			defer mu.Unlock()
			want := slices.DeleteFunc(events(1, 9), func(id string) bool { return slices.Contains(c.lost, id) })
			if !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
		})
	}
}
