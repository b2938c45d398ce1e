package city

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/damage"
)

// folderFlags say where a city's data is, for commands that look into it.
type folderFlags struct {
	Data      string `default:"haidang-data" help:"The city's data folder." placeholder:"DIR"`
	Registry  string `env:"HAIDANG_REGISTRY" help:"Registry, if it is not registry.db in --data." placeholder:"FILE|URL"`
	BackupDir string `help:"Folder of the hourly backups. Default: backups in --data." placeholder:"DIR"`
}

// custody makes one of the folder, which must be there.
func (f folderFlags) custody(out *terminal.Output) (*custody, error) {
	if _, err := os.Stat(f.Data); err != nil {
		return nil, fmt.Errorf("look into the folder --data: %w: say where the city's data is with --data", err)
	}
	flags := loadFlags{storeFlags: storeFlags{Store: "embedded", Retention: terminal.Duration(400 * 24 * time.Hour)},
		registryFlags: registryFlags{Registry: f.Registry}, backupFlags: backupFlags{BackupDir: f.BackupDir}}
	k := newCustody(f.Data, flags, true, ingest.NewFindings(time.Now), terminal.LogFlags{}.Logger(out.Stderr))
	k.keepSessions(flags.backupFlags)
	return k, nil
}

// Check is `haidang check`: whether anything in a data folder is damaged.
type Check struct {
	folderFlags
	JSON bool `name:"json" help:"Print JSON instead of sentences."`
}

// Help is kong's detailed help.
func (Check) Help() string {
	return `Reads the whole data folder and compares every checksum: ledger, registry and MQTT sessions (SQLite's
integrity_check), the broker's streams with the journal, the store's logs, indices and chunks; and holds them against marks.json,
which says what was there when the city last ran. Nothing is changed. It may run beside a running city, which
does the same by itself at its start and once a day. Exit code 1 if anything is damaged or gone.

Examples:
  haidang check
  haidang check --data /srv/city --json
  haidang check --data haidang-door     that of haidang door`
}

// Run checks.
func (c *Check) Run(ctx context.Context, out *terminal.Output) error {
	k, err := c.custody(out)
	if err != nil {
		return err
	}
	p := terminal.NewProgress(out.Stderr)
	at := make(chan string, 1)
	what := ""
	stop := p.During(func() string {
		select {
		case what = <-at:
		default:
		}
		return "checking " + what
	})
	found, err := k.check(ctx, true, 0, func(what string) {
		select {
		case <-at:
		default:
		}
		at <- what
	})
	stop()
	p.End()
	if err != nil {
		return err
	}
	if c.JSON {
		if err := terminal.PrintJSON(out.Stdout, map[string]any{"data": c.Data, "findings": found}); err != nil {
			return err
		}
	} else {
		printFindings(out.Stdout, c.Data, found)
	}
	if len(found) > 0 {
		return terminal.ExitCode(1)
	}
	return nil
}

func printFindings(w io.Writer, dir string, found []ingest.Finding) {
	if len(found) == 0 {
		fmt.Fprintf(w, "%s: nothing is damaged.\n", dir)
		return
	}
	for _, f := range found {
		fmt.Fprintf(w, "%s: %s\n  %s.\n  What to do: %s.\n", f.Severity, terminal.Shown(f.SummaryEN, 200), terminal.Shown(f.DescriptionEN, 2000), terminal.Shown(f.RunbookEN, 1000))
	}
}

// Restore is `haidang restore`: an hourly backup put in the place of a file.
type Restore struct {
	Ledger   restoreLedger   `cmd:"" help:"Put a backup of the ledger in its place."`
	Registry restoreRegistry `cmd:"" help:"Put a backup of the registry in its place."`
	Sessions restoreSessions `cmd:"" help:"Put a backup of the MQTT sessions in their place."`
}

// restoreFlags are what all have.
type restoreFlags struct {
	folderFlags
	From  string `help:"The backup; the newest that is not damaged if not given." placeholder:"FILE"`
	List  bool   `help:"List the backups that are there, and change nothing."`
	Empty bool   `help:"Let the city begin without the file: what was in it is gone."`
}

type restoreLedger struct{ restoreFlags }

type restoreRegistry struct{ restoreFlags }

type restoreSessions struct{ restoreFlags }

