package e2e_test

import "syscall"

// childAttributes has the kernel kill a process when that of the test dies
// without its cleanup, as it does at a test timeout.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
