package session

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/mochi-mqtt/server/v2/packets"
)

// writer is one connection to the file with its statements. Only the file's goroutine
// uses it.
type writer struct {
	conn *sql.Conn
	all  []*sql.Stmt

	session, subscribe, unsubscribe, receive, unreceive *sql.Stmt
	message, delivery, release, retain, unretain        *sql.Stmt
	forgetDeliveries, forgetMessages                    *sql.Stmt
	end                                                 []*sql.Stmt

	lastMessage int64
	// Of the transaction that is being written:
	begun     bool
	deliver   []*delivery // were inserted
	forgotten []forgotten
	messages  []int64 // that nobody refers to any more

	fail atomic.Pointer[error] // for tests: why nothing can be written
}

type forgotten struct {
	session int64
	d       *delivery
}

func newWriter(conn *sql.Conn, lastMessage int64) (*writer, error) {
	w := &writer{conn: conn, lastMessage: lastMessage}
	var errs []error
	prepare := func(query string) *sql.Stmt {
		s, err := conn.PrepareContext(context.Background(), query)
		if err != nil {
			errs = append(errs, fmt.Errorf("prepare %q: %w", query, err))
			return nil
		}
		w.all = append(w.all, s)
		return s
	}
	w.session = prepare(`INSERT INTO session (id, user, client, expiry, away, sent) VALUES (?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET expiry = excluded.expiry, away = excluded.away, sent = excluded.sent`)
	w.subscribe = prepare("INSERT OR REPLACE INTO subscription (session, filter, options, identifier) VALUES (?,?,?,?)")
	w.unsubscribe = prepare("DELETE FROM subscription WHERE session = ? AND filter = ?")
	w.receive = prepare("INSERT OR REPLACE INTO received (session, id) VALUES (?,?)")
	w.unreceive = prepare("DELETE FROM received WHERE session = ? AND id = ?")
	w.message = prepare("INSERT INTO message (id, topic, owner, payload, qos, properties, received) VALUES (?,?,?,?,?,?,?)")
	w.delivery = prepare("INSERT INTO delivery (session, seq, message, id, qos, retain, released, identifiers) VALUES (?,?,?,?,?,?,0,?)")
	w.release = prepare("UPDATE delivery SET released = 1 WHERE session = ? AND seq = ?")
	w.retain = prepare("INSERT OR REPLACE INTO retained (topic, owner, payload, qos, properties, received) VALUES (?,?,?,?,?,?)")
	w.unretain = prepare("DELETE FROM retained WHERE topic = ?")
	w.forgetDeliveries = prepare("DELETE FROM delivery WHERE session = ? AND seq BETWEEN ? AND ?")
	w.forgetMessages = prepare("DELETE FROM message WHERE id BETWEEN ? AND ?")
	for _, q := range []string{"DELETE FROM session WHERE id = ?", "DELETE FROM subscription WHERE session = ?", "DELETE FROM received WHERE session = ?", "DELETE FROM delivery WHERE session = ?"} {
		w.end = append(w.end, prepare(q))
	}
	return w, errors.Join(errs...)
}

