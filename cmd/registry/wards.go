package registry

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices"
	"github.com/haidang-iot/haidang/devices/api"
)

// Wards are the province's lowest units of administration, asked of a running city.
type Wards struct {
	List   wardsList   `cmd:"" help:"List wards, and how many sites each has."`
	Import wardsImport `cmd:"" help:"Add wards, end them, move them between localities, from a file."`
}

// Help is kong's detailed help.
func (Wards) Help() string {
	return `A new registry has the 65 wards of the province as they are since 2025-07-01.

Examples:
  haidang wards list dien
  haidang wards list --locality none
  haidang wards import wards-2027.csv --dry-run`
}

type wardsList struct {
	terminal.CityFlags
	Locality string   `help:"Only those of this locality, such as nha-trang; none: those of no locality." placeholder:"ID"`
	State    string   `enum:",in_force,ended,coming" default:"" help:"Only those in_force, ended or coming." placeholder:"STATE"`
	Words    []string `arg:"" optional:"" help:"Words in code, name or the names of what it was made of; diacritics need not be typed."`
}

// Help is kong's detailed help.
func (wardsList) Help() string {
	return `Examples:
  haidang wards list
  haidang wards list ninh hoa
  haidang wards list --state ended        and how many sites still name them
  haidang wards list --locality none --json`
}

// Run lists.
func (c *wardsList) Run(ctx context.Context, out *terminal.Output) error {
	q := url.Values{}
	for name, value := range map[string]string{"locality": c.Locality, "state": c.State, "q": strings.Join(c.Words, " ")} {
		setIf(q, name, value)
	}
	var all api.WardList
	if err := c.Ask(ctx, terminal.GetFrom("/wards", q), &all); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, all)
	}
	if len(all.Wards) == 0 {
		fmt.Fprintln(out.Stdout, "No ward is like that.")
		return nil
	}
	t := terminal.NewTable("CODE", "NAME", "LOCALITY", "FROM", "TO", "BECAME", "SITES")
	for _, w := range all.Wards {
		var in []string
		for _, m := range w.Localities {
			in = append(in, string(m.Locality)+until(m.To))
		}
		t.Row(w.Code, w.NameVI, terminal.Joined(in), wardDay(w.ValidFrom), wardDay(w.ValidTo), terminal.Joined(w.Successors), fmt.Sprint(w.Sites))
	}
	t.Print(out.Stdout)
	fmt.Fprintf(out.Stdout, "\n%d wards\n", len(all.Wards))
	return nil
}

// wardDay is a day in Vietnam; "" is open.
func wardDay(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.In(terminal.Vietnam()).Format(time.DateOnly)
}

func until(t *time.Time) string {
	if t == nil {
		return ""
	}
	return " until " + wardDay(t)
}

type wardsImport struct {
	terminal.CityFlags
	whyFlag
	DryRun bool   `help:"Say what would become of the rows, change nothing."`
	File   string `arg:"" help:"CSV (separated by comma, semicolon or tab) or YAML; - is the standard input."`
}

// Help is kong's detailed help.
func (wardsImport) Help() string {
	return `The law adds and ends wards. Columns of the CSV, or keys of each entry of the YAML list:
  code           official code of 5 digits                      name_vi     with its form: Phường Vịnh Cam Ranh
  name_en        absent: as it was                              form        phuong, xa, dac_khu; absent: made of the name
  valid_from     a new ward needs it                            valid_to    the day it ends: the first on which it is not there
  successors     codes of what it becomes, with spaces          locality    the one to have it; none takes it out
  locality_from  needed to move one that has a locality         bbox        west south east north, in degrees
  area_km2       square kilometres                              former      names of what it was made of, with ;
What a row leaves out stays as it is. All rows are applied, or none. Days are Vietnam's.
A successor takes the ended ward's place in its locality. Sites in a ward that ends keep its code; they are listed,
to be moved with: haidang sites edit SITE --ward CODE

Examples:
  haidang wards import wards-2027.csv --dry-run
  haidang wards import wards-2027.yaml --why "Nghị quyết 1/NQ-UBTVQH16"

A file:
  code,name_vi,name_en,valid_from,valid_to,successors
  22420,,,,2027-01-01,22999
  22432,,,,2027-01-01,22999
  22999,Phường Vịnh Cam Ranh,Cam Ranh Bay Ward,2027-01-01,,`
}

// Run imports.
func (c *wardsImport) Run(ctx context.Context, out *terminal.Output) error {
	text, err := readWhole(c.File)
	if err != nil {
		return fmt.Errorf("read wards: %w", err)
	}
	rows, err := wardRows(text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	var done api.WardImported
	if err := c.Ask(ctx, terminal.PostTo("/wards/import", api.WardImport{Wards: rows, DryRun: c.DryRun, Why: c.Why}), &done); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, done)
	}
	t := terminal.NewTable("CODE", "NAME", "FROM", "TO", "BECAME", "")
	n, sites := map[devices.WardOutcome]int{}, 0
	for _, w := range done.Wards {
		n[w.Outcome]++
		sites += len(w.ToMove)
		t.Row(w.Code, w.NameVI, wardDay(w.ValidFrom), wardDay(w.ValidTo), terminal.Joined(w.Successors), string(w.Outcome))
	}
	t.Print(out.Stdout)
	fmt.Fprintf(out.Stdout, "\n%d added, %d updated, %d ended, %d unchanged", n[devices.WardAdded], n[devices.WardUpdated], n[devices.WardEnded], n[devices.WardUnchanged])
	if done.DryRun {
		fmt.Fprint(out.Stdout, "; a dry run: nothing was changed")
	}
	fmt.Fprintln(out.Stdout, ".")
	if sites > 0 {
		printToMove(out, done)
	}
	return nil
}

// printToMove lists the sites whose ward ends.
func printToMove(out *terminal.Output, done api.WardImported) {
	fmt.Fprint(out.Stdout, "\nThese sites name a ward that ends. They keep its code; move each with haidang sites edit SITE --ward CODE:\n\n")
	t := terminal.NewTable("SITE", "NAME", "LOCALITY", "WARD", "ENDS", "BECOMES")
	for _, w := range done.Wards {
		for _, s := range w.ToMove {
			t.Row(string(s.Site), terminal.CutTo(s.Name, 40), string(s.Locality), w.Code, wardDay(w.ValidTo), terminal.Joined(w.Successors))
		}
	}
	t.Print(out.Stdout)
}

// maxWardFile bounds a file of wards.
const maxWardFile = 4 << 20

// readWhole reads a file, or the standard input for "-".
func readWhole(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, maxWardFile))
	}
	return os.ReadFile(file)
}
