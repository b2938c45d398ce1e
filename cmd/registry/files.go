package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/api"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// maxImport is the largest file that the interface takes.
const maxImport = 16 << 20

type devicesImport struct {
	terminal.CityFlags
	whyFlag
	DryRun     bool   `help:"Try it and import nothing."`
	Partial    bool   `help:"Import the good rows although others fail."`
	FixSwapped bool   `help:"Take latitude and longitude the other way round where only that lies in the province."`
	Locality   string `help:"Locality of rows that name none." placeholder:"ID"`
	AllRows    bool   `help:"Tell of every row, not only of those that fail."`
	File       string `arg:"" help:"The file: CSV or XLSX; - is the standard input."`
}

// Help is kong's detailed help.
func (devicesImport) Help() string {
	return `A row is a device at a site, a device alone or a site alone. Columns are found by their headers in
Vietnamese or English, as in an export; CSV may have commas, semicolons or tabs, decimal points or
commas, and come from Excel. Nothing is imported if a row fails, unless --partial. The exit code is 1 if
a row fails, in a dry run too. Ctrl-C stops it: what is not committed is undone, which is everything
unless --partial, where every 500 rows are.

What is not known is created, what is known is changed where the row says something else, and the same
file sent again is told as unchanged. An empty cell says nothing, but in an export (a file with the column
state) it takes an optional value away. A device that was taken away is put back. A new site without a ward
gets the one that its position suggests; wards are known by code or name. Times without offset are Vietnam's.

Examples:
  haidang devices import new.xlsx --dry-run
  haidang devices import edited-export.xlsx --all-rows
  haidang devices import new.xlsx --why "delivery of November"
  haidang devices import old.csv --locality cam-ranh --fix-swapped --partial`
}

// Run imports.
func (c *devicesImport) Run(ctx context.Context, out *terminal.Output) error {
	data, err := c.read()
	if err != nil {
		return err
	}
	q := url.Values{"results": {"failed"}}
	if c.AllRows {
		q.Set("results", "all")
	}
	for name, yes := range map[string]bool{"dry_run": c.DryRun, "partial": c.Partial, "fix_swapped": c.FixSwapped} {
		if yes {
			q.Set(name, "true")
		}
	}
	setIf(q, "locality", c.Locality)
	setIf(q, "why", c.Why)
	r, err := c.send(ctx, data, q, out.Stderr)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := terminal.PrintJSON(out.Stdout, r); err != nil {
			return err
		}
	} else {
		c.print(out.Stdout, r)
	}
	if r.Failed > 0 {
		return terminal.ExitCode(1)
	}
	return nil
}

func (c *devicesImport) read() ([]byte, error) {
	in := os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("read the file to import: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxImport+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.File, err)
	}
	if len(data) > maxImport {
		return nil, fmt.Errorf("%s is larger than the %d MiB that can be imported at once: split it", c.File, maxImport>>20)
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("%s is empty: give a file with a header and rows", c.File)
	}
	return data, nil
}

// send sends the file and tells how far it and its rows have come.
func (c *devicesImport) send(ctx context.Context, data []byte, query url.Values, stderr io.Writer) (api.ImportResult, error) {
	sent, rows := &counter{}, &importRows{partial: c.Partial && !c.DryRun}
	p := terminal.NewProgress(stderr)
	stop := p.During(func() string {
		if n := sent.n.Load(); n < int64(len(data)) {
			return fmt.Sprintf("%s of %s sent", terminal.BytesText(n), terminal.BytesText(int64(len(data))))
		}
		return rows.text()
	})
	err := c.Fetch(ctx, terminal.Question{Method: http.MethodPost, Path: "/import", Query: query, Content: io.TeeReader(bytes.NewReader(data), sent),
		Size: int64(len(data)), Accept: "application/x-ndjson", Within: terminal.FileTime}, rows)
	stop()
	p.End()
	return rows.end(ctx, err)
}

// importRows is how far an import has come, from the lines of its answer that are
// written to it.
type importRows struct {
	partial bool

	mu   sync.Mutex
	rest []byte // of a line that has begun
	last api.ImportLine
}

// Write implements io.Writer.
func (r *importRows) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = append(r.rest, b...)
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		if err := json.Unmarshal(line, &r.last); err != nil {
			return 0, fmt.Errorf("read how far the import has come: %w: is this a haidang of another version?", err)
		}
		r.rest = rest
	}
}

// text is how far it has come.
func (r *importRows) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.last.Rows == 0:
		return "sent; the file is read"
	case r.last.Done < r.last.Rows:
		return fmt.Sprintf("%s of %s rows", terminal.Grouped(int64(r.last.Done)), terminal.Grouped(int64(r.last.Rows)))
	}
	return fmt.Sprintf("%s rows; they are written down", terminal.Grouped(int64(r.last.Rows)))
}

