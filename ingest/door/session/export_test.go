package session

// Publishes reports whether Run runs.
func (s *Sessions) Publishes() bool {
	s.wills.mu.Lock()
	defer s.wills.mu.Unlock()
	return s.wills.running
}
