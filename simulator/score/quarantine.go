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
	if n := r.Quarantine.Missing; n > 0 {
		r.Perfect = false
		r.Defects = append(r.Defects, Defect{Class: Unquarantined, Count: n,
			TextVI: grouped(n) + " bản tin lẽ ra phải bị cách ly mà không thấy", TextEN: grouped(n) + " messages should wait in quarantine and do not"})
	}
	return nil
}
