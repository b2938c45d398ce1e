package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxReasons bounds the reasons that Waiting tells of; the catalogue of reasons
// has fewer.
const maxReasons = 50

// Waiting is what waits of a device for one reason.
type Waiting struct {
	Problem telemetry.Problem // the newest message's
	Count   int64
	// Received, Topic and Payload are the newest message's.
	Received time.Time
	Topic    string
	Payload  []byte
}

// Waiting tells, for each reason, how many messages of a device wait in
// quarantine and of the newest of them; the newest first. It counts in an index
// and reads one message for each reason.
func (l *Ledger) Waiting(ctx context.Context, d telemetry.Device) ([]Waiting, error) {
	rows, err := l.db.QueryContext(ctx, `WITH RECURSIVE reasons (reason) AS (SELECT MIN(reason) FROM quarantine UNION ALL
			SELECT (SELECT MIN(reason) FROM quarantine WHERE reason > reasons.reason) FROM reasons WHERE reasons.reason IS NOT NULL),
		counts (reason, count, newest) AS (SELECT reason, (SELECT COUNT(*) FROM quarantine q WHERE q.reason = reasons.reason AND q.device = ?1),
			(SELECT MAX(id) FROM quarantine q WHERE q.reason = reasons.reason AND q.device = ?1) FROM reasons WHERE reason IS NOT NULL)
		SELECT counts.reason, count, q.problems, q.received, q.topic, q.payload FROM counts JOIN quarantine q ON q.id = counts.newest
		ORDER BY q.id DESC LIMIT ?2`, string(d), maxReasons)
	if err != nil {
		return nil, fmt.Errorf("count what waits of device %s: %w", d, err)
	}
	defer rows.Close()
	var out []Waiting
	for rows.Next() {
		var w Waiting
		var reason telemetry.Reason
		var problems string
		var received int64
		if err := rows.Scan(&reason, &w.Count, &problems, &received, &w.Topic, &w.Payload); err != nil {
			return nil, fmt.Errorf("count what waits of device %s: %w", d, err)
		}
		var all []telemetry.Problem
		if err := json.Unmarshal([]byte(problems), &all); err != nil {
			return nil, fmt.Errorf("read problems of what waits of device %s: %w", d, err)
		}
		if w.Problem = (telemetry.Problem{Reason: reason}); len(all) > 0 {
			w.Problem = all[0]
		}
		w.Received = time.UnixMilli(received).UTC()
		out = append(out, w)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count what waits of device %s: %w", d, err)
	}
	return out, nil
}

// WaitingDevices lists, in order, the devices of which messages wait for a
// reason: at most so many, those after one. It leaps from one device to the next,
// however many messages of each there are.
func (l *Ledger) WaitingDevices(ctx context.Context, reason telemetry.Reason, after telemetry.Device, limit int) ([]telemetry.Device, error) {
	rows, err := l.db.QueryContext(ctx, `WITH RECURSIVE waiting (device) AS (
			SELECT MIN(device) FROM quarantine WHERE reason = ?1 AND device > ?2 UNION ALL
			SELECT (SELECT MIN(device) FROM quarantine WHERE reason = ?1 AND device > waiting.device) FROM waiting WHERE waiting.device IS NOT NULL)
		SELECT device FROM waiting WHERE device IS NOT NULL LIMIT ?3`, string(reason), string(after), limit)
	if err != nil {
		return nil, fmt.Errorf("list devices that wait as %s: %w", reason, err)
	}
	out, err := texts[telemetry.Device](rows)
	if err != nil {
		return nil, fmt.Errorf("list devices that wait as %s: %w", reason, errors.Join(err, rows.Close()))
	}
	return out, nil
}
