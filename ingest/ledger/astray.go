package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest"
)

// isAstray are [ingest.AstrayReasons] in SQL; a test holds the two together.
const isAstray = "reason IN ('bad_topic', 'unknown_locality', 'unknown_kind')"

// astraySample is how many bytes of a payload are listed.
const astraySample = 1024

// Astray lists topics that lead nowhere and of which messages wait, the one that was last
// heard first. It counts in an index of such messages alone.
func (l *Ledger) Astray(ctx context.Context, limit int) (out []ingest.Astray, err error) {
	rows, err := l.db.QueryContext(ctx, `WITH topics AS (SELECT COUNT(*) AS n, MIN(id) AS first, MAX(id) AS last FROM quarantine
			WHERE `+isAstray+` GROUP BY topic ORDER BY last DESC LIMIT ?)
		SELECT q.topic, q.reason, n, f.received, q.received, q.gateway, q.device, substr(q.payload, 1, ?)
		FROM topics JOIN quarantine q ON q.id = topics.last JOIN quarantine f ON f.id = topics.first ORDER BY topics.last DESC`, limit, astraySample)
	if err != nil {
		return nil, fmt.Errorf("list topics that lead nowhere: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a ingest.Astray
		var first, last int64
		if err := rows.Scan(&a.Topic, &a.Reason, &a.Count, &first, &last, &a.Gateway, &a.Device, &a.Payload); err != nil {
			return nil, fmt.Errorf("list topics that lead nowhere: %w", err)
		}
		a.First, a.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list topics that lead nowhere: %w", err)
	}
	return out, nil
}
