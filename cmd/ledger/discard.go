package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/api"
)

// printGone says what has left the quarantine for good.
func printGone(w io.Writer, u api.QuarantineUse) {
	if len(u.Discarded) == 0 {
		return
	}
	fmt.Fprintln(w, "\nDiscarded so far, by cause:")
	for _, d := range u.Discarded {
		partial := ""
		if d.Partial {
			partial = ", the rest of them is stored"
		}
		fmt.Fprintf(w, "%8s  %s %s%s, last %s\n", terminal.Grouped(d.Count), d.Cause, d.Reason, partial, terminal.Moment(d.Last))
	}
}

// letGo is what discarding and purging have in common.
type letGo struct {
	Why    string `required:"" help:"Why they are let go; the journal of access keeps it beside who did it." placeholder:"TEXT"`
	DryRun bool   `help:"Only say how many there are and what they take."`
	Yes    bool   `short:"y" help:"Do not ask."`
}

type quarantineDiscard struct {
	terminal.ClientFlags
	Filter
	letGo
	ID []int64 `arg:"" optional:"" help:"The messages' ids, from the list."`
}

// Help is kong's detailed help.
func (quarantineDiscard) Help() string {
	return `They are counted as discarded: the ledger still balances. A message that is stored in part stays
stored; only what could not be stored of it goes. --reason is the reason they wait for, --why yours.

Examples:
  haidang quarantine discard 17 18 --why 'test messages of the installation'
  haidang quarantine discard --device aq-17 --reason not_json --why 'firmware 1.2 sent noise' --dry-run`
}

// Run discards.
func (c *quarantineDiscard) Run(ctx context.Context, out *terminal.Output) error {
	if len(c.ID) == 0 && c.Filter == (Filter{}) {
		return errors.New("say which messages: ids, --gateway, --reason, --device or --topic; for all of some age: haidang quarantine purge")
	}
	body := c.Filter.body()
	for ids := c.ID; ; ids = ids[min(len(ids), maxIDs):] {
		if len(c.ID) > 0 {
			body["ids"] = ids[:min(len(ids), maxIDs)]
		}
		if err := c.letGo.run(ctx, c.ClientFlags, out, "/api/v1/quarantine/discard", body); err != nil || len(ids) <= maxIDs {
			return err
		}
	}
}

// maxIDs is how many ids one request may name.
const maxIDs = 500

func (f Filter) body() map[string]any {
	return map[string]any{"gateway": f.Gateway, "reason": f.Reason, "device": f.Device, "topic": f.Topic}
}

type quarantinePurge struct {
	terminal.ClientFlags
	Filter
	letGo
	OlderThan terminal.Duration `help:"Only those that wait longer." placeholder:"30d"`
	All       bool              `help:"Everything that waits."`
}

// Help is kong's detailed help.
func (quarantinePurge) Help() string {
	return `Tells how many messages there are and what they take, and asks before it lets them go. What is freed
goes back to the disk; it works while a full disk keeps the loader waiting, too.

Examples:
  haidang quarantine purge --older-than 30d --why 'older than the contract asks for' --dry-run
  haidang quarantine purge --device aq-17 --reason too_large --why 'the disk is full of them' --yes`
}

// Run purges.
func (c *quarantinePurge) Run(ctx context.Context, out *terminal.Output) error {
	some := c.Filter != (Filter{}) || c.OlderThan > 0
	if c.All == some {
		return errors.New("say which messages: --older-than, --gateway, --reason, --device, --topic, or --all and none of these")
	}
	body := c.Filter.body()
	if c.OlderThan > 0 {
		body["before"] = time.Now().Add(-time.Duration(c.OlderThan)).UTC().Format(time.RFC3339Nano)
	}
	if c.All {
		body["all"] = true
	}
	return c.letGo.run(ctx, c.ClientFlags, out, "/api/v1/quarantine/purge", body)
}

// run counts, asks, and discards until all are gone.
func (c letGo) run(ctx context.Context, city terminal.ClientFlags, out *terminal.Output, path string, body map[string]any) error {
	body["why"], body["dry_run"] = c.Why, true
	var found, done ingest.DiscardResult
	if err := city.Call(ctx, http.MethodPost, path, body, &found); err != nil {
		return err
	}
	if c.DryRun || found.Discarded == 0 {
		return printResult(out, city.JSON, "would be discarded", found)
	}
	if err := c.agreed(found, out.Stderr); err != nil {
		return err
	}
	body["dry_run"] = false
	for {
		var r ingest.DiscardResult
		if err := city.Call(ctx, http.MethodPost, path, body, &r); err != nil {
			return err
		}
		done.Discarded, done.Partial, done.Bytes = done.Discarded+r.Discarded, done.Partial+r.Partial, done.Bytes+r.Bytes
		if r.Next == 0 {
			return printResult(out, city.JSON, "discarded", done)
		}
		body["after"] = r.Next
	}
}

// agreed asks whether it may be done, where somebody is there to be asked.
func (c letGo) agreed(found ingest.DiscardResult, stderr io.Writer) error {
	if c.Yes {
		return nil
	}
	what := fmt.Sprintf("%s, %s", terminal.Messages(int64(found.Discarded)), terminal.BytesText(found.Bytes))
	if !terminal.IsTerminal(os.Stdin) || !terminal.IsTerminal(stderr) {
		return fmt.Errorf("%s would be discarded for good: add --yes", what)
	}
	fmt.Fprintf(stderr, "%s: discard them for good? [y/N] ", what)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // no answer is no
	if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" || a == "c" || a == "có" {
		return nil
	}
	return errors.New("nothing was discarded")
}

func printResult(out *terminal.Output, asJSON bool, what string, r ingest.DiscardResult) error {
	if asJSON {
		return terminal.PrintJSON(out.Stdout, r)
	}
	fmt.Fprintf(out.Stdout, "%s: %s, %s; stored in part, and staying so, are %s of them\n", what, terminal.Messages(int64(r.Discarded)), terminal.BytesText(r.Bytes), terminal.Grouped(int64(r.Partial)))
	return nil
}
