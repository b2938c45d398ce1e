package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/ingest"
)

// withRows is the first layout that keeps rows.
const withRows = 10

// beginRows puts all that is in an account into one row, where what a file says of rows
// is missing or cannot be trusted.
const beginRows = `DELETE FROM locality_row;
INSERT INTO locality_row SELECT gateway, epoch, '` + string(ingest.Earlier) + `', stored, duplicate, quarantined, partial, discarded, canary FROM account;
UPDATE quarantine SET row = '` + string(ingest.Earlier) + `' WHERE row <> '` + string(ingest.Earlier) + `'`

// MakeEmpty makes an empty ledger in a folder, to be filled with what can be read of a
// damaged one: opened then, it brings its rows into agreement with its accounts.
func MakeEmpty(ctx context.Context, dir string) error {
	l, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	if _, err := l.db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", withRows-1)); err != nil {
		return fmt.Errorf("make an empty ledger: %w", err)
	}
	return l.Close()
}

func (l *Ledger) loadRows(ctx context.Context) error {
	rows, err := l.db.QueryContext(ctx, "SELECT gateway, epoch, locality, stored, duplicate, quarantined, partial, discarded, canary FROM locality_row")
	if err != nil {
		return fmt.Errorf("read rows of accounts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r ingest.Row
		if err := rows.Scan(&r.Gateway, &r.Epoch, &r.Locality, &r.Stored, &r.Duplicate, &r.Quarantined, &r.Partial, &r.Discarded, &r.Canary); err != nil {
			return fmt.Errorf("read rows of accounts: %w", err)
		}
		l.rows[r.Key()] = r
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read rows of accounts: %w", err)
	}
	return nil
}

func writeRows(ctx context.Context, tx *sql.Tx, rows []ingest.Row) error {
	if len(rows) == 0 {
		return nil
	}
	args := make([]any, 0, 9*len(rows))
	for _, r := range rows {
		args = append(args, r.Gateway, string(r.Epoch), string(r.Locality), r.Stored, r.Duplicate, r.Quarantined, r.Partial, r.Discarded, r.Canary)
	}
	// One statement: it is written with every batch.
	if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO locality_row (gateway, epoch, locality, stored, duplicate, quarantined, partial, discarded, canary)
		VALUES `+strings.Repeat("(?,?,?,?,?,?,?,?,?),", len(rows)-1)+"(?,?,?,?,?,?,?,?,?)", args...); err != nil {
		return fmt.Errorf("write rows of accounts: %w", err)
	}
	return nil
}

// Books implements [ingest.Ledger].
func (l *Ledger) Books() ([]ingest.Account, []ingest.Row) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	rows := make([]ingest.Row, 0, len(l.rows))
	for _, r := range l.rows {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b ingest.Row) int {
		return cmp.Or(strings.Compare(a.Gateway, b.Gateway), strings.Compare(string(a.Epoch), string(b.Epoch)), strings.Compare(string(a.Locality), string(b.Locality)))
	})
	return l.sorted(), rows
}

// sorted are the accounts, in order. The caller has the lock.
func (l *Ledger) sorted() []ingest.Account {
	out := make([]ingest.Account, 0, len(l.accounts))
	for _, a := range l.accounts {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b ingest.Account) int {
		return cmp.Or(strings.Compare(a.Gateway, b.Gateway), strings.Compare(string(a.Epoch), string(b.Epoch)))
	})
	return out
}
