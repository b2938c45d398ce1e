package sqlitefile

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"

	"modernc.org/sqlite"
)

// The primary codes by which SQLite says that a file is damaged
// (https://www.sqlite.org/rescode.html).
const (
	codeCorrupt   = 11 // SQLITE_CORRUPT: a page is malformed
	codeNotADB    = 26 // SQLITE_NOTADB: the file is none of SQLite's
	primaryOfCode = 0xff
)

// Damaged reports whether an error says that the file itself is damaged.
func Damaged(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & primaryOfCode
	return code == codeCorrupt || code == codeNotADB
}

// Open makes a pool over a file as [sql.Open] does. damaged hears of every error by
// which SQLite says that the file is damaged, on whichever way it comes, so that no
// query can meet a malformed page unnoticed. It is called by the goroutine that asked
// and should return soon; nil hears nothing.
func Open(dsn string, damaged func(error)) *sql.DB {
	return sql.OpenDB(&noticing{dsn: dsn, damaged: damaged})
}

// noticing implements [driver.Connector].
type noticing struct {
	driver  sqlite.Driver
	dsn     string
	damaged func(error)
}

// note passes an error on.
func (n *noticing) note(err error) error {
	if err != nil && err != io.EOF && n.damaged != nil && Damaged(err) {
		n.damaged(err)
	}
	return err
}

// Driver implements [driver.Connector].
func (n *noticing) Driver() driver.Driver { return &n.driver }

// Connect implements [driver.Connector].
func (n *noticing) Connect(context.Context) (driver.Conn, error) {
	c, err := n.driver.Open(n.dsn)
	if n.note(err) != nil {
		return nil, err
	}
	return &conn{Conn: c, n: n}, nil
}

type conn struct {
	driver.Conn
	n *noticing
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	r, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	return r, c.n.note(err)
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	r, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if c.n.note(err) != nil {
		return nil, err
	}
	return &rows{Rows: r, n: c.n}, nil
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if c.n.note(err) != nil {
		return nil, err
	}
	return &stmt{Stmt: s, n: c.n}, nil
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	t, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	if c.n.note(err) != nil {
		return nil, err
	}
	return &tx{Tx: t, n: c.n}, nil
}

func (c *conn) Ping(ctx context.Context) error {
	return c.n.note(c.Conn.(driver.Pinger).Ping(ctx))
}

func (c *conn) ResetSession(ctx context.Context) error {
	return c.Conn.(driver.SessionResetter).ResetSession(ctx)
}

func (c *conn) IsValid() bool { return c.Conn.(driver.Validator).IsValid() }

type stmt struct {
	driver.Stmt
	n *noticing
}

func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	r, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	return r, s.n.note(err)
}

func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	r, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if s.n.note(err) != nil {
		return nil, err
	}
	return &rows{Rows: r, n: s.n}, nil
}

type tx struct {
	driver.Tx
	n *noticing
}

func (t *tx) Commit() error { return t.n.note(t.Tx.Commit()) }

type rows struct {
	driver.Rows
	n *noticing
}

func (r *rows) Next(dest []driver.Value) error { return r.n.note(r.Rows.Next(dest)) }
