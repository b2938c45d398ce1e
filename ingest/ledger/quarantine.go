package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxListed bounds one answer of Quarantine.
const maxListed = 1000

func writeQuarantine(ctx context.Context, tx *sql.Tx, c ingest.Commit) error {
	for _, id := range c.Release {
		if _, err := tx.ExecContext(ctx, "DELETE FROM quarantine WHERE id = ?", id); err != nil {
			return fmt.Errorf("release message %d from quarantine: %w", id, err)
		}
	}
	for _, q := range c.Retry {
		problems, reason, err := encodeProblems(q)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE quarantine SET problems=?, reason=?, partial=?, row=?, tries=tries+1 WHERE id = ?",
			problems, reason, q.Partial, string(q.Row), q.ID); err != nil {
			return fmt.Errorf("keep message %d in quarantine: %w", q.ID, err)
		}
	}
	if len(c.Quarantine) == 0 {
		return nil
	}
	add, err := tx.PrepareContext(ctx, `INSERT INTO quarantine (gateway, device, topic, payload, full_size, received, qos, redelivered,
		retained, partial, reason, problems, at, tries, sha256, epoch, row) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,0,?,?,?)`)
	if err != nil {
		return fmt.Errorf("prepare quarantine: %w", err)
	}
	defer add.Close()
	for _, q := range c.Quarantine {
		problems, reason, err := encodeProblems(q)
		if err != nil {
			return err
		}
		m := q.Message
		if _, err := add.ExecContext(ctx, q.Gateway, string(q.Device), m.Topic, notNull(m.Payload), m.FullSize, m.Received.UnixMilli(), m.QoS, m.Redelivered,
			m.Retained, q.Partial, reason, problems, q.At.UnixMilli(), q.SHA256, string(q.Epoch), string(q.Row)); err != nil {
			return fmt.Errorf("quarantine a message of gateway %s: %w", q.Gateway, err)
		}
	}
	return nil
}

// notNull makes an empty payload one that SQL does not take for none.
func notNull(payload []byte) []byte {
	if payload == nil {
		return []byte{}
	}
	return payload
}

func encodeProblems(q ingest.Quarantined) (problems, reason string, err error) {
	b, err := json.Marshal(q.Problems)
	if err != nil {
		return "", "", fmt.Errorf("encode problems: %w", err)
	}
	if len(q.Problems) > 0 {
		reason = string(q.Problems[0].Reason)
	}
	return string(b), reason, nil
}

// Quarantine implements [ingest.Ledger]. A page has at most 1,000 messages.
func (l *Ledger) Quarantine(ctx context.Context, f ingest.QuarantineFilter) ([]ingest.Quarantined, int64, error) {
	where, args := conditions(f)
	if f.Limit <= 0 || f.Limit > maxListed {
		f.Limit = maxListed
	}
	return l.page(ctx, where, args, f.Limit)
}

// page lists until limit or the bytes of a page are reached.
func (l *Ledger) page(ctx context.Context, where string, args []any, limit int) (out []ingest.Quarantined, next int64, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT id, gateway, device, topic, payload, full_size, received, qos, redelivered, retained, partial,
		problems, at, tries, sha256, epoch, row FROM quarantine WHERE `+where+` ORDER BY id`, args...)
	if err != nil {
		return nil, 0, fmt.Errorf("list quarantine: %w", err)
	}
	defer rows.Close()
	for size := 0; rows.Next(); {
		if len(out) == limit || size >= ingest.PageBytes {
			return out, out[len(out)-1].ID, nil
		}
		var q ingest.Quarantined
		var received, at int64
		var problems string
		m := &q.Message
		if err := rows.Scan(&q.ID, &q.Gateway, &q.Device, &m.Topic, &m.Payload, &m.FullSize, &received, &m.QoS, &m.Redelivered, &m.Retained,
			&q.Partial, &problems, &at, &q.Tries, &q.SHA256, &q.Epoch, &q.Row); err != nil {
			return nil, 0, fmt.Errorf("list quarantine: %w", err)
		}
		if err := json.Unmarshal([]byte(problems), &q.Problems); err != nil {
			return nil, 0, fmt.Errorf("read problems of quarantined message %d: %w", q.ID, err)
		}
		m.Received, q.At = time.UnixMilli(received).UTC(), time.UnixMilli(at).UTC()
		out = append(out, q)
		size += len(m.Payload) + len(m.Topic) + len(problems)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("list quarantine: %w", err)
	}
	return out, 0, nil
}

// Reasons implements [ingest.Ledger]. The counts are kept, by triggers, in the
// transaction that changes the quarantine.
func (l *Ledger) Reasons(ctx context.Context) ([]ingest.ReasonCount, error) {
	rows, err := l.db.QueryContext(ctx, "SELECT gateway, reason, partial, count, bytes FROM quarantine_tally ORDER BY 1,2,3")
	if err != nil {
		return nil, fmt.Errorf("count quarantine: %w", err)
	}
	defer rows.Close()
	var out []ingest.ReasonCount
	for rows.Next() {
		var r ingest.ReasonCount
		if err := rows.Scan(&r.Gateway, &r.Reason, &r.Partial, &r.Count, &r.Bytes); err != nil {
			return nil, fmt.Errorf("count quarantine: %w", err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count quarantine: %w", err)
	}
	return out, nil
}

// CountReason implements [ingest.LedgerReader].
func (l *Ledger) CountReason(ctx context.Context, reason telemetry.Reason) (n int64, err error) {
	if err := l.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(count), 0) FROM quarantine_tally WHERE reason = ?", string(reason)).Scan(&n); err != nil {
		return 0, fmt.Errorf("count quarantine: %w", err)
	}
	return n, nil
}

// conditions turns a filter into SQL. All values are bound, none spliced in.
func conditions(f ingest.QuarantineFilter) (string, []any) {
	where, args := []string{"id > ?"}, []any{f.After}
	if len(f.IDs) > 0 {
		marks := make([]string, len(f.IDs))
		for i, id := range f.IDs {
			marks[i], args = "?", append(args, id)
		}
		where = append(where, "id IN ("+strings.Join(marks, ",")+")")
	}
	if !f.Before.IsZero() {
		where, args = append(where, "at < ?"), append(args, f.Before.UnixMilli())
	}
	if f.Gateway != "" {
		where, args = append(where, "gateway = ?"), append(args, f.Gateway)
	}
	if f.Reason != "" {
		where, args = append(where, "reason = ?"), append(args, string(f.Reason))
	}
	if f.Device != "" {
		where, args = append(where, "device = ?"), append(args, string(f.Device))
	}
	if prefix, ok := strings.CutSuffix(f.Topic, "*"); ok {
		where, args = append(where, "substr(topic, 1, ?) = ?"), append(args, len([]rune(prefix)), prefix)
	} else if f.Topic != "" {
		where, args = append(where, "topic = ?"), append(args, f.Topic)
	}
	if f.Localities != nil {
		here, names := within(f.Localities)
		where, args = append(where, here), append(args, names...)
	}
	return strings.Join(where, " AND "), args
}

// within selects the messages that belong to some localities, by their topics.
func within(localities []telemetry.Locality) (string, []any) {
	here, args := []string{"FALSE"}, []any(nil)
	for _, l := range localities {
		prefix := ingest.TopicsOf(l)
		here, args = append(here, "substr(topic, 1, ?) = ?"), append(args, len(prefix), prefix)
	}
	return "(" + strings.Join(here, " OR ") + ")", args
}
