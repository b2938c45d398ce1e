package terminal

import (
	"context"
	"io"
	"testing"
)

// TestPanicIsNotSwallowed: only kong's way of leaving may end a command quietly.
func TestPanicIsNotSwallowed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a panic of a command was swallowed")
		}
	}()
	var grammar struct {
		Faulty faulty `cmd:""`
	}
	Run(context.Background(), &grammar, []string{"faulty"}, io.Discard, io.Discard)
}

// faulty is a command with a fault of the program.
type faulty struct{}

// Run panics.
func (faulty) Run() error { panic("fault") }
