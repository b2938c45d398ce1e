// Package ledger keeps, in one SQLite file, what must agree after any crash: the
// accounts of the gateways, the memory of recent messages by which duplicates
// are recognised, and the quarantine. Each step of the loader is one transaction.
//
// With the outcomes goes how many values were newly written, by kind and hour.
//
// Beside them, in transactions of their own, it keeps the accounts' history, when
// each device was last heard, and alarms with who acknowledged them; a crash may
// cost the first two their last minute.
//
// With Options.SyncCommits a commit is on the disk before it returns and survives
// the loss of power; without, it survives the death of the process, because the
// operating system already has it.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/sqlitefile"
)

// DefaultMemory is how many recent messages are remembered at least, to
// recognise duplicates: three hours of 100 messages a second. A duplicate of an
// older message is counted as stored; in the store it changes nothing.
const DefaultMemory = 1 << 20

// FileName is the ledger's file in its folder.
const FileName = "ledger.db"

// Options say where the ledger is and how durable.
type Options struct {
	Dir string
	// SyncCommits makes each commit survive the loss of power.
	SyncCommits bool
	// Memory is how many recent messages are remembered; DefaultMemory if 0.
	Memory int
	Now    func() time.Time
	// Room says why history and what is remembered of devices must not be written now,
	// for want of space; nil is that they always may.
	Room func() error
	// Damaged hears of every error by which SQLite says that the file is damaged; it
	// may be nil.
	Damaged func(error)
}

// Ledger implements [ingest.Ledger].
type Ledger struct {
	db     *sql.DB
	now    func() time.Time
	room   func() error
	memory memory
	marks  marks

	mu       sync.RWMutex
	accounts map[ingest.Sequence]ingest.Account
	rows     map[ingest.RowKey]ingest.Row
	said     map[ingest.Sequence]uint64
	settled  []ingest.Settlement

	// thinned is up to which minute the history has been thinned by this process.
	thinMu  sync.Mutex
	thinned int64
}

// layout is the schema's number. Layout 1 had no history, layout 2 alarms without
// what is owed of them, or none, layout 3 nothing of devices but when they were last heard,
// and alarms without since when they are stale, layout 4 alarms none of which lasts,
// layout 5 no canaries, layout 6 nothing that was discarded and no sizes of what is in
// quarantine, layout 7 no epochs and nothing by which records are known again,
// layout 8 no losses that are settled, layout 9 no rows of accounts.
const layout = withRows

