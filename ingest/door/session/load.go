package session

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/haidang-iot/haidang/ingest/door/session/filter"
)

// layout is the schema's number.
const layout = 1

// schema is applied at every start; user_version tells the layout. Times are Unix
// milliseconds, durations milliseconds; away 0 is that there was a connection.
const schema = `
CREATE TABLE IF NOT EXISTS session (
	id INTEGER PRIMARY KEY, user TEXT NOT NULL, client TEXT NOT NULL, expiry INTEGER NOT NULL, away INTEGER NOT NULL,
	sent INTEGER NOT NULL, UNIQUE (user, client)) STRICT;
CREATE TABLE IF NOT EXISTS subscription (
	session INTEGER NOT NULL, filter TEXT NOT NULL, options INTEGER NOT NULL, identifier INTEGER NOT NULL,
	PRIMARY KEY (session, filter)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS received (
	session INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (session, id)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
	id INTEGER PRIMARY KEY, topic TEXT NOT NULL, owner TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
	properties TEXT NOT NULL, received INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS delivery (
	session INTEGER NOT NULL, seq INTEGER NOT NULL, message INTEGER NOT NULL, id INTEGER NOT NULL, qos INTEGER NOT NULL,
	retain INTEGER NOT NULL, released INTEGER NOT NULL, identifiers TEXT NOT NULL,
	PRIMARY KEY (session, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS retained (
	topic TEXT PRIMARY KEY, owner TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
	properties TEXT NOT NULL, received INTEGER NOT NULL) STRICT;
`

// load brings the schema up to date and all that is kept into memory. What belongs to
// nothing, as after a damaged file was mended, is deleted.
func (s *Sessions) load(ctx context.Context) error {
	db := s.file.db
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if version > layout {
		return fmt.Errorf("its layout %d is newer than this program knows (%d): use the program that wrote it, or a newer one", version, layout)
	}
	for _, q := range []string{schema, fmt.Sprintf("PRAGMA user_version = %d", layout),
		"DELETE FROM subscription WHERE session NOT IN (SELECT id FROM session)",
		"DELETE FROM received WHERE session NOT IN (SELECT id FROM session)",
		"DELETE FROM delivery WHERE session NOT IN (SELECT id FROM session) OR message NOT IN (SELECT id FROM message)",
		"DELETE FROM message WHERE id NOT IN (SELECT message FROM delivery)",
	} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("apply schema: %w", err)
		}
	}
	l := loading{s: s, now: s.o.Now(), byRow: map[int64]*state{}, messages: map[int64]*message{}, connected: map[*state]bool{}, sent: map[*state]int64{}}
	for _, step := range []struct {
		what, query string
		row         func(*sql.Rows) error
	}{
		{"sessions", "SELECT id, user, client, expiry, away, sent FROM session", l.session},
		{"subscriptions", "SELECT session, filter, options, identifier FROM subscription", l.subscription},
		{"identifiers", "SELECT session, id FROM received", l.received},
		{"messages", "SELECT id, topic, owner, payload, qos, properties, received FROM message", l.message},
		{"deliveries", "SELECT session, seq, message, id, qos, retain, released, identifiers FROM delivery ORDER BY session, seq", l.delivery},
		{"retained messages", "SELECT 0, topic, owner, payload, qos, properties, received FROM retained", l.retained},
	} {
		if err := each(ctx, db, step.query, step.row); err != nil {
			return fmt.Errorf("read %s: %w", step.what, err)
		}
	}
	return nil
}

func each(ctx context.Context, db *sql.DB, query string, row func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// loading makes sessions of rows.
type loading struct {
	s         *Sessions
	now       time.Time
	byRow     map[int64]*state
	messages  map[int64]*message
	connected map[*state]bool
	sent      map[*state]int64
}

func (l *loading) session(r *sql.Rows) error {
	st := &state{all: l.s, kept: true}
	var expiry, away, sent int64
	if err := r.Scan(&st.row, &st.key.User, &st.key.Client, &expiry, &away, &sent); err != nil {
		return err
	}
	st.expiry, st.away = time.Duration(expiry)*time.Millisecond, time.UnixMilli(away)
	if away == 0 {
		l.connected[st], st.away = true, l.now
	}
	l.sent[st], l.byRow[st.row] = sent, st
	l.s.states[st.key] = st
	l.s.byUser[st.key.User] = append(l.s.byUser[st.key.User], st)
	l.s.counts.bytes.Add(sessionOverhead)
	l.s.lastRow = max(l.s.lastRow, st.row)
	return nil
}

func (l *loading) subscription(r *sql.Rows) error {
	var session int64
	var options byte
	sub := &subscription{}
	if err := r.Scan(&session, &sub.name, &options, &sub.identifier); err != nil {
		return err
	}
	var err error
	if sub.group, sub.filter, err = filter.Parse(sub.name); err != nil {
		return err
	}
	sub.st = l.byRow[session]
	sub.setOptions(options)
	sub.list()
	if sub.st.subscriptions == nil {
		sub.st.subscriptions = map[string]*subscription{}
	}
	sub.st.subscriptions[sub.name] = sub
	l.s.subscribe(sub, nil)
	sub.st.weigh(sub.size())
	return nil
}

func (l *loading) received(r *sql.Rows) error {
	var session int64
	var id uint16
	if err := r.Scan(&session, &id); err != nil {
		return err
	}
	l.byRow[session].remember(id, unknownMark)
	return nil
}

func (l *loading) message(r *sql.Rows) error {
	m, err := l.read(r)
	if err != nil {
		return err
	}
	l.messages[m.row] = m
	l.s.lastMessage = max(l.s.lastMessage, m.row)
	return nil
}

func (l *loading) read(r *sql.Rows) (*message, error) {
	var p Publication
	var row, received int64
	var owner, properties string
	err := r.Scan(&row, &p.Topic, &owner, &p.Payload, &p.QoS, &properties, &received)
	if err != nil {
		return nil, err
	}
	p.Received = time.UnixMilli(received)
	if p.Properties, err = readProperties(properties); err != nil {
		return nil, err
	}
	m := newMessage(&p)
	m.row, m.owner = row, owner
	return m, nil
}

func (l *loading) delivery(r *sql.Rows) error {
	var session, message int64
	var ids string
	d := &delivery{}
	if err := r.Scan(&session, &d.seq, &message, &d.id, &d.qos, &d.retain, &d.released, &ids); err != nil {
		return err
	}
	if ids != "" {
		if err := json.Unmarshal([]byte(ids), &d.ids); err != nil {
			return fmt.Errorf("read identifiers: %w", err)
		}
	}
	st := l.byRow[session]
	if d.m = l.messages[message]; d.m == nil || d.id == 0 || st.queue.byID[d.id] != nil {
		return errors.New("a delivery has no message, or no packet identifier of its own")
	}
	d.m.rows++
	d.row.Store(rowWritten)
	// What was under way when the program died is not known: as much as can have been.
	d.sent = d.released || d.seq <= l.sent[st] || l.connected[st] && st.queue.n < mostUnderWay
	st.queue.lastSeq = d.seq
	st.hold(d, false)
	st.queue.lastID = d.id
	return nil
}

func (l *loading) retained(r *sql.Rows) error {
	m, err := l.read(r)
	if err != nil {
		return err
	}
	l.s.retained.mu.Lock()
	defer l.s.retained.mu.Unlock()
	l.s.setRetained(m)
	return nil
}
