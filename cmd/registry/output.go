package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
func (f fileFlags) write(out *terminal.Output, asJSON bool, mode os.FileMode, fill func(io.Writer, *counter) error) (err error) {
	n := &counter{}
	if f.Output == "-" {
		return fill(io.MultiWriter(out.Stdout, n), n)
	}
	if _, err := os.Lstat(f.Output); err == nil && !f.Force {
		return fmt.Errorf("%s is there already: choose another name, or replace it with --force", f.Output)
	}
	folder := filepath.Dir(f.Output)
	tmp, err := os.CreateTemp(folder, ".haidang-*") // for its owner alone
	if err != nil {
		return fmt.Errorf("write %s: %w", f.Output, err)
	}
	defer func() {
		if err != nil { // what is left to do then is to leave nothing behind
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err := fill(io.MultiWriter(tmp, n), n); err != nil {
		return err
	}
	if err := errors.Join(tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.Output, err)
	}
	if err := os.Rename(tmp.Name(), f.Output); err != nil {
		return fmt.Errorf("write %s: %w", f.Output, err)
	}
	if d, err := os.Open(folder); err == nil { // so that its name survives the power too
		errSync := d.Sync()
		d.Close()
		if errSync != nil {
			return fmt.Errorf("sync folder %s: %w", folder, errSync)
		}
	}
	if asJSON {
		return terminal.PrintJSON(out.Stdout, map[string]any{"file": f.Output, "bytes": n.n.Load()})
	}
	fmt.Fprintf(out.Stdout, "%s written, %s\n", f.Output, terminal.BytesText(n.n.Load()))
	return nil
}
