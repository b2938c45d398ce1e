package ledger

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/haidang-iot/haidang/ingest"
)

// SideBooks implements [ingest.SideBooks].
func (l *Ledger) SideBooks(ctx context.Context) (map[string]ingest.SideBook, error) {
	rows, err := l.db.QueryContext(ctx, "SELECT book FROM side")
	if err != nil {
		return nil, fmt.Errorf("read what the sides had counted: %w", err)
	}
	texts, err := texts[string](rows)
	if err != nil {
		return nil, fmt.Errorf("read what the sides had counted: %w", err)
	}
	out := make(map[string]ingest.SideBook, len(texts))
	for _, text := range texts {
		var b ingest.SideBook
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			return nil, fmt.Errorf("read what the sides had counted: %w", err)
		}
		out[b.Gateway] = b
	}
	return out, nil
}

// KeepSideBook implements [ingest.SideBooks].
func (l *Ledger) KeepSideBook(ctx context.Context, b ingest.SideBook) error {
	text, err := json.Marshal(b)
	if err == nil {
		_, err = l.db.ExecContext(ctx, "INSERT OR REPLACE INTO side (gateway, book) VALUES (?,?)", b.Gateway, string(text))
	}
	if err != nil {
		return fmt.Errorf("keep what the sides have counted: %w", err)
	}
	return nil
}