// schema is applied at every start; user_version tells the layout.
const schema = `
CREATE TABLE IF NOT EXISTS account (
	gateway TEXT NOT NULL, epoch TEXT NOT NULL, position INTEGER NOT NULL, stored INTEGER NOT NULL,
	duplicate INTEGER NOT NULL, quarantined INTEGER NOT NULL, partial INTEGER NOT NULL, discarded INTEGER NOT NULL, canary INTEGER NOT NULL,
	again INTEGER NOT NULL, forgotten INTEGER NOT NULL, closed INTEGER NOT NULL, PRIMARY KEY (gateway, epoch)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS locality_row (
	gateway TEXT NOT NULL, epoch TEXT NOT NULL, locality TEXT NOT NULL, stored INTEGER NOT NULL, duplicate INTEGER NOT NULL, quarantined INTEGER NOT NULL,
	partial INTEGER NOT NULL, discarded INTEGER NOT NULL, canary INTEGER NOT NULL, PRIMARY KEY (gateway, epoch, locality)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS said (
	gateway TEXT NOT NULL, epoch TEXT NOT NULL, received INTEGER NOT NULL, PRIMARY KEY (gateway, epoch)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settled (
	id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL, rule TEXT NOT NULL,
	what TEXT NOT NULL, gateway TEXT NOT NULL, epoch TEXT NOT NULL, lost INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS mark (
	id INTEGER PRIMARY KEY AUTOINCREMENT, gateway TEXT NOT NULL, epoch TEXT NOT NULL, first INTEGER NOT NULL, past INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS fate (
	batch INTEGER PRIMARY KEY AUTOINCREMENT, generation INTEGER NOT NULL, keys BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS quarantine (
	id INTEGER PRIMARY KEY AUTOINCREMENT, gateway TEXT NOT NULL, device TEXT NOT NULL,
	topic TEXT NOT NULL, payload BLOB NOT NULL,
	full_size INTEGER NOT NULL, received INTEGER NOT NULL, qos INTEGER NOT NULL, redelivered INTEGER NOT NULL,
	retained INTEGER NOT NULL, partial INTEGER NOT NULL, reason TEXT NOT NULL, problems TEXT NOT NULL,
	at INTEGER NOT NULL, tries INTEGER NOT NULL, sha256 BLOB, epoch TEXT NOT NULL DEFAULT '',
	row TEXT NOT NULL DEFAULT '(earlier)', size INTEGER AS (` + sizeOf + `) VIRTUAL) STRICT;
CREATE INDEX IF NOT EXISTS quarantine_by_reason ON quarantine (reason, id);
CREATE INDEX IF NOT EXISTS quarantine_by_device ON quarantine (device, id);
CREATE INDEX IF NOT EXISTS quarantine_by_topic ON quarantine (topic, id);
CREATE INDEX IF NOT EXISTS quarantine_by_reason_device ON quarantine (reason, device, id);
CREATE INDEX IF NOT EXISTS quarantine_astray ON quarantine (topic, id) WHERE ` + isAstray + `;
CREATE INDEX IF NOT EXISTS quarantine_by_age ON quarantine (at);
CREATE INDEX IF NOT EXISTS quarantine_uncut ON quarantine (id) WHERE octet_length(payload) > ` + maxHeld + `;
CREATE TABLE IF NOT EXISTS quarantine_tally (gateway TEXT NOT NULL, reason TEXT NOT NULL, partial INTEGER NOT NULL,
	count INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (gateway, reason, partial)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine_share (device TEXT PRIMARY KEY, count INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS quarantine_share_by_bytes ON quarantine_share (bytes);
CREATE INDEX IF NOT EXISTS quarantine_share_by_count ON quarantine_share (count);
CREATE TABLE IF NOT EXISTS discarded (gateway TEXT NOT NULL, cause TEXT NOT NULL, reason TEXT NOT NULL, partial INTEGER NOT NULL,
	count INTEGER NOT NULL, bytes INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (gateway, cause, reason, partial)) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS quarantine_in AFTER INSERT ON quarantine BEGIN ` + countIn + ` END;
CREATE TRIGGER IF NOT EXISTS quarantine_out AFTER DELETE ON quarantine BEGIN ` + countOut + ` END;
CREATE TRIGGER IF NOT EXISTS quarantine_changed AFTER UPDATE ON quarantine BEGIN ` + countOut + countIn + ` END;
CREATE TABLE IF NOT EXISTS history (
	gateway TEXT NOT NULL, minute INTEGER NOT NULL, received INTEGER NOT NULL, stored INTEGER NOT NULL, duplicate INTEGER NOT NULL,
	quarantined INTEGER NOT NULL, partial INTEGER NOT NULL, queued INTEGER NOT NULL, discarded INTEGER NOT NULL DEFAULT 0,
	canary INTEGER NOT NULL DEFAULT 0, missing INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (gateway, minute)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS side (gateway TEXT PRIMARY KEY, book TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hour (
	hour INTEGER NOT NULL, kind TEXT NOT NULL, written INTEGER NOT NULL, seen INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0,
	settled INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (hour, kind)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heard (
	device TEXT PRIMARY KEY, received INTEGER NOT NULL, event INTEGER NOT NULL, gateway TEXT NOT NULL,
	memory TEXT NOT NULL DEFAULT '', noted INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarm (
	id INTEGER PRIMARY KEY AUTOINCREMENT, rule TEXT NOT NULL, severity TEXT NOT NULL, kind TEXT NOT NULL, metric TEXT NOT NULL,
	locality TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, value REAL NOT NULL, worst REAL NOT NULL, threshold TEXT NOT NULL,
	unit TEXT NOT NULL, summary_vi TEXT NOT NULL, summary_en TEXT NOT NULL, description_vi TEXT NOT NULL, description_en TEXT NOT NULL,
	runbook_vi TEXT NOT NULL, runbook_en TEXT NOT NULL, reference TEXT NOT NULL, basis TEXT NOT NULL, since INTEGER NOT NULL,
	raised INTEGER NOT NULL, cleared INTEGER NOT NULL, who TEXT NOT NULL, acknowledged INTEGER NOT NULL, note TEXT NOT NULL,
	quiet INTEGER NOT NULL DEFAULT 0, owed INTEGER NOT NULL DEFAULT 0, stale INTEGER NOT NULL DEFAULT 0,
	lasting INTEGER NOT NULL DEFAULT 0, unready INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX IF NOT EXISTS alarm_owed ON alarm (id) WHERE owed <> 0;
CREATE INDEX IF NOT EXISTS alarm_active ON alarm (id) WHERE cleared = 0;
CREATE INDEX IF NOT EXISTS alarm_by_end ON alarm (cleared);
CREATE TABLE IF NOT EXISTS listening (began INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS deaf (ear TEXT NOT NULL, began INTEGER NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (ear, began)) STRICT, WITHOUT ROWID;
`

