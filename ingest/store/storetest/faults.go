package storetest

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/store"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// duringFault writes while the fault is there, which must fail but reject
// nothing, and again when it is gone, which must succeed; after that everything
// is stored once. During the fault it writes to the store that is given.
func (s *subject) duringFault(f Fault, with store.Store) {
	s.t.Helper()
	m, now := NewMaker(s.t), Now()
	before := []telemetry.Point{m.Air(1, now, 1), m.Air(2, now, 2)}
	during := []telemetry.Point{m.Air(1, now.Add(time.Second), 3, 4), m.Air(3, now, 5), before[0]}
	s.write(before...)
	s.Proxy.Set(f)
	patient := s.Store
	s.Store = with
	for range 2 {
		s.wantFailed(s.t.Context(), during)
	}
	s.Store = patient
	s.Proxy.Set(nil)
	s.write(during...)
	s.wantStored(append(before, during...)...)
}

// needProxy skips where there is no server to have faults.
func (s *subject) needProxy() {
	s.t.Helper()
	if s.Proxy == nil {
		s.t.Skip("the engine is part of the store")
	}
}

func answers500(t *testing.T, s *subject) {
	s.needProxy()
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		s.duringFault(Answer(status, "application/json", `{"code":"internal error","message":"engine: disk gone"}`), s.Store)
	}
}

func answerLost(_ *testing.T, s *subject) {
	s.needProxy()
	s.duringFault(AnswerLost, s.Store)
}

func breaks(_ *testing.T, s *subject) {
	s.needProxy()
	s.duringFault(Break, s.Store)
}

func hangs(t *testing.T, s *subject) {
	s.needProxy()
	// The store's own patience ends the writes.
	const patience = 300 * time.Millisecond
	started := time.Now()
	s.duringFault(Hang, s.WithTimeout(patience))
	if took := time.Since(started); took < 2*patience {
		t.Errorf("two writes to a server that does not answer took %v, the timeout is %v", took, patience)
	}

	// The caller's context ends a write of a patient store.
	s.Proxy.Set(Hang)
	defer s.Proxy.Set(nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m := NewMaker(t)
	if err := s.wantFailed(ctx, []telemetry.Point{m.Air(1, Now(), 1)}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the context's", err)
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
