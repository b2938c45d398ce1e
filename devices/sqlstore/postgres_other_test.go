//go:build !linux

package sqlstore_test

import "testing"

type postgres struct{}

func startPostgres(t testing.TB) *postgres {
	t.Skip("these tests start PostgreSQL on Linux only")
	return nil
}

func (p *postgres) database(testing.TB) string { return "" }
