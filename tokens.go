package main

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

	"github.com/haidang-iot/haidang/devices/access"
)

// tokensCommand are the API tokens, asked of a running city.
type tokensCommand struct {
	List   tokensList   `cmd:"" help:"List one's tokens; an administrator sees all."`
	Create tokensCreate `cmd:"" help:"Create a token; its secret is shown once."`
	Revoke tokensRevoke `cmd:"" help:"Revoke a token."`
}

// Help is kong's detailed help.
func (tokensCommand) Help() string {
	return `A token may do what its scopes say, and never more than the person whose it is. Programs give it in
the environment: HAIDANG_TOKEN.

Examples:
  haidang tokens list
  haidang tokens create grafana --user lan --scope read --days 365
  haidang tokens revoke k3v9`
}

type tokensList struct{ deviceFlags }

// Help is kong's detailed help.
func (tokensList) Help() string {
	return "Examples:\n  haidang tokens list\n  haidang tokens list --json"
}

// Run lists them.
func (c *tokensList) Run(ctx context.Context, out *output) error {
	var all []access.Token
	if err := c.ask(ctx, getFrom("/tokens", nil), &all); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.stdout, all)
	}
	if len(all) == 0 {
		fmt.Fprintln(out.stdout, "There is no token.")
		return nil
	}
	t := newTable("ID", "NAME", "WHOSE", "SCOPES", "EXPIRES", "LAST USED", "REVOKED")
	for _, k := range all {
		t.row(k.ID, cutTo(k.Name, 40), k.Account, joined(k.Scopes), localTime(&k.Expires), localTime(&k.Last), localTime(&k.Revoked))
	}
	t.print(out.stdout)
	return nil
}

type tokensCreate struct {
	deviceFlags
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
func (c *tokensCreate) Run(ctx context.Context, out *output) error {
	if c.Days < 1 || c.Days > 730 {
		return fmt.Errorf("--days is %d: give 1 to 730", c.Days)
	}
	password, err := askPassword(out.stderr, c.User)
	if err != nil {
		return err
	}
	session, err := c.logIn(ctx, c.User, password)
	if err != nil {
		return err
	}
	q := postTo("/tokens", map[string]any{"name": c.Name, "scopes": c.Scope, "days": c.Days})
	q.header = session
	var k access.TokenAnswer
	err = c.ask(ctx, q, &k)
	leave := question{method: http.MethodDelete, path: "/session", header: session, within: askTime}
	if err := cmp.Or(err, c.fetch(ctx, leave, io.Discard)); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.stdout, k)
	}
	fmt.Fprintf(out.stdout, "%s\n\nIt is token %s, good until %s. It is not shown again.\n", onScreen(k.Secret), onScreen(k.ID), localTime(&k.Expires))
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
	fmt.Fprintf(stderr, "Password of %s: ", onScreen(name))
	p, err := term.ReadPassword(in)
	fmt.Fprintln(stderr)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(p), nil
}

// logIn logs a person in, and gives what shows the server that it is they.
func (f deviceFlags) logIn(ctx context.Context, name, password string) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	q := postTo("/session", map[string]string{"name": name, "password": password})
	q.header = http.Header{}
	req, err := f.request(ctx, q)
	if err != nil {
		return nil, err
	}
	if req.URL.Scheme != "https" && !thisMachine(req.URL.Hostname()) {
		return nil, fmt.Errorf("--url %s is not encrypted, and the password would cross the network for all to read: give an https:// address", redact(f.URL))
	}
	client, err := f.client()
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, f.unreached(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", redact(f.URL), err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("log in as %s: %s answers %s: %s", onScreen(name), redact(f.URL), res.Status, onScreen(problemText(answer)))
	}
	var me access.Me
	if err := json.Unmarshal(answer, &me); err != nil {
		return nil, fmt.Errorf("read answer of %s: %w: is this a haidang of another version?", redact(f.URL), err)
	}
	var cookies []string
	for _, c := range res.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	return http.Header{"Cookie": {strings.Join(cookies, "; ")}, access.CSRFHeader: {me.CSRF}}, nil
}

type tokensRevoke struct {
	deviceFlags
	IDs []string `arg:"" name:"id" help:"The tokens' ids, as tokens list tells them."`
}

// Help is kong's detailed help.
func (tokensRevoke) Help() string { return "Examples:\n  haidang tokens revoke k3v9" }

// Run revokes them.
func (c *tokensRevoke) Run(ctx context.Context, out *output) error {
	for _, id := range c.IDs {
		q := question{method: http.MethodDelete, path: "/tokens/" + url.PathEscape(id), within: askTime}
		if err := c.fetch(ctx, q, io.Discard); err != nil {
			return fmt.Errorf("%s: %w", onScreen(id), err)
		}
		if !c.JSON {
			fmt.Fprintf(out.stdout, "Token %s is revoked.\n", onScreen(id))
		}
	}
	if c.JSON {
		return printJSON(out.stdout, map[string]any{"revoked": c.IDs})
	}
	return nil
}