// beginHistory has the history of a ledger of layout 1 begin with what it has
// counted so far, which would else seem to have come within one minute.
const beginHistory = `INSERT OR IGNORE INTO history (gateway, minute, received, stored, duplicate, quarantined, partial, queued)
	SELECT gateway, ?, position, stored, duplicate, quarantined, partial, 0 FROM account`

// beginEpochs gives what was counted before there were epochs the epoch "". What the
// gateways had said is what the history has last.
const beginEpochs = `INSERT INTO account SELECT gateway, '', position, stored, duplicate, quarantined, partial, discarded, canary, 0, 0, 0 FROM account_before;
DROP TABLE account_before;
INSERT OR IGNORE INTO said SELECT gateway, '', MAX(received) FROM history GROUP BY gateway`

// Open opens the ledger in o.Dir, making it if it is not there. The caller sees to
// it that no other process has it open.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Room == nil {
		o.Room = func() error { return nil }
	}
	path := filepath.Join(o.Dir, FileName)
	sync := "OFF" // a killed process loses nothing: what is written is the kernel's
	if o.SyncCommits {
		sync = "FULL"
	}
	q := url.Values{"_pragma": {"auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", "synchronous(" + sync + ")", "busy_timeout(2000)", "journal_size_limit(67108864)"}, "_txlock": {"immediate"}}
	db := sqlitefile.Open("file:"+path+"?"+q.Encode(), o.Damaged)
	l := &Ledger{db: db, now: o.Now, room: o.Room, accounts: map[ingest.Sequence]ingest.Account{}, rows: map[ingest.RowKey]ingest.Row{}, said: map[ingest.Sequence]uint64{}, memory: newMemory(o.Memory), marks: newMarks()}
	if err := l.load(ctx); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, errors.Join(err, db.Close()))
	}
	return l, nil
}

// load brings the schema up to date and the accounts and memory into memory.
func (l *Ledger) load(ctx context.Context) error {
	var version int
	if err := l.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if version > layout {
		return fmt.Errorf("its layout %d is newer than this program knows (%d): use the program that wrote it, or a newer one", version, layout)
	}
	if err := l.inTx(ctx, "apply schema", func(tx *sql.Tx) error { return l.upgrade(ctx, tx, version) }); err != nil {
		return err
	}
	if err := l.loadAccounts(ctx); err != nil {
		return err
	}
	if err := l.loadRows(ctx); err != nil {
		return err
	}
	if err := l.loadSaid(ctx); err != nil {
		return err
	}
	if err := l.loadSettled(ctx); err != nil {
		return err
	}
	if err := l.marks.load(ctx, l.db); err != nil {
		return err
	}
	return l.memory.load(ctx, l.db)
}

func (l *Ledger) loadAccounts(ctx context.Context) error {
	rows, err := l.db.QueryContext(ctx, "SELECT gateway, epoch, position, stored, duplicate, quarantined, partial, discarded, canary, again, forgotten, closed FROM account")
	if err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a ingest.Account
		if err := rows.Scan(&a.Gateway, &a.Epoch, &a.Position, &a.Stored, &a.Duplicate, &a.Quarantined, &a.Partial, &a.Discarded, &a.Canary, &a.Again, &a.Forgotten, &a.Closed); err != nil {
			return fmt.Errorf("read accounts: %w", err)
		}
		l.accounts[a.Sequence()] = a
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read accounts: %w", err)
	}
	return nil
}

