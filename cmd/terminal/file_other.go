//go:build !linux

package terminal

import (
	"errors"
	"os"
)

// openNameless is for systems that can.
func openNameless(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// linkNameless is never reached where openNameless cannot.
func linkNameless(*os.File, string) error { return errors.ErrUnsupported }
