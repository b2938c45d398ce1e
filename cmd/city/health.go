package city

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/haidang-iot/haidang/cmd/terminal"
)

// Health is `haidang health`: whether a haidang runs there.
type Health struct {
	URL   string `name:"url" env:"HAIDANG_URL" default:"http://127.0.0.1:8080" help:"Where the HTTP listener is." placeholder:"http://127.0.0.1:8080"`
	CA    string `name:"ca" env:"HAIDANG_CA" type:"path" help:"Certificate (PEM) of the authority that vouches for --url, where this machine does not know it." placeholder:"FILE"`
	Ready bool   `help:"Ask whether it can do its work (store and journal reachable), not only whether it runs."`
}

// Help is kong's detailed help.
func (Health) Help() string {
	return `Exit code 0 if a haidang answers there, 1 if not. Containers ask so; no shell or curl is needed.

Examples:
  haidang health
  haidang health --ready --url https://haidang.example.vn`
}

// Run asks.
func (c *Health) Run(ctx context.Context, out *terminal.Output) error {
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+path, nil)
	if err != nil {
		return fmt.Errorf("--url %s: %w", terminal.Redact(c.URL), err)
	}
	client, err := terminal.ClientFlags{CA: c.CA}.Client()
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask --url %s: %w: %s", terminal.Redact(c.URL), err, terminal.WhyUnreached(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", terminal.Redact(c.URL), err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", terminal.Redact(c.URL), res.Status, strings.TrimSpace(string(body)))
	}
	fmt.Fprintln(out.Stdout, strings.TrimSpace(string(body)))
	return nil
}
