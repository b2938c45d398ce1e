package registry

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/haidang-iot/haidang/cmd/terminal"
)

// fileFlags say where a file goes.
type fileFlags struct {
	Output string `short:"o" default:"-" help:"The file to write; - is the standard output." placeholder:"FILE"`
	Force  bool   `help:"Replace the file if it is there."`
}

// save asks and writes the answer to the file: whole or not at all. The file is
// opened first, so that what can be had only once is not lost for want of one.
func (f fileFlags) save(ctx context.Context, out *terminal.Output, from terminal.CityFlags, q terminal.Question, mode os.FileMode) error {
	return f.write(out, from.JSON, mode, func(w io.Writer, n *counter) error {
		p := terminal.NewProgress(out.Stderr)
		stop := p.During(func() string { return terminal.BytesText(n.n.Load()) + " received" })
		err := from.Fetch(ctx, q, w)
		stop()
		p.End()
		return err
	})
}

// write fills the file, and tells of it.
func (f fileFlags) write(out *terminal.Output, asJSON bool, mode os.FileMode, fill func(io.Writer, *counter) error) error {
	n := &counter{}
	if f.Output == "-" {
		return fill(io.MultiWriter(out.Stdout, n), n)
	}
	if _, err := os.Lstat(f.Output); err == nil && !f.Force {
		return fmt.Errorf("%s is there already: choose another name, or replace it with --force", f.Output)
	}
	file, err := terminal.CreateFile(f.Output, mode, f.Force)
	if err != nil {
		return err
	}
	defer file.Discard()
	if err := fill(io.MultiWriter(file, n), n); err != nil {
		return err
	}
	if err := file.Commit(); err != nil {
		return err
	}
	if asJSON {
		return terminal.PrintJSON(out.Stdout, map[string]any{"file": f.Output, "bytes": n.n.Load()})
	}
	fmt.Fprintf(out.Stdout, "%s written, %s\n", f.Output, terminal.BytesText(n.n.Load()))
	return nil
}
