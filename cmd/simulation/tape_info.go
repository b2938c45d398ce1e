package simulation

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/simulator/tape"
)

// Tape is `haidang tape`: a field for each command below it.
type Tape struct {
	Info    tapeInfo    `cmd:"" help:"Say what a tape holds."`
	Convert tapeConvert `cmd:"" help:"Make a tape of the quarantine, the journal, the store or a file, or a file of a tape."`
}

type tapeInfo struct {
	Tape string `arg:"" type:"existingfile" help:"Tape to look at."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Help is kong's detailed help.
func (tapeInfo) Help() string {
	return `Examples:
  haidang tape info city.tape
  zstdcat city.tape | jq -r .topic | sort | uniq -c`
}

// Run says.
func (c *tapeInfo) Run(out *terminal.Output) error {
	in, err := tape.Open(c.Tape)
	if err != nil {
		return err
	}
	defer in.Close()
	span, err := in.Span()
	if err != nil {
		return fmt.Errorf("read tape: %w", err)
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, struct {
			tape.Header
			tape.Span
		}{in.Header(), span})
	}
	t := tabwriter.NewWriter(out.Stdout, 0, 0, 2, ' ', 0)
	local := func(at time.Time) string { return at.In(terminal.Vietnam()).Format("2006-01-02 15:04:05") }
	h := in.Header()
	fmt.Fprintf(t, "Source\t%s   topics %v\n", terminal.Shown(h.Source, 100), h.Topics)
	fmt.Fprintf(t, "Made\t%s   by %s\n", local(h.Made), terminal.Shown(h.Program, 40))
	if span.Messages > 0 {
		fmt.Fprintf(t, "From, to\t%s   %s   (%v)\n", local(span.First), local(span.Last), span.Last.Sub(span.First).Round(time.Second))
	}
	fmt.Fprintf(t, "Messages\t%s   in %d blocks, %s\n", terminal.Grouped(int64(span.Messages)), span.Blocks, terminal.BytesText(span.Bytes))
	if span.Cut {
		fmt.Fprintln(t, "End\tcut off in the middle of a block, as by a recording that was killed")
	}
	return t.Flush()
}
