// Package sqlstore keeps the registry of devices in SQLite (a file, the default)
// or PostgreSQL (a URL). Both have the same tables, made by the same migrations,
// are asked the same statements, and pass the same conformance suite.
//
// # Guarantees
//
// A write is one transaction, kept whole or not at all, and survives the loss of
// power once it has returned. Writes of all processes come one after the other:
// in SQLite by its lock, in PostgreSQL by an advisory lock, so that rules may be
// checked and then relied on, and the journal of changes has no gaps. Reads see
// one consistent state and wait for nobody.
//
// # Backup
//
// [Store.Backup] writes all tables in one portable form (see backup.go), which
// [Restore] reads into an empty store of either database: it is the backup and
// also the way from SQLite to PostgreSQL.
package sqlstore
