package city

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestActorsStopLastFirst(t *testing.T) {
	var mu sync.Mutex
	var ended []string
	note := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, name)
			return ctx.Err()
		}
	}
	var a actors
	for _, name := range []string{"HTTP", "loader", "gateways", "simulator"} {
		a.add(name, note(name))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.run(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	if want := []string{"simulator", "gateways", "loader", "HTTP"}; !slices.Equal(ended, want) {
		t.Errorf("ended in the order %v, want %v", ended, want)
	}
}

func TestActorsFailTogether(t *testing.T) {
	var a actors
	a.add("waits", func(ctx context.Context) error { <-ctx.Done(); return nil })
	a.add("fails", func(context.Context) error { return errors.New("no more") })
	if err := a.run(context.Background(), time.Minute); err == nil || err.Error() != "fails: no more" {
		t.Errorf("error is %v", err)
	}
	a = nil
	a.add("ends", func(context.Context) error { return nil })
	if err := a.run(context.Background(), time.Minute); err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("error is %v", err)
	}
	a = nil
	stuck := make(chan struct{})
	defer close(stuck)
	a.add("stuck", func(context.Context) error { <-stuck; return nil })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.run(ctx, time.Millisecond); err == nil || !strings.Contains(err.Error(), "stuck did not stop") {
		t.Errorf("error is %v", err)
	}
}
