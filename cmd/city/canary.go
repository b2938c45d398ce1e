package city

import (
	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
)

// canaries has gateways of this process send themselves messages, and follows these
// and those of gateways elsewhere to the store.
func (g *guarded) canaries(here *city, gateways []*ingest.Gateway, b *broker.Broker) *ingest.Canaries {
	c := ingest.NewCanaries(gateways, g.journal, here.findings)
	c.Localities, c.Logger = gatewayLocalities(&here.config), here.log
	c.Reader, c.Accounts = g.figures.reader, g.ledger.Accounts
	if len(gateways) == 0 {
		c.Expected = expectedCanaries(here.config)
	}
	c.Known = func() string {
		if b != nil && b.Err() != nil {
			return "the broker does not store: " + b.Err().Error()
		}
		if err := g.loader.StoreError(); err != nil {
			return "the store does not accept: " + err.Error()
		}
		return ""
	}
	g.loader.Canaries = c
	return c
}

// expectedCanaries are the gateways that send themselves messages.
func expectedCanaries(cfg config.Config) (names []string) {
	for _, g := range cfg.Gateways {
		if g.SendsCanary() {
			names = append(names, g.Name)
		}
	}
	return names
}

// canaryChecks tell how the canaries do; what is wrong is told as a finding.
func canaryChecks(c *ingest.Canaries) (out []check) {
	for _, s := range c.States() {
		out = append(out, check{Name: "canary of " + s.Gateway, Note: s.Note})
	}
	return out
}