// upgrade brings the tables from a layout to this one; 0 is an empty file.
func (l *Ledger) upgrade(ctx context.Context, tx *sql.Tx, from int) error {
	for _, c := range []struct{ table, column, add string }{
		{"alarm", "owed", "ALTER TABLE alarm ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0; ALTER TABLE alarm ADD COLUMN owed INTEGER NOT NULL DEFAULT 0"},
		{"alarm", "stale", "ALTER TABLE alarm ADD COLUMN stale INTEGER NOT NULL DEFAULT 0"},
		{"alarm", "lasting", "ALTER TABLE alarm ADD COLUMN lasting INTEGER NOT NULL DEFAULT 0; ALTER TABLE alarm ADD COLUMN unready INTEGER NOT NULL DEFAULT 0"},
		{"account", "canary", "ALTER TABLE account ADD COLUMN canary INTEGER NOT NULL DEFAULT 0"},
		{"history", "canary", "ALTER TABLE history ADD COLUMN canary INTEGER NOT NULL DEFAULT 0"},
		{"account", "discarded", "ALTER TABLE account ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0"},
		{"history", "discarded", "ALTER TABLE history ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0"},
		{"quarantine", "sha256", "ALTER TABLE quarantine ADD COLUMN sha256 BLOB; ALTER TABLE quarantine ADD COLUMN size INTEGER AS (" + sizeOf + ") VIRTUAL"},
		{"account", "epoch", "ALTER TABLE account RENAME TO account_before"},
		{"quarantine", "epoch", "ALTER TABLE quarantine ADD COLUMN epoch TEXT NOT NULL DEFAULT ''"},
		{"quarantine", "row", "ALTER TABLE quarantine ADD COLUMN row TEXT NOT NULL DEFAULT '(earlier)'"},
		{"history", "missing", "ALTER TABLE history ADD COLUMN missing INTEGER NOT NULL DEFAULT 0; UPDATE history SET missing = received - stored - duplicate - quarantined - discarded - canary - queued"},
		{"hour", "settled", "ALTER TABLE hour ADD COLUMN settled INTEGER NOT NULL DEFAULT 0"},
		{"heard", "memory", "ALTER TABLE heard ADD COLUMN memory TEXT NOT NULL DEFAULT ''; ALTER TABLE heard ADD COLUMN noted INTEGER NOT NULL DEFAULT 0; UPDATE heard SET noted = received"},
	} {
		var old bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1)) AND NOT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2)`, c.table, c.column).Scan(&old)
		if err == nil && old {
			_, err = tx.ExecContext(ctx, c.add)
		}
		if err != nil {
			return err
		}
	}
	var counted bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'quarantine_tally')").Scan(&counted); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	if !counted {
		if _, err := tx.ExecContext(ctx, countAll); err != nil {
			return err
		}
	}
	var before bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pragma_table_info('account_before'))").Scan(&before); err != nil {
		return err
	}
	if before {
		if _, err := tx.ExecContext(ctx, beginEpochs); err != nil {
			return err
		}
	}
	if from == 1 {
		if _, err := tx.ExecContext(ctx, beginHistory, minuteOf(l.now())); err != nil {
			return err
		}
	}
	if from > 0 && from < withRows {
		if _, err := tx.ExecContext(ctx, beginRows); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", layout))
	return err
}

// inTx runs f in a transaction; what says what failed.
func (l *Ledger) inTx(ctx context.Context, what string, f func(*sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := f(tx); err != nil {
		return fmt.Errorf("%s: %w", what, errors.Join(err, tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Close closes the file.
func (l *Ledger) Close() error {
	if err := l.db.Close(); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}

// Accounts implements [ingest.Ledger].
func (l *Ledger) Accounts() []ingest.Account {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.sorted()
}

// Seen implements [ingest.Ledger].
func (l *Ledger) Seen(k ingest.MessageKey) ingest.Fate { return l.memory.seen(k) }

// Commit implements [ingest.Ledger].
func (l *Ledger) Commit(ctx context.Context, c ingest.Commit) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin commit to ledger: %w", err)
	}
	if err := l.write(ctx, tx, c); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit to ledger: %w", err)
	}
	for _, f := range c.Fates {
		l.memory.remember(f.Key, f.Fate)
	}
	l.marks.remember(c.Marks)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range c.Accounts {
		l.accounts[a.Sequence()] = a
	}
	for _, r := range c.Rows {
		l.rows[r.Key()] = r
	}
	return nil
}

func (l *Ledger) write(ctx context.Context, tx *sql.Tx, c ingest.Commit) error {
	for _, a := range c.Accounts {
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO account
			(gateway, epoch, position, stored, duplicate, quarantined, partial, discarded, canary, again, forgotten, closed) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
			a.Gateway, string(a.Epoch), a.Position, a.Stored, a.Duplicate, a.Quarantined, a.Partial, a.Discarded, a.Canary, a.Again, a.Forgotten, a.Closed)
		if err != nil {
			return fmt.Errorf("write account of gateway %s: %w", a.Sequence(), err)
		}
	}
	if err := writeRows(ctx, tx, c.Rows); err != nil {
		return err
	}
	if err := l.memory.write(ctx, tx, c.Fates); err != nil {
		return err
	}
	if err := writeHours(ctx, tx, c.Written); err != nil {
		return err
	}
	if err := l.marks.write(ctx, tx, c.Marks); err != nil {
		return err
	}
	// What leaves leaves first: on a full disk its pages are what the new is written to.
	if err := l.discard(ctx, tx, c.Discard); err != nil {
		return err
	}
	if err := l.trim(ctx, tx, c.Trim); err != nil {
		return err
	}
	return writeQuarantine(ctx, tx, c)
}
