//go:build !linux

package realserver

import "syscall"

// childAttributes is empty where the kernel cannot tie a child's life to its
// parent's: a server may outlive a test that ends without its cleanup.
func childAttributes() *syscall.SysProcAttr { return nil }
