package simulation

import (
	"syscall"
)

// openFiles is how many files this process may have open; 0 if nobody knows. Go
// has raised the limit to the most that the system allows when it started.
func openFiles() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return l.Cur
}
