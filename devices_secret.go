package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

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
	deviceFlags
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
func (c *secretIssue) Run(ctx context.Context, out *output) error {
	q := postTo(devicePath(c.Device)+"/credentials", map[string]int{"overlapHours": c.OverlapHours})
	q.about = c.Device
	var i access.IssuedAnswer
	if err := c.ask(ctx, q, &i); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.stdout, i)
	}
	fmt.Fprintf(out.stdout, "user    %s\nsecret  %s\n\nWrite the secret down: it is not shown again.\n", onScreen(i.Username), onScreen(i.Secret))
	return nil
}

// secretList lists credentials.
type secretList struct {
	deviceFlags
	Device string `arg:"" help:"The device's id."`
}

// Help gives examples.
func (secretList) Help() string { return "Examples:\n  haidang devices secret list aq-0042" }

// Run lists them.
func (c *secretList) Run(ctx context.Context, out *output) error {
	q := getFrom(devicePath(c.Device)+"/credentials", nil)
	q.about = c.Device
	var all []access.Credential
	if err := c.ask(ctx, q, &all); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.stdout, all)
	}
	if len(all) == 0 {
		fmt.Fprintf(out.stdout, "%s has no credentials.\n", onScreen(c.Device))
		return nil
	}
	t := newTable("ID", "ISSUED", "BY", "EXPIRES", "REVOKED", "REVOKED BY")
	for _, k := range all {
		t.row(fmt.Sprint(k.ID), localTime(&k.Issued), k.IssuedBy, localTime(&k.Expires), localTime(&k.Revoked), k.RevokedBy)
	}
	t.print(out.stdout)
	return nil
}

// secretRevoke revokes credentials.
type secretRevoke struct {
	deviceFlags
	Why    string `required:"" help:"Why, in your own words; kept in the journal of access." placeholder:"TEXT"`
	Device string `arg:"" help:"The device's id."`
}

// Help gives examples.
func (secretRevoke) Help() string {
	return "A device that is connected is disconnected.\n\nExamples:\n  haidang devices secret revoke aq-0042 --why \"stolen\""
}

// Run revokes them.
func (c *secretRevoke) Run(ctx context.Context, out *output) error {
	q := question{method: http.MethodDelete, path: devicePath(c.Device) + "/credentials", query: url.Values{"why": {c.Why}}, within: askTime, about: c.Device}
	if err := c.fetch(ctx, q, io.Discard); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.stdout, map[string]any{"device": c.Device, "revoked": true})
	}
	fmt.Fprintf(out.stdout, "The credentials of %s are revoked.\n", onScreen(c.Device))
	return nil
}
