package score

import (
	"context"
	"fmt"
	"strings"
)

// splitTopic cuts kh/locality/kind/device; nil is no such topic.
func splitTopic(topic string) []string {
	part := strings.Split(topic, "/")
	if len(part) != 4 || part[0] != "kh" {
		return nil
	}
	return part
}

// checkQuarantine adds what waits in the city's quarantine to the report.
func (s *Scorer) checkQuarantine(ctx context.Context, r *Report) error {
	have, err := s.o.Quarantine(ctx, topics(s.fleet))
	if err != nil {
		return fmt.Errorf("look into the quarantine: %w", err)
	}
	r.Quarantine = quarantine(s.reasons, have)
	r.Perfect = r.Perfect && r.Quarantine.Missing == 0
	return nil
}
