package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/sqlstore"
)

// placeFlags say where the registry's database is.
type placeFlags struct {
	Registry string `env:"HAIDANG_REGISTRY" help:"The registry: a file, or postgres://USER@HOST/DATABASE. Default: registry.db in --data." placeholder:"FILE|URL"`
	Data     string `default:"haidang-data" help:"The city's data folder." placeholder:"DIR"`
	JSON     bool   `name:"json" help:"Print JSON instead of a sentence."`
}

func (f placeFlags) place() string {
	if f.Registry != "" {
		return f.Registry
	}
	return filepath.Join(f.Data, "registry.db")
}

// file is the registry's file; empty if it is a server's.
func (f placeFlags) file() string {
	if p := f.place(); !strings.HasPrefix(p, "postgres://") && !strings.HasPrefix(p, "postgresql://") {
		return p
	}
	return ""
}

// lock keeps a city out of the data folder. A registry that is named by itself has
// none.
func (f placeFlags) lock() (unlock func() error, err error) {
	if f.Registry != "" {
		return func() error { return nil }, nil
	}
	return config.Lock(f.Data)
}

type devicesBackup struct {
	placeFlags
	Force   bool   `help:"Replace the file if it is there."`
	Running bool   `help:"Back up while a haidang of this same version works on the data folder."`
	File    string `arg:"" help:"The file to write; - is the standard output."`
}

// Help is kong's detailed help.
func (devicesBackup) Help() string {
	return `Writes all that the registry holds as of one moment, with accounts and photos, in a form that restore
reads into SQLite and PostgreSQL alike. It has hashes of passwords: only you can read the file; keep it so.
A registry that an older haidang left is brought up to date on the way, so stop that one first.

Examples:
  haidang devices backup registry.backup
  haidang devices backup --data /srv/city --running /backup/registry-$(date +%F)
  haidang devices backup --registry postgres://haidang@db/haidang - | zstd > registry.zst`
}

// Run backs up.
func (c *devicesBackup) Run(ctx context.Context, out *terminal.Output) (err error) {
	if file := c.file(); file != "" {
		if _, err := os.Stat(file); err != nil { // opening would make an empty one
			return fmt.Errorf("there is no registry to back up: %w: say where it is with --data or --registry", err)
		}
	}
	if !c.Running {
		unlock, err := c.lock()
		if err != nil {
			return fmt.Errorf("%w; or add --running if that is a haidang of this version (%s)", err, terminal.Version)
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	st, err := sqlstore.Open(ctx, c.place())
	if err != nil {
		return fmt.Errorf("--registry: %w", err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return fileFlags{Output: c.File, Force: c.Force}.write(out, c.JSON, 0o600, func(w io.Writer, n *counter) error {
		p := terminal.NewProgress(out.Stderr)
		stop := p.During(func() string { return terminal.BytesText(n.n.Load()) + " written" })
		err := st.Backup(ctx, w, time.Now())
		stop()
		p.End()
		return err
	})
}

type devicesRestore struct {
	placeFlags
	File string `arg:"" help:"The backup; - is the standard input."`
}

// Help is kong's detailed help.
func (devicesRestore) Help() string {
	return `Restores into a place where no registry is yet, whole or not at all; nothing is ever overwritten. Do it
before the city's first start there. Whoever was logged in logs in again.

Examples:
  haidang devices restore registry.backup --data /srv/new-city
  haidang devices restore registry.backup --registry postgres://haidang@db/haidang
  zstd -d < registry.zst | haidang devices restore -`
}

// Run restores.
func (c *devicesRestore) Run(ctx context.Context, out *terminal.Output) (err error) {
	in, size, err := c.open()
	if err != nil {
		return err
	}
	defer in.Close()
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	_, statErr := os.Lstat(c.file())
	fresh := c.file() != "" && errors.Is(statErr, fs.ErrNotExist)
	if err := c.restore(ctx, in, size, out.Stderr); err != nil {
		if fresh { // it was made for this
			for _, suffix := range []string{"", "-wal", "-shm"} {
				os.Remove(c.file() + suffix)
			}
		}
		return fmt.Errorf("%w: nothing was restored; a backup goes into an empty place, which --data or --registry names", err)
	}
	return c.tell(ctx, out)
}

func (c *devicesRestore) open() (in *os.File, size int64, err error) {
	if c.File == "-" {
		return os.Stdin, 0, nil
	}
	if in, err = os.Open(c.File); err != nil {
		return nil, 0, fmt.Errorf("read the backup: %w", err)
	}
	if info, err := in.Stat(); err == nil {
		size = info.Size()
	}
	return in, size, nil
}

func (c *devicesRestore) restore(ctx context.Context, in io.Reader, size int64, stderr io.Writer) error {
	n := &counter{}
	p := terminal.NewProgress(stderr)
	stop := p.During(func() string {
		if size > 0 {
			return fmt.Sprintf("%s of %s read", terminal.BytesText(n.n.Load()), terminal.BytesText(size))
		}
		return terminal.BytesText(n.n.Load()) + " read"
	})
	err := sqlstore.Restore(ctx, c.place(), bufio.NewReaderSize(io.TeeReader(in, n), 1<<20))
	stop()
	p.End()
	return err
}

// tell says what is there now, as the registry itself counts it.
func (c *devicesRestore) tell(ctx context.Context, out *terminal.Output) (err error) {
	st, err := sqlstore.Open(ctx, c.place())
	if err != nil {
		return fmt.Errorf("open what was restored: %w", err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	r := devices.NewRegistry(st)
	_, n, err := r.Devices(ctx, devices.DeviceFilter{Page: devices.Page{Limit: 1}})
	if err != nil {
		return fmt.Errorf("count devices: %w", err)
	}
	_, sites, err := r.Sites(ctx, devices.SiteFilter{Page: devices.Page{Limit: 1}})
	if err != nil {
		return fmt.Errorf("count sites: %w", err)
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, map[string]any{"registry": sqlstore.Name(c.place()), "devices": n, "sites": sites})
	}
	fmt.Fprintf(out.Stdout, "%s has %s devices and %s sites now.\n", sqlstore.Name(c.place()), terminal.Grouped(int64(n)), terminal.Grouped(int64(sites)))
	return nil
}
