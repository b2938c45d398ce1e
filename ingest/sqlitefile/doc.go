// Package sqlitefile is what SQLite's files have in common, whatever is in them: an
// opening that notices malformed pages, checks, copies that are whole or not there,
// and saving what can still be read of a damaged file.
package sqlitefile
