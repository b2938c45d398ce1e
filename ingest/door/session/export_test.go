package session

import (
	"context"
	"fmt"
)

// Publishes reports whether Run runs.
func (s *Sessions) Publishes() bool {
	s.wills.mu.Lock()
	defer s.wills.mu.Unlock()
	return s.wills.running
}

// Rows is how many rows each table has.
func (s *Sessions) Rows(ctx context.Context) (map[string]int, error) {
	out := map[string]int{}
	for _, table := range []string{"session", "subscription", "received", "message", "delivery", "retained"} {
		var n int
		if err := s.file.db.QueryRowContext(ctx, fmt.Sprintf("SELECT COUNT(*) FROM %s", table)).Scan(&n); err != nil {
			return nil, err
		}
		out[table] = n
	}
	return out, nil
}

// Knows reports whether an identifier of QoS 2 is remembered.
func (x *Session) Knows(id uint16) bool {
	x.st.mu.Lock()
	defer x.st.mu.Unlock()
	_, ok := x.st.received[id]
	return ok
}

// HoldWriter keeps the writer from writing until it is freed.
func (s *Sessions) HoldWriter() (free func()) {
	held, freed := make(chan struct{}), make(chan struct{})
	s.file.add(&group{list: []change{func(*writer) error { close(held); <-freed; return nil }}}, true)
	<-held
	return func() { close(freed) }
}

// Poison has something in the order that can never be written, and that nobody waits for.
func (s *Sessions) Poison() {
	s.file.later(&changes{list: []change{func(w *writer) error { return w.exec(w.message, 1) }}})
}

// FailWrites makes all that is written fail with an error, until it is nil.
func (s *Sessions) FailWrites(err error) {
	if err == nil {
		s.file.w.fail.Store(nil)
		return
	}
	s.file.w.fail.Store(&err)
}