func (w *writer) close() error {
	var errs []error
	for _, s := range w.all {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// write writes groups in one transaction; none if nothing of it is needed any more.
func (w *writer) write(groups []*group) (err error) {
	w.begun, w.deliver, w.forgotten, w.messages = false, w.deliver[:0], w.forgotten[:0], w.messages[:0]
	defer func() {
		if err != nil {
			w.undo()
		}
	}()
	for _, g := range groups {
		for _, c := range g.list {
			if err := c(w); err != nil {
				return err
			}
		}
	}
	if err := w.forgetAll(); err != nil {
		return err
	}
	if !w.begun {
		return nil
	}
	if _, err := w.conn.ExecContext(context.Background(), "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// undo takes back what a transaction that failed did to what is remembered.
func (w *writer) undo() {
	for _, d := range w.deliver {
		d.m.rows--
		d.row.CompareAndSwap(rowWritten, rowWaiting)
	}
	for _, one := range w.forgotten {
		one.d.m.rows++
	}
	if w.begun {
		// A transaction that has ended by itself needs none.
		_, _ = w.conn.ExecContext(context.Background(), "ROLLBACK")
	}
}

// exec runs a statement in the transaction, which it begins.
func (w *writer) exec(s *sql.Stmt, args ...any) error {
	if err := w.fail.Load(); err != nil {
		return *err
	}
	if !w.begun {
		if _, err := w.conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		w.begun = true
	}
	_, err := s.ExecContext(context.Background(), args...)
	return err
}

// insert writes a delivery and, with the first that refers to it, its message.
func (w *writer) insert(session int64, d *delivery) error {
	if !d.row.CompareAndSwap(rowWaiting, rowWritten) {
		return nil
	}
	m := d.m
	w.deliver = append(w.deliver, d)
	if m.rows++; m.rows == 1 {
		w.lastMessage++
		m.row = w.lastMessage
		if err := w.exec(w.message, m.row, m.topic, m.owner, payload(m), m.qos, properties(&m.properties), m.received.UnixMilli()); err != nil {
			return fmt.Errorf("write message: %w", err)
		}
	}
	if err := w.exec(w.delivery, session, d.seq, m.row, d.id, d.qos, d.retain, identifiers(d.ids)); err != nil {
		return fmt.Errorf("write delivery: %w", err)
	}
	return nil
}

// forget takes a delivery out at the end of the transaction.
func (w *writer) forget(session int64, d *delivery) {
	if d.row.Load() != rowWritten { // it could not be written
		return
	}
	w.forgotten = append(w.forgotten, forgotten{session, d})
	if d.m.rows--; d.m.rows == 0 {
		w.messages = append(w.messages, d.m.row)
	}
}

// forgetAll deletes what was forgotten, each run of rows with one statement.
func (w *writer) forgetAll() error {
	slices.SortFunc(w.forgotten, func(a, b forgotten) int {
		return cmp.Or(cmp.Compare(a.session, b.session), cmp.Compare(a.d.seq, b.d.seq))
	})
	for i := 0; i < len(w.forgotten); {
		first := w.forgotten[i]
		last := first.d.seq
		for i++; i < len(w.forgotten) && w.forgotten[i].session == first.session && w.forgotten[i].d.seq == last+1; i++ {
			last++
		}
		if err := w.exec(w.forgetDeliveries, first.session, first.d.seq, last); err != nil {
			return fmt.Errorf("delete deliveries: %w", err)
		}
	}
	slices.Sort(w.messages)
	for i := 0; i < len(w.messages); {
		first := w.messages[i]
		last := first
		for i++; i < len(w.messages) && w.messages[i] == last+1; i++ {
			last++
		}
		if err := w.exec(w.forgetMessages, first, last); err != nil {
			return fmt.Errorf("delete messages: %w", err)
		}
	}
	return nil
}

// payload is a message's, never NULL.
func payload(m *message) []byte {
	if m.payload == nil {
		return []byte{}
	}
	return m.payload
}

// properties are a message's as the file has them; "" is none.
func properties(p *packets.Properties) string {
	k := keptProperties{Expiry: p.MessageExpiryInterval, Type: p.ContentType, Response: p.ResponseTopic, Data: p.CorrelationData, User: p.User}
	if p.PayloadFormatFlag {
		k.Format = &p.PayloadFormat
	}
	if k.Format == nil && k.Expiry == 0 && k.Type == "" && k.Response == "" && k.Data == nil && k.User == nil {
		return ""
	}
	b, err := json.Marshal(k)
	if err != nil {
		panic(err) // texts, numbers and bytes can always be written
	}
	return string(b)
}

func readProperties(s string) (p packets.Properties, err error) {
	if s == "" {
		return p, nil
	}
	var k keptProperties
	if err := json.Unmarshal([]byte(s), &k); err != nil {
		return p, fmt.Errorf("read properties: %w", err)
	}
	p = packets.Properties{MessageExpiryInterval: k.Expiry, ContentType: k.Type, ResponseTopic: k.Response, CorrelationData: k.Data, User: k.User}
	if k.Format != nil {
		p.PayloadFormat, p.PayloadFormatFlag = *k.Format, true
	}
	return p, nil
}

func identifiers(ids []int) string {
	if len(ids) == 0 {
		return ""
	}
	b, err := json.Marshal(ids)
	if err != nil {
		panic(err) // numbers can always be written
	}
	return string(b)
}
