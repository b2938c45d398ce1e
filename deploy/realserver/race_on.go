//go:build race

package realserver

const raced = true