// end is what came of it. Of an import whose end was not told, it says what that
// means.
func (r *importRows) end(ctx context.Context, err error) (api.ImportResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.last.Result != nil:
		return *r.last.Result, nil
	case r.last.Problem != nil:
		return api.ImportResult{}, fmt.Errorf("import: %w", r.last.Problem)
	case r.last.Rows == 0 && err != nil:
		return api.ImportResult{}, err
	}
	if ctx.Err() != nil || err == nil {
		err = errors.New("the import was stopped")
	}
	left := "unless it was just being committed, nothing was imported"
	if r.partial {
		left = "rows that were committed by then are in the registry"
	}
	return api.ImportResult{}, fmt.Errorf("%w after %s of %s rows: %s\n  → Send the same file again: nothing is imported twice", err, terminal.Grouped(int64(r.last.Done)), terminal.Grouped(int64(r.last.Rows)), left)
}

func (c *devicesImport) print(w io.Writer, r api.ImportResult) {
	t := terminal.NewTable("ROW", "DEVICE", "SITE", "RESULT", "COLUMN", "REASON")
	for _, row := range r.Results {
		for i := range max(1, len(row.Errors)) {
			column, reason := "", ""
			if i < len(row.Errors) {
				f := row.Errors[i]
				column, reason = f.Column, f.EN
				if f.Suggestion != "" && !strings.Contains(f.EN, f.Suggestion) {
					reason += " Perhaps " + f.Suggestion + "?"
				}
			}
			t.Row(fmt.Sprint(row.Row), terminal.CutTo(string(row.Device), 40), terminal.CutTo(string(row.Site), 40), string(row.Status), terminal.CutTo(column, 30), terminal.CutTo(reason, 160))
		}
	}
	if len(t.Rows) > 0 {
		t.Print(w)
		fmt.Fprintln(w)
	}
	var ignored []string
	for _, col := range r.Columns {
		if col.Field == "" && col.Header != "" {
			ignored = append(ignored, terminal.CutTo(col.Header, 30))
		}
	}
	if len(ignored) > 0 {
		fmt.Fprintf(w, "Columns that are not known and were left out: %s\n", strings.Join(ignored, ", "))
	}
	fmt.Fprintln(w, c.summary(r))
	if r.Swapped > 0 && !c.FixSwapped {
		fmt.Fprintf(w, "In %s rows latitude and longitude seem to be swapped: --fix-swapped takes them the other way round.\n", terminal.Grouped(int64(r.Swapped)))
	}
}

// summary says what came of it, and what to do if rows failed.
func (c *devicesImport) summary(r api.ImportResult) string {
	rows, failed, good := terminal.Grouped(int64(r.Rows)), terminal.Grouped(int64(r.Failed)), terminal.Grouped(int64(r.Rows-r.Failed))
	as := "" // what the rows that are there already need
	if r.Updated > 0 || r.Unchanged > 0 {
		as = fmt.Sprintf(" (%s new, %s updated; %s unchanged)", terminal.Grouped(int64(r.Imported-r.Updated)), terminal.Grouped(int64(r.Updated)), terminal.Grouped(int64(r.Unchanged)))
	}
	switch {
	case r.DryRun && r.Failed == 0:
		return fmt.Sprintf("%s rows, all good%s. Nothing was imported: it was a dry run.", rows, as)
	case !r.DryRun && r.Failed == 0 && r.Unchanged == r.Rows:
		return fmt.Sprintf("%s rows, all unchanged: the registry has all that they say.", rows)
	case r.DryRun:
		return fmt.Sprintf("%s rows, %s failed. Nothing was imported: it was a dry run.", rows, failed)
	case r.Committed && r.Failed == 0:
		return fmt.Sprintf("%s rows imported%s.", terminal.Grouped(int64(r.Imported)), as)
	case r.Committed:
		return fmt.Sprintf("%s of %s rows imported%s; %s failed.", terminal.Grouped(int64(r.Imported)), rows, as, failed)
	case c.Partial && r.Unchanged > 0:
		return fmt.Sprintf("%s rows, %s failed, the others unchanged: nothing was imported.", rows, failed)
	case c.Partial:
		return fmt.Sprintf("%s rows, all failed: nothing was imported.", rows)
	default:
		return fmt.Sprintf("%s rows, %s failed: nothing was imported. Mend them, or import the other %s with --partial.", rows, failed, good)
	}
}

// counter counts what is written to it.
type counter struct{ n atomic.Int64 }

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

