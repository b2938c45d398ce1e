package storetest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// duringFault writes while the fault is there, which must fail but reject
// nothing, and again when it is gone, which must succeed; after that everything
// is stored once.
func (s *subject) duringFault(f Fault) {
	s.t.Helper()
	if s.Proxy == nil {
		s.t.Skip("the engine is part of the store")
	}
	m, now := NewMaker(s.t), Now()
	before := []telemetry.Point{m.Air(1, now, 1), m.Air(2, now, 2)}
	during := []telemetry.Point{m.Air(1, now.Add(time.Second), 3, 4), m.Air(3, now, 5), before[0]}
	s.write(before...)
	s.Proxy.Set(f)
	for range 2 {
		s.wantFailed(s.t.Context(), during)
	}
	s.Proxy.Set(nil)
	s.write(during...)
	s.wantStored(append(before, during...)...)
}

func answers500(t *testing.T, s *subject) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		s.duringFault(Answer(status, "application/json", `{"code":"internal error","message":"engine: disk gone"}`))
	}
}

func answerLost(_ *testing.T, s *subject) { s.duringFault(AnswerLost) }

func breaks(_ *testing.T, s *subject) { s.duringFault(Break) }

func hangs(t *testing.T, s *subject) {
	if s.Proxy == nil {
		t.Skip("the engine is part of the store")
	}
	started := time.Now()
	s.duringFault(Hang)
	// Two writes ran into the store's own timeout.
	if took := time.Since(started); took > 2*s.Timeout+visibleWithin {
		t.Errorf("two writes to a server that does not answer took %v, the timeout is %v", took, s.Timeout)
	}

	s.Proxy.Set(Hang)
	defer s.Proxy.Set(nil)
	ctx, cancel := context.WithTimeout(t.Context(), s.Timeout/4)
	defer cancel()
	m := NewMaker(t)
	s.wantFailed(ctx, []telemetry.Point{m.Air(1, Now(), 1)})
	if ctx.Err() == nil {
		t.Error("the write did not wait for its context")
	}
}

func gone(t *testing.T, s *subject) {
	if s.Outage == nil {
		t.Skip("the engine is part of the store")
	}
	m, now := NewMaker(t), Now()
	before, during := m.Air(1, now, 1), m.Air(1, now.Add(time.Second), 2)
	s.write(before)
	s.Outage(func() {
		for range 3 {
			s.wantFailed(t.Context(), []telemetry.Point{during, before})
		}
	})
	s.write(during, before)
	s.wantStored(during, before)
}
