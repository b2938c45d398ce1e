package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/ingest"
)

// alarmColumns are read and written in this order.
const alarmColumns = `rule, severity, kind, metric, locality, site, device, value, worst, threshold, unit, summary_vi, summary_en,
	description_vi, description_en, runbook_vi, runbook_en, reference, basis, since, raised, cleared, who, acknowledged, note, quiet, stale, lasting, unready`

// The events of an alarm, as bits of the column owed: those that somebody is still
// to be told of.
const (
	eventRaised = 1 << iota
	eventAcknowledged
	eventCleared
)

// owed is the bit of an event, if anybody is to be told.
func owed(event int, owe bool) int {
	if !owe {
		return 0
	}
	return event
}

// alarmsKept is how long cleared alarms are kept: as long as readings by default.
const alarmsKept = hoursKept

// KeepAlarms implements [ingest.Alarms].
func (l *Ledger) KeepAlarms(ctx context.Context, alarms []*ingest.Alarm, owe bool) error {
	if len(alarms) == 0 {
		return nil
	}
	made := map[*ingest.Alarm]int64{}
	err := l.inTx(ctx, "write alarms", func(tx *sql.Tx) error {
		for _, a := range alarms {
			if a.ID != 0 {
				event := 0
				if !a.Active() {
					event = owed(eventCleared, owe)
				}
				_, err := tx.ExecContext(ctx, "UPDATE alarm SET value = ?, worst = ?, description_vi = ?, description_en = ?, cleared = ?, quiet = ?, stale = ?, lasting = ?, unready = ?, owed = owed | ? WHERE id = ?",
					a.Value, a.Worst, a.DescriptionVI, a.DescriptionEN, milliseconds(a.Cleared), milliseconds(a.Quiet), milliseconds(a.Stale), a.Lasting, a.NotReady, event, a.ID)
				if err != nil {
					return err
				}
				continue
			}
			r, err := tx.ExecContext(ctx, "INSERT INTO alarm ("+alarmColumns+", owed) VALUES (?"+strings.Repeat(",?", 29)+")",
				a.Rule, a.Severity, a.Kind, a.Metric, a.Locality, a.Site, a.Device, a.Value, a.Worst, a.Threshold, a.Unit, a.SummaryVI, a.SummaryEN,
				a.DescriptionVI, a.DescriptionEN, a.RunbookVI, a.RunbookEN, a.Reference, a.Basis, milliseconds(a.Since), milliseconds(a.Raised),
				milliseconds(a.Cleared), a.AcknowledgedBy, milliseconds(a.Acknowledged), a.Note, milliseconds(a.Quiet), milliseconds(a.Stale), a.Lasting, a.NotReady, owed(eventRaised, owe))
			if err != nil {
				return err
			}
			if made[a], err = r.LastInsertId(); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM alarm WHERE cleared > 0 AND cleared < ?", milliseconds(l.now().Add(-alarmsKept)))
		return err
	})
	if err != nil {
		return err
	}
	for a, id := range made {
		a.ID = id
	}
	return nil
}

// Alarms implements [ingest.Alarms].
func (l *Ledger) Alarms(ctx context.Context, f ingest.AlarmFilter) ([]ingest.Alarm, error) {
	var where []string
	var args []any
	add := func(condition string, value any) {
		where, args = append(where, condition), append(args, value)
	}
	if f.ID != 0 {
		add("id = ?", f.ID)
	}
	if f.Active != f.Recent {
		if f.Active {
			where = append(where, "cleared = 0")
		} else {
			where = append(where, "cleared > 0")
		}
	}
	for column, value := range map[string]string{"rule": f.Rule, "severity": f.Severity, "kind": string(f.Kind), "locality": string(f.Locality), "site": string(f.Site)} {
		if value != "" {
			add(column+" = ?", value)
		}
	}
	if !f.From.IsZero() {
		add("(cleared = 0 OR cleared >= ?)", milliseconds(f.From))
	}
	if !f.To.IsZero() {
		add("raised < ?", milliseconds(f.To))
	}
	if f.Before > 0 {
		add("id < ?", f.Before)
	}
	query := "SELECT id, " + alarmColumns + " FROM alarm"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY id DESC"
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	defer rows.Close()
	out := []ingest.Alarm{}
	for rows.Next() {
		a, err := scanAlarm(rows)
		if err != nil {
			return nil, fmt.Errorf("read alarms: %w", err)
		}
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read alarms: %w", err)
	}
	return out, nil
}

func scanAlarm(row interface{ Scan(...any) error }) (a ingest.Alarm, err error) {
	var since, raised, cleared, acknowledged, quiet, stale int64
	err = row.Scan(&a.ID, &a.Rule, &a.Severity, &a.Kind, &a.Metric, &a.Locality, &a.Site, &a.Device, &a.Value, &a.Worst, &a.Threshold, &a.Unit,
		&a.SummaryVI, &a.SummaryEN, &a.DescriptionVI, &a.DescriptionEN, &a.RunbookVI, &a.RunbookEN, &a.Reference, &a.Basis,
		&since, &raised, &cleared, &a.AcknowledgedBy, &acknowledged, &a.Note, &quiet, &stale, &a.Lasting, &a.NotReady)
	a.Since, a.Raised, a.Cleared, a.Acknowledged = moment(since), moment(raised), moment(cleared), moment(acknowledged)
	a.Quiet, a.Stale = moment(quiet), moment(stale)
	return a, err
}

// Acknowledge implements [ingest.Alarms].
func (l *Ledger) Acknowledge(ctx context.Context, id int64, who, note string, at time.Time, owe bool, settle []ingest.Settlement) (a ingest.Alarm, err error) {
	var settled []ingest.Settlement
	err = l.inTx(ctx, "acknowledge alarm", func(tx *sql.Tx) error {
		a, err = scanAlarm(tx.QueryRowContext(ctx, "SELECT id, "+alarmColumns+" FROM alarm WHERE id = ?", id))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ingest.ErrNoAlarm
		case err != nil:
			return err
		case !a.Acknowledged.IsZero():
			return ingest.ErrAcknowledged
		}
		a.AcknowledgedBy, a.Note, a.Acknowledged = who, note, moment(milliseconds(at))
		_, err = tx.ExecContext(ctx, "UPDATE alarm SET who = ?, acknowledged = ?, note = ?, owed = owed | ? WHERE id = ?", who, milliseconds(at), note, owed(eventAcknowledged, owe), id)
		if err != nil {
			return err
		}
		settled, err = settleAlarm(ctx, tx, a, settle)
		return err
	})
	if err == nil {
		l.adoptSettled(settled)
	}
	return a, err
}

