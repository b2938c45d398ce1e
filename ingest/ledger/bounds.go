package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

const (
	// maxLeaving bounds one answer of Leaving and Overflow.
	maxLeaving = 1000
	// heaviest is how many devices are looked at, those with the most, for what is to
	// leave a full quarantine.
	heaviest = 32
	// shrinkPages is how many pages of the file are given back to the disk at once:
	// 4 MiB, so that the log they are written to stays small.
	shrinkPages = 1024
)

// maxHeld is [ingest.MaxHeld] in SQL; a test holds the two together.
const maxHeld = "65536"

// sizeOf is what a row takes of the quarantine's budget, as [ingest.Quarantined.Size]
// has it. It is computed when it is read, from the lengths in a row's header, so that
// the rows of an older layout need not be written anew.
const sizeOf = "256 + octet_length(gateway) + 3 * octet_length(device) + 2 * octet_length(topic) + octet_length(payload) + octet_length(problems)"

// countIn and countOut keep the counts of what is in quarantine.
const (
	countIn = `INSERT INTO quarantine_tally VALUES (new.gateway, new.reason, new.partial, 1, new.size)
			ON CONFLICT DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes;
		INSERT INTO quarantine_share VALUES (new.device, 1, new.size) ON CONFLICT DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes;`
	countOut = `UPDATE quarantine_tally SET count = count - 1, bytes = bytes - old.size WHERE gateway = old.gateway AND reason = old.reason AND partial = old.partial;
		DELETE FROM quarantine_tally WHERE gateway = old.gateway AND reason = old.reason AND partial = old.partial AND count <= 0;
		UPDATE quarantine_share SET count = count - 1, bytes = bytes - old.size WHERE device = old.device;
		DELETE FROM quarantine_share WHERE device = old.device AND count <= 0;`
	// countAll counts what an older layout has left.
	countAll = `INSERT INTO quarantine_tally SELECT gateway, reason, partial, COUNT(*), SUM(size) FROM quarantine GROUP BY 1, 2, 3;
		INSERT INTO quarantine_share SELECT device, COUNT(*), SUM(size) FROM quarantine GROUP BY 1;`
)

// leavingColumns are what a discard is made of.
const leavingColumns = "SELECT id, gateway, epoch, row, reason, partial, size FROM quarantine"

// Leaving implements [ingest.Ledger]. It returns at most 1,000.
func (l *Ledger) Leaving(ctx context.Context, f ingest.QuarantineFilter) ([]ingest.Discard, error) {
	where, args := conditions(f)
	if f.Limit <= 0 || f.Limit > maxLeaving {
		f.Limit = maxLeaving
	}
	return l.leaving(ctx, leavingColumns+" WHERE "+where+" ORDER BY id LIMIT ?", append(args, f.Limit)...)
}

func (l *Ledger) leaving(ctx context.Context, query string, args ...any) (out []ingest.Discard, err error) {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list what leaves the quarantine: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var d ingest.Discard
		if err := rows.Scan(&d.ID, &d.Gateway, &d.Epoch, &d.Row, &d.Reason, &d.Partial, &d.Bytes); err != nil {
			return nil, fmt.Errorf("list what leaves the quarantine: %w", err)
		}
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list what leaves the quarantine: %w", err)
	}
	return out, nil
}

// share is what waits of a device.
type share struct {
	device       telemetry.Device
	bytes, count int64
}

// Overflow implements [ingest.Ledger].
func (l *Ledger) Overflow(ctx context.Context, adding []ingest.Quarantined, b ingest.Bounds) ([]ingest.Discard, error) {
	o := overflow{ledger: l, bounds: b, after: map[telemetry.Device]int64{}, gone: map[telemetry.Device]int64{}}
	added := map[telemetry.Device]share{}
	var bytes int64
	for _, q := range adding {
		s := added[q.Device]
		added[q.Device] = share{q.Device, s.bytes + q.Size(), s.count + 1}
		bytes += q.Size()
	}
	over, err := l.overQuota(ctx, added, b)
	if err != nil {
		return nil, err
	}
	for _, s := range over {
		if err := o.reduce(ctx, s); err != nil {
			return nil, err
		}
	}
	return o.out, o.makeRoom(ctx, bytes)
}

