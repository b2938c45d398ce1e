//go:build !linux

package e2e_test

import "syscall"

// childAttributes is empty where the kernel cannot tie a child's life to its
// parent's.
func childAttributes() *syscall.SysProcAttr { return nil }