// nextEvent is the oldest event that is owed, of the gravest alarms that owe one.
const nextEvent = `
	SELECT id, event, at FROM (
		SELECT id, severity, 1 AS event, raised AS at FROM alarm WHERE owed <> 0 AND owed & 1
		UNION ALL SELECT id, severity, 2, acknowledged FROM alarm WHERE owed <> 0 AND owed & 2
		UNION ALL SELECT id, severity, 4, cleared FROM alarm WHERE owed <> 0 AND owed & 4)
	ORDER BY CASE severity WHEN 'extreme' THEN 1 WHEN 'danger' THEN 2 WHEN 'warning' THEN 3 ELSE 4 END, at, id, event LIMIT 1`

// NextEvent implements [ingest.AlarmEvents].
func (l *Ledger) NextEvent(ctx context.Context) (e ingest.AlarmEvent, ok bool, err error) {
	var id, at int64
	var event int
	err = l.db.QueryRowContext(ctx, nextEvent).Scan(&id, &event, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return e, false, nil
	}
	if err == nil {
		e.Alarm, err = scanAlarm(l.db.QueryRowContext(ctx, "SELECT id, "+alarmColumns+" FROM alarm WHERE id = ?", id))
	}
	if err != nil {
		return e, false, fmt.Errorf("read alarm events: %w", err)
	}
	e.At = moment(at)
	a := &e.Alarm
	switch event {
	case eventRaised:
		e.Event = "raised"
	case eventAcknowledged:
		e.Event = "acknowledged"
	case eventCleared:
		e.Event = "cleared"
	}
	e.ID = fmt.Sprintf("%d-%s", id, e.Event)
	// What came after it is told by its own event.
	if a.Acknowledged.After(e.At) || event == eventRaised {
		a.AcknowledgedBy, a.Acknowledged, a.Note = "", time.Time{}, ""
	}
	if a.Cleared.After(e.At) || event == eventRaised {
		a.Cleared = time.Time{}
	}
	return e, true, nil
}

// Told implements [ingest.AlarmEvents].
func (l *Ledger) Told(ctx context.Context, e ingest.AlarmEvent) error {
	bit := map[string]int{"raised": eventRaised, "acknowledged": eventAcknowledged, "cleared": eventCleared}[e.Event]
	if _, err := l.db.ExecContext(ctx, "UPDATE alarm SET owed = owed & ~? WHERE id = ?", bit, e.Alarm.ID); err != nil {
		return fmt.Errorf("write alarm events: %w", err)
	}
	return nil
}

// milliseconds since 1970; 0 is never.
func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