// overQuota lists by how much devices would be over what one may have: those of which
// something is added, or all.
func (l *Ledger) overQuota(ctx context.Context, added map[telemetry.Device]share, b ingest.Bounds) (over []share, err error) {
	excess := func(s share) {
		s.bytes, s.count = s.bytes-b.DeviceBytes, s.count-b.DeviceCount
		if s.bytes > 0 || s.count > 0 {
			over = append(over, s)
		}
	}
	for device, s := range added {
		var have share
		err := l.db.QueryRowContext(ctx, "SELECT bytes, count FROM quarantine_share WHERE device = ?", string(device)).Scan(&have.bytes, &have.count)
		if err != nil && err != sql.ErrNoRows {
			return nil, fmt.Errorf("read what waits of device %s: %w", device, err)
		}
		excess(share{device, have.bytes + s.bytes, have.count + s.count})
	}
	if len(added) > 0 {
		return over, nil
	}
	all, err := l.shares(ctx, "WHERE bytes > ? OR count > ? LIMIT ?", b.DeviceBytes, b.DeviceCount, heaviest)
	for _, s := range all {
		excess(s)
	}
	return over, err
}

func (l *Ledger) shares(ctx context.Context, which string, args ...any) (out []share, err error) {
	rows, err := l.db.QueryContext(ctx, "SELECT device, bytes, count FROM quarantine_share "+which, args...)
	if err != nil {
		return nil, fmt.Errorf("read what waits of devices: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var s share
		if err := rows.Scan(&s.device, &s.bytes, &s.count); err != nil {
			return nil, fmt.Errorf("read what waits of devices: %w", err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read what waits of devices: %w", err)
	}
	return out, nil
}

// overflow chooses what leaves.
type overflow struct {
	ledger *Ledger
	bounds ingest.Bounds
	out    []ingest.Discard
	// after is up to which of a device's messages are chosen, gone their bytes.
	after map[telemetry.Device]int64
	gone  map[telemetry.Device]int64
}

// oldest lists the oldest messages of a device that are not chosen yet.
func (o *overflow) oldest(ctx context.Context, d telemetry.Device, most int64) ([]ingest.Discard, error) {
	return o.ledger.leaving(ctx, leavingColumns+" WHERE device = ? AND id > ? ORDER BY id LIMIT ?", string(d), o.after[d], min(most, maxLeaving))
}

func (o *overflow) choose(d telemetry.Device, m ingest.Discard, cause ingest.Cause) {
	m.Cause = cause
	o.out = append(o.out, m)
	o.after[d] = m.ID
	o.gone[d] += m.Bytes
}

// reduce chooses the oldest messages of a device until it is no longer over.
func (o *overflow) reduce(ctx context.Context, over share) error {
	rows, err := o.oldest(ctx, over.device, maxLeaving)
	if err != nil {
		return err
	}
	for _, m := range rows {
		switch {
		case over.bytes > 0:
			o.choose(over.device, m, ingest.ByDeviceBytes)
		case over.count > 0:
			o.choose(over.device, m, ingest.ByDeviceCount)
		default:
			return nil
		}
		over.bytes, over.count = over.bytes-m.Bytes, over.count-1
	}
	return nil
}

// makeRoom chooses, of the devices that have the most, the oldest messages until the
// whole with what is added is within the budget; where the disk is nearly full, until
// it is not more than it was.
func (o *overflow) makeRoom(ctx context.Context, added int64) error {
	use, err := o.ledger.use(ctx)
	if err != nil {
		return err
	}
	for _, m := range o.out {
		added -= m.Bytes
	}
	need, cause := use.Bytes+added-o.bounds.Bytes, ingest.ByBudget
	if o.bounds.Tight && added > need {
		need, cause = added, ingest.ByDisk
	}
	if need <= 0 {
		return nil
	}
	all, err := o.ledger.shares(ctx, "ORDER BY bytes DESC, device LIMIT ?", heaviest)
	if err != nil {
		return err
	}
	for need > 0 && len(all) > 0 && len(o.out) < maxLeaving {
		most := 0
		for i, s := range all {
			if s.bytes-o.gone[s.device] > all[most].bytes-o.gone[all[most].device] {
				most = i
			}
		}
		d := all[most].device
		rows, err := o.oldest(ctx, d, 1)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			all = append(all[:most], all[most+1:]...)
			continue
		}
		o.choose(d, rows[0], cause)
		need -= rows[0].Bytes
	}
	return nil
}

// Use implements [ingest.LedgerReader].
func (l *Ledger) Use(ctx context.Context) (ingest.QuarantineUse, error) {
	u, err := l.use(ctx)
	if err != nil {
		return u, err
	}
	var oldest sql.NullInt64
	if err := l.db.QueryRowContext(ctx, "SELECT MIN(at) FROM quarantine").Scan(&oldest); err != nil {
		return u, fmt.Errorf("find the oldest in quarantine: %w", err)
	}
	if oldest.Valid {
		u.Oldest = time.UnixMilli(oldest.Int64).UTC()
	}
	heavy, err := l.shares(ctx, "ORDER BY bytes DESC, device LIMIT ?", 5)
	if err != nil {
		return u, err
	}
	for _, s := range heavy {
		u.Heaviest = append(u.Heaviest, ingest.DeviceShare{Device: s.device, Bytes: s.bytes, Count: s.count})
	}
	u.Discarded, err = l.discarded(ctx)
	return u, err
}

// use is how much waits.
func (l *Ledger) use(ctx context.Context) (u ingest.QuarantineUse, err error) {
	if err := l.db.QueryRowContext(ctx, "SELECT COALESCE(SUM(count), 0), COALESCE(SUM(bytes), 0) FROM quarantine_tally").Scan(&u.Count, &u.Bytes); err != nil {
		return u, fmt.Errorf("count quarantine: %w", err)
	}
	return u, nil
}

// discarded is what has left the quarantine for good, by cause and reason.
func (l *Ledger) discarded(ctx context.Context) (out []ingest.DiscardCount, err error) {
	rows, err := l.db.QueryContext(ctx, "SELECT cause, reason, partial, SUM(count), SUM(bytes), MAX(last) FROM discarded GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
	if err != nil {
		return nil, fmt.Errorf("count what was discarded: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c ingest.DiscardCount
		var last int64
		if err := rows.Scan(&c.Cause, &c.Reason, &c.Partial, &c.Count, &c.Bytes, &last); err != nil {
			return nil, fmt.Errorf("count what was discarded: %w", err)
		}
		c.Last = time.UnixMilli(last).UTC()
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count what was discarded: %w", err)
	}
	return out, nil
}

// Count says how many messages a filter selects, as what would be discarded.
func (l *Ledger) Count(ctx context.Context, f ingest.QuarantineFilter) (r ingest.DiscardResult, err error) {
	where, args := conditions(f)
	err = l.db.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(partial), 0), COALESCE(SUM(size), 0) FROM quarantine WHERE "+where, args...).Scan(&r.Discarded, &r.Partial, &r.Bytes)
	if err != nil {
		return r, fmt.Errorf("count in quarantine: %w", err)
	}
	return r, nil
}

// discard takes messages out of quarantine and counts them as discarded.
func (l *Ledger) discard(ctx context.Context, tx *sql.Tx, all []ingest.Discard) error {
	for _, d := range all {
		done, err := tx.ExecContext(ctx, "DELETE FROM quarantine WHERE id = ?", d.ID)
		if err != nil {
			return fmt.Errorf("discard message %d: %w", d.ID, err)
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("discard message %d: it is not in quarantine: %w", d.ID, err)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO discarded (gateway, cause, reason, partial, count, bytes, last) VALUES (?,?,?,?,1,?,?)
			ON CONFLICT DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes, last = excluded.last`,
			d.Gateway, string(d.Cause), string(d.Reason), d.Partial, d.Bytes, l.now().UnixMilli()); err != nil {
			return fmt.Errorf("count discarded message %d: %w", d.ID, err)
		}
	}
	return nil
}

// trim keeps less of payloads.
func (l *Ledger) trim(ctx context.Context, tx *sql.Tx, all []ingest.Quarantined) error {
	for _, q := range all {
		if _, err := tx.ExecContext(ctx, "UPDATE quarantine SET payload = ?, full_size = ?, sha256 = ? WHERE id = ?", notNull(q.Message.Payload), q.Message.FullSize, q.SHA256, q.ID); err != nil {
			return fmt.Errorf("cut payload of message %d: %w", q.ID, err)
		}
	}
	return nil
}

// Uncut implements [ingest.Ledger].
func (l *Ledger) Uncut(ctx context.Context) ([]ingest.Quarantined, error) {
	page, _, err := l.page(ctx, "octet_length(payload) > "+maxHeld+" AND id > 0", nil, maxListed)
	return page, err
}

// Shrink implements [ingest.Ledger]. What is free in the file is used again, but the
// disk may need it more.
func (l *Ledger) Shrink(ctx context.Context) (more bool, err error) {
	var free int64
	if err := l.db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
		return false, fmt.Errorf("look at free pages of ledger: %w", err)
	}
	if free < shrinkPages {
		return false, nil
	}
	for _, step := range []string{fmt.Sprintf("PRAGMA incremental_vacuum(%d)", shrinkPages), "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if err := l.drain(ctx, step); err != nil {
			return false, fmt.Errorf("shrink ledger: %w", err)
		}
	}
	var left int64
	if err := l.db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&left); err != nil {
		return false, fmt.Errorf("look at free pages of ledger: %w", err)
	}
	return left >= shrinkPages && left < free, nil
}

// drain runs a statement to its end: some do one step for each row asked for.
func (l *Ledger) drain(ctx context.Context, statement string) error {
	rows, err := l.db.QueryContext(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}
