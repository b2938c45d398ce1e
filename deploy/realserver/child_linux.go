package realserver

import "syscall"

// childAttributes has the kernel kill the server when the test's process dies
// without its cleanup, as it does at a test timeout.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