type devicesExport struct {
	terminal.CityFlags
	deviceFilters
	fileFlags
	Format string   `enum:",csv,xlsx,geojson" default:"" help:"csv, xlsx or geojson; absent is what --output ends with, else csv." placeholder:"WORD"`
	What   string   `enum:"devices,sites" default:"devices" help:"devices with the sites where they stand, or sites. GeoJSON has sites." placeholder:"devices"`
	Words  []string `arg:"" optional:"" help:"Words in id, model, serial, notes or the site's name."`
}

// Help is kong's detailed help.
func (devicesExport) Help() string {
	return `CSV and XLSX have the columns that an import reads.

Examples:
  haidang devices export > devices.csv
  haidang devices export --output devices.xlsx --locality nha-trang
  haidang devices export --output sites.geojson`
}

// Run exports.
func (c *devicesExport) Run(ctx context.Context, out *terminal.Output) error {
	format := c.Format
	if format == "" {
		format = "csv"
		if ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(c.Output)), "."); ext == "xlsx" || ext == "geojson" {
			format = ext
		}
	}
	if format == "xlsx" && c.Output == "-" && terminal.IsTerminal(out.Stdout) {
		return errors.New("--format xlsx is not for a terminal: give --output FILE.xlsx")
	}
	q := c.query()
	q.Set("format", format)
	q.Set("what", c.What)
	setIf(q, "q", strings.Join(c.Words, " "))
	ask := terminal.GetFrom("/export", q)
	ask.Within = terminal.FileTime
	return c.save(ctx, out, c.CityFlags, ask, 0o640)
}

type devicesLabels struct {
	terminal.CityFlags
	deviceFilters
	fileFlags
	whyFlag
	Site         string   `help:"Those that stand at this site." placeholder:"ID"`
	Skip         int      `help:"Labels of the first sheet that are used already, up to 23." placeholder:"N"`
	IssueSecrets bool     `help:"Issue a new secret for each and put it into its QR code. Secrets from before stop working; needs --why."`
	Devices      []string `arg:"" optional:"" help:"The devices' ids; without any, filters choose them."`
}

// maxLabels is how many labels one file has.
const maxLabels = 500

// Help is kong's detailed help.
func (devicesLabels) Help() string {
	return `A4 with 3 by 8 labels of 70 by 37 mm: the QR code with the registration link, the device's id, the
site's name. A file with secrets can be read by nobody but you; delete it once it is printed.

Examples:
  haidang devices labels aq-0042 aq-0043 --output labels.pdf
  haidang devices labels --locality cam-ranh --state planned --output labels.pdf --skip 5
  haidang devices labels aq-0042 --issue-secrets --why "first installation" --output labels.pdf`
}

// Run makes labels.
func (c *devicesLabels) Run(ctx context.Context, out *terminal.Output) error {
	in := api.LabelInput{IssueSecrets: c.IssueSecrets, Skip: c.Skip, Why: c.Why}
	switch {
	case c.IssueSecrets && c.Why == "":
		return errors.New("--issue-secrets makes the secrets from before stop working: say why with --why TEXT")
	case c.Skip < 0 || c.Skip > 23:
		return fmt.Errorf("--skip is %d: a sheet has 24 labels; give 0 to 23", c.Skip)
	case c.Output == "-" && terminal.IsTerminal(out.Stdout):
		return errors.New("a PDF is not for a terminal: give --output FILE.pdf")
	}
	for _, id := range c.Devices {
		in.Devices = append(in.Devices, telemetry.Device(id))
	}
	if len(in.Devices) == 0 {
		q := c.query()
		setIf(q, "site", c.Site)
		if len(q) == 0 {
			return errors.New("say which devices: their ids, or a filter such as --site or --locality")
		}
		q.Set("limit", fmt.Sprint(maxLabels+1))
		page, err := devicePages(ctx, c.CityFlags, q, false, out.Stderr)
		if err != nil {
			return err
		}
		for _, d := range page.Devices {
			in.Devices = append(in.Devices, d.ID)
		}
	} else if len(c.query()) > 0 || c.Site != "" {
		return errors.New("ids and filters are both given: choose one")
	}
	switch n := len(in.Devices); {
	case n == 0:
		return errors.New("no device is like that: see haidang devices list with the same filters")
	case n > maxLabels:
		return fmt.Errorf("these are more than the %d labels of one file: choose fewer with ids or filters", maxLabels)
	}
	ask := terminal.PostTo("/labels", in)
	ask.Within = terminal.FileTime
	err := c.save(ctx, out, c.CityFlags, ask, 0o600)
	var no *terminal.Refusal
	if err != nil && c.IssueSecrets && !errors.As(err, &no) {
		return fmt.Errorf("%w\n  → New secrets may have been issued all the same, and those from before do not work then: make these labels again", err)
	}
	return err
}