// Help is kong's detailed help.
func (restoreLedger) Help() string {
	return `A city backs its ledger up once an hour and mends it by itself at its start, so this is for going back to an
earlier one. Stop the city first. The file that was there is kept beside it. What was accounted for since the
backup is in the store all the same, and audit counts it as forgotten; what came into quarantine since is lost.

Examples:
  haidang restore ledger --list
  haidang restore ledger --data /srv/city
  haidang restore ledger --from /srv/city/backups/ledger-20261128T140000Z.db`
}

// Help is kong's detailed help.
func (restoreRegistry) Help() string {
	return `A city backs its registry up once an hour and mends it by itself at its start, so this is for going back to
an earlier one. Stop the city first. The file that was there is kept beside it. What was registered or changed
since the backup is lost. A backup made by haidang devices backup goes back with haidang devices restore.

Examples:
  haidang restore registry --list
  haidang restore registry --data /srv/city
  haidang restore registry --empty     begin with no devices and no accounts`
}

// Help is kong's detailed help.
func (restoreSessions) Help() string {
	return `A city and haidang door back up once an hour what they keep for MQTT clients: sessions with their subscriptions, commands
that wait for devices, retained messages. They mend the file by themselves at their start, so this is for going back
to an earlier one. Stop the city, or the door, first. The file that was there is kept beside it. Commands that came since the
backup are lost, and those that were delivered since are delivered again. Readings are not in it.

Examples:
  haidang restore sessions --list
  haidang restore sessions --data /srv/city
  haidang restore sessions --data haidang-door     those of haidang door
  haidang restore sessions --empty                 begin without any: devices subscribe anew`
}

// Run restores the ledger.
func (c *restoreLedger) Run(ctx context.Context, out *terminal.Output) error {
	return c.run(ctx, out, ledgerPart)
}

// Run restores the registry.
func (c *restoreRegistry) Run(ctx context.Context, out *terminal.Output) error {
	return c.run(ctx, out, registryPart)
}

// Run restores the MQTT sessions.
func (c *restoreSessions) Run(ctx context.Context, out *terminal.Output) error {
	return c.run(ctx, out, sessionsPart)
}

func (c *restoreFlags) run(ctx context.Context, out *terminal.Output, name string) (err error) {
	k, err := c.custody(out)
	if err != nil {
		return err
	}
	var part *damage.Part
	for i := range k.parts {
		if k.parts[i].Name == name {
			part = &k.parts[i]
		}
	}
	if part == nil {
		return fmt.Errorf("--registry %s is a server's: restore it with its own tools", terminal.Redact(c.Registry))
	}
	if c.List {
		return c.list(out.Stdout, part)
	}
	unlock, err := config.Lock(c.Data)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := unlock(); err == nil {
			err = closeErr
		}
	}()
	if c.Empty {
		return c.empty(ctx, k, part, out.Stdout)
	}
	from := damage.Backup{Path: c.From}
	if c.From == "" {
		newest, found, err := part.Backups.Newest(ctx)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("there is no backup of the %s in %s: name one with --from, or their folder with --backup-dir", name, k.backups)
		}
		from = newest
	}
	m, err := part.Restore(ctx, from)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.Stdout, "%s is restored from %s.\n", part.File, from.Path)
	if m.Aside != "" {
		fmt.Fprintf(out.Stdout, "What was there is kept as %s.\n", m.Aside)
	}
	return nil
}

func (c *restoreFlags) list(w io.Writer, p *damage.Part) error {
	all, err := p.Backups.List()
	if err != nil {
		return err
	}
	for _, b := range all {
		fmt.Fprintf(w, "%s  %10s  %s\n", terminal.Moment(b.At), terminal.BytesText(b.Size), b.Path)
	}
	if len(all) == 0 {
		fmt.Fprintf(w, "There are no backups of the %s in %s.\n", p.Name, p.Backups.Dir)
	}
	return nil
}

// empty puts an empty file in the place.
func (c *restoreFlags) empty(ctx context.Context, k *custody, p *damage.Part, w io.Writer) error {
	if isThere(p.File) {
		return fmt.Errorf("%s is there: move it away first if the city is to begin without it", p.File)
	}
	if err := p.Make(ctx, p.File); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s is empty now, and %s begins with it.\n", p.File, filepath.Clean(c.Data))
	return nil
}
