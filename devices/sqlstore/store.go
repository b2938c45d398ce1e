package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the database/sql driver for PostgreSQL
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database/sql driver for SQLite; pure Go

	"github.com/haidang-iot/haidang/devices"
)

//go:embed migrations/*.sql
var migrations embed.FS

// writeLock is the number of the advisory lock that makes PostgreSQL's writes
// come one after the other; "haidang" in letters of 5 bits each.
const writeLock = 0x2092_c386e7

// Store implements [devices.Store].
type Store struct {
	postgres bool
	// write and read are one pool in PostgreSQL. SQLite has one connection that
	// writes, and others that read beside it.
	write, read *sql.DB
}

// Open opens the store at a place, which is a postgres:// URL or the path of an
// SQLite file, makes it if it is not there, and brings its tables up to date. A
// place that a newer program has brought further is an error.
func Open(ctx context.Context, place string) (*Store, error) {
	s, err := connect(ctx, place)
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", Name(place), err)
	}
	err = s.migrate(ctx, 0)
	if err == nil {
		err = s.mendPhotos(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", Name(place), errors.Join(err, s.Close()))
	}
	return s, nil
}

// Name is a place without its password, for logs.
func Name(place string) string {
	if !isPostgres(place) {
		return place
	}
	u, err := url.Parse(place)
	if err != nil {
		return "postgres://…"
	}
	return u.Redacted()
}

func isPostgres(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

// connect opens the pools and touches no table.
func connect(ctx context.Context, place string) (*Store, error) {
	if isPostgres(place) {
		db, err := sql.Open("pgx", place)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(8)
		db.SetConnMaxIdleTime(5 * time.Minute)
		if err := db.PingContext(ctx); err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return &Store{postgres: true, write: db, read: db}, nil
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o750); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	common := []string{"busy_timeout(10000)", "foreign_keys(1)"}
	write, err := openSQLite(place, append(common, "journal_mode(WAL)", "synchronous(FULL)", "journal_size_limit(67108864)", "cache_size(-32768)"), 1)
	if err != nil {
		return nil, err
	}
	if err := write.PingContext(ctx); err != nil { // makes the file, with its WAL
		return nil, errors.Join(err, write.Close())
	}
	read, err := openSQLite(place, append(common, "query_only(1)", "cache_size(-32768)", "temp_store(2)"), 4)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &Store{write: write, read: read}, nil
}

func openSQLite(path string, pragmas []string, connections int) (*sql.DB, error) {
	q := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// Close closes the store.
func (s *Store) Close() error {
	err := s.read.Close()
	if !s.postgres {
		err = errors.Join(err, s.write.Close())
	}
	if err != nil {
		return fmt.Errorf("close registry: %w", err)
	}
	return nil
}

// migrate brings the tables to a version; 0 is the newest that this program knows.
func (s *Store) migrate(ctx context.Context, version int64) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	dialect := goose.DialectSQLite3
	if s.postgres {
		dialect = goose.DialectPostgres
		if err := s.domain(ctx); err != nil {
			return err
		}
	}
	p, err := goose.NewProvider(dialect, s.write, files)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, known, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if have > known {
		return fmt.Errorf("its version %d is newer than this program knows (%d): use the program that wrote it, or a newer one", have, known)
	}
	if version == 0 {
		_, err = p.Up(ctx)
	} else {
		_, err = p.UpTo(ctx, version)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// domain makes the type IDTEXT that the migrations speak of.
func (s *Store) domain(ctx context.Context) error {
	_, err := s.write.ExecContext(ctx, `DO $$ BEGIN
		CREATE DOMAIN idtext AS TEXT COLLATE "C";
	EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`)
	if err != nil {
		return fmt.Errorf("make type idtext: %w", err)
	}
	return nil
}

// version is how far the tables are migrated.
func version(ctx context.Context, q querier) (v int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT MAX(version_id) FROM goose_db_version WHERE is_applied").Scan(&v)
	if err != nil {
		return 0, fmt.Errorf("read version: %w", err)
	}
	return v, nil
}

// querier is what pools and transactions have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// Read implements [devices.Store].
func (s *Store) Read(ctx context.Context, f func(devices.Reader) error) error {
	tx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing was written
	return f(newTransaction(tx, s.postgres))
}

// begin begins a transaction that reads one state.
func (s *Store) begin(ctx context.Context) (*sql.Tx, error) {
	o := &sql.TxOptions{ReadOnly: true}
	if s.postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.read.BeginTx(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("begin reading registry: %w", err)
	}
	return tx, nil
}

// Write implements [devices.Store].
func (s *Store) Write(ctx context.Context, f func(devices.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin writing registry: %w", err)
	}
	defer tx.Rollback() // does nothing after a commit
	if s.postgres {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(writeLock)); err != nil {
			return fmt.Errorf("lock registry: %w", err)
		}
	}
	t := newTransaction(tx, s.postgres)
	if err := f(t); err != nil {
		return err
	}
	if err := t.flush(ctx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit to registry: %w", err)
	}
	return nil
}
