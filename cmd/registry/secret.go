package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
)

// devicesSecret are the commands for devices' MQTT secrets.
type devicesSecret struct {
	Issue  secretIssue  `cmd:"" help:"Issue a new secret; it is shown once."`
	List   secretList   `cmd:"" help:"List a device's credentials, without secrets."`
	Revoke secretRevoke `cmd:"" help:"Revoke a device's credentials and end its connections."`
}

// Help gives examples.
func (devicesSecret) Help() string {
	return `Examples:
  haidang devices secret issue aq-0042
  haidang devices secret list aq-0042
  haidang devices secret revoke aq-0042 --why "stolen"`
}

// secretIssue issues a secret.
type secretIssue struct {
	terminal.CityFlags
	OverlapHours int    `help:"How long the secret before it stays good, in hours: up to 720." placeholder:"N"`
	Device       string `arg:"" help:"The device's id."`
}

// Help gives examples.
func (secretIssue) Help() string {
	return `The secret is printed once and kept nowhere. The one before stops working, at once or after --overlap-hours.

Examples:
  haidang devices secret issue aq-0042
  haidang devices secret issue aq-0042 --overlap-hours 24`
}

// Run issues it.
func (c *secretIssue) Run(ctx context.Context, out *terminal.Output) error {
	q := terminal.PostTo(terminal.DevicePath(c.Device)+"/credentials", map[string]int{"overlapHours": c.OverlapHours})
	q.About = c.Device
	var i access.IssuedAnswer
	if err := c.Ask(ctx, q, &i); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, i)
	}
	fmt.Fprintf(out.Stdout, "user    %s\nsecret  %s\n\nWrite the secret down: it is not shown again.\n", terminal.OnScreen(i.Username), terminal.OnScreen(i.Secret))
	return nil
}

// secretList lists credentials.
type secretList struct {
	terminal.CityFlags
	Device string `arg:"" help:"The device's id."`
}

// Help gives examples.
func (secretList) Help() string { return "Examples:\n  haidang devices secret list aq-0042" }

// Run lists them.
func (c *secretList) Run(ctx context.Context, out *terminal.Output) error {
	q := terminal.GetFrom(terminal.DevicePath(c.Device)+"/credentials", nil)
	q.About = c.Device
	var all []access.Credential
	if err := c.Ask(ctx, q, &all); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, all)
	}
	if len(all) == 0 {
		fmt.Fprintf(out.Stdout, "%s has no credentials.\n", terminal.OnScreen(c.Device))
		return nil
	}
	t := terminal.NewTable("ID", "ISSUED", "BY", "EXPIRES", "REVOKED", "REVOKED BY")
	for _, k := range all {
		t.Row(fmt.Sprint(k.ID), terminal.TimeText(&k.Issued), k.IssuedBy, terminal.TimeText(&k.Expires), terminal.TimeText(&k.Revoked), k.RevokedBy)
	}
	t.Print(out.Stdout)
	return nil
}

// secretRevoke revokes credentials.
type secretRevoke struct {
	terminal.CityFlags
	Why    string `required:"" help:"Why, in your own words; kept in the journal of access." placeholder:"TEXT"`
	Device string `arg:"" help:"The device's id."`
}

// Help gives examples.
func (secretRevoke) Help() string {
	return "A device that is connected is disconnected.\n\nExamples:\n  haidang devices secret revoke aq-0042 --why \"stolen\""
}

// Run revokes them.
func (c *secretRevoke) Run(ctx context.Context, out *terminal.Output) error {
	q := terminal.Question{Method: http.MethodDelete, Path: terminal.DevicePath(c.Device) + "/credentials", Query: url.Values{"why": {c.Why}}, Within: terminal.AskTime, About: c.Device}
	if err := c.Fetch(ctx, q, io.Discard); err != nil {
		return err
	}
	if c.JSON {
		return terminal.PrintJSON(out.Stdout, map[string]any{"device": c.Device, "revoked": true})
	}
	fmt.Fprintf(out.Stdout, "The credentials of %s are revoked.\n", terminal.OnScreen(c.Device))
	return nil
}
