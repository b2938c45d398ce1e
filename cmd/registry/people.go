package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// People are the accounts of people, asked of a running city.
type People struct {
	List    peopleList    `cmd:"" help:"List accounts."`
	Invite  peopleInvite  `cmd:"" help:"Make a link by which somebody makes an account; it is shown once."`
	Role    peopleRole    `cmd:"" help:"Give an account another role, or other localities."`
	Disable peopleDisable `cmd:"" help:"Disable an account and end its sessions."`
	Enable  peopleEnable  `cmd:"" help:"Let a disabled account in again."`
	Reset   peopleReset   `cmd:"" help:"Make a link by which somebody sets a new password; it is shown once."`
}

// Help is kong's detailed help.
func (People) Help() string {
	return `They need an administrator's API token with scope admin in HAIDANG_TOKEN.

Examples:
  haidang people list
  haidang people invite --role field --locality nha-trang
  haidang people role lan operator
  haidang people reset lan`
}

type peopleList struct{ terminal.CityFlags }

// Help is kong's detailed help.
func (peopleList) Help() string {
	return "Examples:\n  haidang people list\n  haidang people list --json"
}

// Run lists them.
func (c *peopleList) Run(ctx context.Context, out *terminal.Output) error {
	var all []access.Account
	if err := c.Ask(ctx, terminal.GetFrom("/accounts", nil), &all); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(out.Stdout, "Nobody has an account yet: haidang people invite --role admin")
		return nil
	}
	t := terminal.NewTable("NAME", "PERSON", "ROLE", "LOCALITIES", "LOGS IN AT", "DISABLED", "SINCE")
	for _, a := range all {
		t.Row(a.Name, terminal.CutTo(a.Display, 40), string(a.Role), terminal.Joined(a.Localities), a.Issuer, terminal.TimeText(&a.Disabled), terminal.TimeText(&a.Created))
	}
	t.Print(out.Stdout)
	return nil
}

type peopleInvite struct {
	terminal.CityFlags
	Role     access.Role          `required:"" enum:"viewer,field,operator,admin" help:"What they may do: viewer, field, operator or admin." placeholder:"ROLE"`
	Locality []telemetry.Locality `help:"Localities that they may change; several with commas. Absent is all." placeholder:"ID"`
}

// Help is kong's detailed help.
func (peopleInvite) Help() string {
	return `The link is good once and for 24 hours. Who has it can make the account: hand it to that person only.

Examples:
  haidang people invite --role viewer
  haidang people invite --role field --locality nha-trang,cam-lam`
}

// Run invites.
func (c *peopleInvite) Run(ctx context.Context, out *terminal.Output) error {
	return printLink(ctx, c.CityFlags, out, map[string]any{"role": c.Role, "localities": c.Locality})
}

// printLink asks for a link and shows it.
func printLink(ctx context.Context, f terminal.CityFlags, out *terminal.Output, what map[string]any) error {
	var l access.LinkAnswer
	if err := f.Ask(ctx, terminal.PostTo("/links", what), &l); err != nil {
		return err
	}
	address := strings.TrimSuffix(f.URL, "/") + "/welcome#" + l.Link
	if f.JSON {
		return terminal.PrintJSON(out.Stdout, map[string]any{"url": address, "link": l.Link, "expires": l.Expires})
	}
	fmt.Fprintf(out.Stdout, "%s\n\nGood once, until %s. It is not shown again.\n", terminal.OnScreen(address), terminal.TimeText(&l.Expires))
	return nil
}

type peopleReset struct {
	terminal.CityFlags
	Name string `arg:"" help:"The account's name."`
}

// Help is kong's detailed help.
func (peopleReset) Help() string {
	return "The old password stays good until the link is used.\n\nExamples:\n  haidang people reset lan"
}

// Run makes the link.
func (c *peopleReset) Run(ctx context.Context, out *terminal.Output) error {
	return printLink(ctx, c.CityFlags, out, map[string]any{"account": c.Name})
}

type peopleRole struct {
	terminal.CityFlags
	Locality      []telemetry.Locality `help:"Localities that they may change from now on; several with commas. Absent leaves those that there are." placeholder:"ID" xor:"where"`
	AllLocalities bool                 `help:"They may change all localities." xor:"where"`
	Name          string               `arg:"" help:"The account's name."`
	Role          access.Role          `arg:"" enum:"viewer,field,operator,admin" help:"viewer, field, operator or admin."`
}

// Help is kong's detailed help.
func (peopleRole) Help() string {
	return `The last administrator cannot be taken away.

Examples:
  haidang people role lan operator
  haidang people role lan field --locality nha-trang
  haidang people role lan admin --all-localities`
}

// Run changes the role.
func (c *peopleRole) Run(ctx context.Context, out *terminal.Output) error {
	what := map[string]any{"role": c.Role}
	switch {
	case c.AllLocalities:
		what["localities"] = []telemetry.Locality{}
	case len(c.Locality) > 0:
		what["localities"] = c.Locality
	}
	return changeAccount(ctx, c.CityFlags, out, c.Name, what)
}

// changeAccount changes an account as it is now.
func changeAccount(ctx context.Context, f terminal.CityFlags, out *terminal.Output, name string, what map[string]any) error {
	var all []access.Account
	if err := f.Ask(ctx, terminal.GetFrom("/accounts", nil), &all); err != nil {
		return err
	}
	for _, a := range all {
		if a.Name != strings.ToLower(name) {
			continue
		}
		what["version"] = a.Version
		q := terminal.Question{Method: http.MethodPatch, Path: "/accounts/" + url.PathEscape(a.Name), Body: what, Within: terminal.AskTime}
		a = access.Account{} // what is absent in the answer must not stay from before
		if err := f.Ask(ctx, q, &a); err != nil {
			return err
		}
		if f.JSON {
			return terminal.PrintJSON(out.Stdout, a)
		}
		where := "all localities"
		if len(a.Localities) > 0 {
			where = terminal.Joined(a.Localities)
		}
		state := ""
		if !a.Disabled.IsZero() {
			state = ", disabled"
		}
		fmt.Fprintf(out.Stdout, "%s is %s of %s%s.\n", terminal.OnScreen(a.Name), a.Role, terminal.OnScreen(where), state)
		return nil
	}
	return fmt.Errorf("nobody is called %s: see haidang people list", terminal.OnScreen(name))
}

type peopleDisable struct {
	terminal.CityFlags
	Name string `arg:"" help:"The account's name."`
}

// Help is kong's detailed help.
func (peopleDisable) Help() string {
	return "Its sessions and API tokens stop working at once.\n\nExamples:\n  haidang people disable lan"
}

// Run disables it.
func (c *peopleDisable) Run(ctx context.Context, out *terminal.Output) error {
	return changeAccount(ctx, c.CityFlags, out, c.Name, map[string]any{"disabled": true})
}

type peopleEnable struct {
	terminal.CityFlags
	Name string `arg:"" help:"The account's name."`
}

// Help is kong's detailed help.
func (peopleEnable) Help() string { return "Examples:\n  haidang people enable lan" }

// Run enables it.
func (c *peopleEnable) Run(ctx context.Context, out *terminal.Output) error {
	return changeAccount(ctx, c.CityFlags, out, c.Name, map[string]any{"disabled": false})
}
