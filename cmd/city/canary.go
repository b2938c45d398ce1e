package city

import (
	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/door"
)

// canaries has gateways and the door of this process be sent messages, and follows these
// and those of gateways elsewhere to the store. b is nil where the journal is elsewhere,
// and so is who takes messages; what else is expected are the names of who does.
func (g *guarded) canaries(here *city, gateways []*ingest.Gateway, expected []string, b *broker.Broker) *ingest.Canaries {
	c := ingest.NewCanaries(gateways, g.journal, here.findings)
	c.Localities, c.Logger = gatewayLocalities(&here.config), here.log
	c.Reader, c.Accounts = g.figures.reader, g.ledger.Accounts
	c.Expected = expected
	c.Known = func() string {
		if b != nil && b.Err() != nil {
			return "the journal does not store: " + b.Err().Error()
		}
		if err := g.loader.StoreError(); err != nil {
			return "the store does not accept: " + err.Error()
		}
		return ""
	}
	g.loader.Canaries = c
	return c
}

// expectedCanaries are the gateways that send themselves messages, and the door: of who
// has never sent one none is missed.
func expectedCanaries(cfg config.Config) (names []string) {
	names = append(names, door.Name)
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
