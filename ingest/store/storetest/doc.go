// Package storetest proves that a store keeps the contract of [store.Store],
// whatever engine is behind it: every implementation runs the same cases, so
// that the loader need not know which one it writes to.
//
// It is for tests only and imports testing.
package storetest
