//go:build race

package api_test

// raced says that the race detector runs, under which the database takes thirty
// times as long.
const raced = true
