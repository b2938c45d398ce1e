//go:build !race

package realserver

const raced = false
