package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
)

// Tokens are the API tokens, asked of a running city.
type Tokens struct {
	List   tokensList   `cmd:"" help:"List one's tokens; an administrator sees all."`
	Create tokensCreate `cmd:"" help:"Create a token; its secret is shown once."`
	Revoke tokensRevoke `cmd:"" help:"Revoke a token."`
}

// Help is kong's detailed help.
func (Tokens) Help() string {
	return `A token may do what its scopes say, and never more than the person whose it is. Programs give it in
the environment: HAIDANG_TOKEN.

Examples:
  haidang tokens list
  haidang tokens create grafana --user lan --scope read --days 365
  haidang tokens revoke k3v9`
}

type tokensList struct{ terminal.CityFlags }

// Help is kong's detailed help.
func (tokensList) Help() string {
	return "Examples:\n  haidang tokens list\n  haidang tokens list --json"
}

// Run lists them.
func (c *tokensList) Run(ctx context.Context, out *terminal.Output) error {
	var all []access.Token
	if err := c.Ask(ctx, terminal.GetFrom("/tokens", nil), &all); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(out.Stdout, "There is no token.")
		return nil
	}
	t := terminal.NewTable("ID", "NAME", "WHOSE", "SCOPES", "EXPIRES", "LAST USED", "REVOKED")
	for _, k := range all {
		t.Row(k.ID, terminal.CutTo(k.Name, 40), k.Account, terminal.Joined(k.Scopes), terminal.TimeText(&k.Expires), terminal.TimeText(&k.Last), terminal.TimeText(&k.Revoked))
	}
	t.Print(out.Stdout)
	return nil
}

type tokensCreate struct {
	terminal.CityFlags
	Scope []access.Scope `required:"" enum:"read,register,operate,admin" help:"What it may be used for: read, register, operate, admin; several with commas." placeholder:"SCOPE"`
	User  string         `required:"" help:"The account whose token it is. Its password is asked for, or comes from HAIDANG_PASSWORD." placeholder:"NAME"`
	Days  int            `default:"90" help:"How many days it is good, up to 730." placeholder:"90"`
	Name  string         `arg:"" help:"What it is for, so that people know it again."`
}

// Help is kong's detailed help.
func (tokensCreate) Help() string {
	return `The secret is printed once and kept nowhere. A person has to make it: no token makes another. People
who log in elsewhere (OpenID Connect) make theirs in the console.

Examples:
  haidang tokens create grafana --user lan --scope read --days 365
  HAIDANG_PASSWORD=… haidang tokens create "import of the province" --user lan --scope operate`
}

// Run creates it.
func (c *tokensCreate) Run(ctx context.Context, out *terminal.Output) error {
	if c.Days < 1 || c.Days > 730 {
		return fmt.Errorf("--days is %d: give 1 to 730", c.Days)
	}
	password, err := askPassword(out.Stderr, c.User)
	if err != nil {
		return err
	}
	session, err := logIn(ctx, c.CityFlags, c.User, password)
	if err != nil {
		return err
	}
	q := terminal.PostTo("/tokens", map[string]any{"name": c.Name, "scopes": c.Scope, "days": c.Days})
	q.Header = session
	var k access.TokenAnswer
	err = c.Ask(ctx, q, &k)
	leave := terminal.Question{Method: http.MethodDelete, Path: "/session", Header: session, Within: terminal.AskTime}
	if err := cmp.Or(err, c.Fetch(ctx, leave, io.Discard)); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, k)
	}
	fmt.Fprintf(out.Stdout, "%s\n\nIt is token %s, good until %s. It is not shown again.\n", terminal.OnScreen(k.Secret), terminal.OnScreen(k.ID), terminal.TimeText(&k.Expires))
	return nil
}

// askPassword takes a password from the environment, or asks for it at a terminal.
func askPassword(stderr io.Writer, name string) (string, error) {
	if p := os.Getenv("HAIDANG_PASSWORD"); p != "" {
		return p, nil
	}
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return "", errors.New("there is no terminal to ask for the password: give it in the environment as HAIDANG_PASSWORD")
	}
	fmt.Fprintf(stderr, "Password of %s: ", terminal.OnScreen(name))
	p, err := term.ReadPassword(in)
	fmt.Fprintln(stderr)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(p), nil
}

// logIn logs a person in, and gives what shows the server that it is they.
func logIn(ctx context.Context, f terminal.CityFlags, name, password string) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, terminal.AskTime)
	defer cancel()
	q := terminal.PostTo("/session", map[string]string{"name": name, "password": password})
	q.Header = http.Header{}
	req, err := f.Request(ctx, q)
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme != "https" && !terminal.ThisMachine(req.URL.Hostname()) {
		return nil, fmt.Errorf("--url %s is not encrypted, and the password would cross the network for all to read: give an https:// address", terminal.Redact(f.URL))
	}
	client, err := f.Client()
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, f.Unreached(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", terminal.Redact(f.URL), err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("log in as %s: %s answers %s: %s", terminal.OnScreen(name), terminal.Redact(f.URL), res.Status, terminal.OnScreen(terminal.ProblemText(answer)))
	}
	var me access.Me
	if err := json.Unmarshal(answer, &me); err != nil {
		return nil, fmt.Errorf("read answer of %s: %w: is this a haidang of another version?", terminal.Redact(f.URL), err)
	}
	var cookies []string
	for _, c := range res.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	return http.Header{"Cookie": {strings.Join(cookies, "; ")}, access.CSRFHeader: {me.CSRF}}, nil
}

type tokensRevoke struct {
	terminal.CityFlags
	IDs []string `arg:"" name:"id" help:"The tokens' ids, as tokens list tells them."`
}

// Help is kong's detailed help.
func (tokensRevoke) Help() string { return "Examples:\n  haidang tokens revoke k3v9" }

// Run revokes them.
func (c *tokensRevoke) Run(ctx context.Context, out *terminal.Output) error {
	for _, id := range c.IDs {
		q := terminal.Question{Method: http.MethodDelete, Path: "/tokens/" + url.PathEscape(id), Within: terminal.AskTime}
		if err := c.Fetch(ctx, q, io.Discard); err != nil {
			return fmt.Errorf("%s: %w", terminal.OnScreen(id), err)
		}
		if !c.JSON {
			fmt.Fprintf(out.Stdout, "Token %s is revoked.\n", terminal.OnScreen(id))
		}
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, map[string]any{"revoked": c.IDs})
	}
	return nil
}
