package config

import (
	"slices"

	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// commands are what the platform says to devices, which is no telemetry.
const commands = codec.Root + "/+/command/#"

// WithBrokers are the gateways that have a broker of their own. Those without are ways
// through our door, where there is one.
func (c *Config) WithBrokers() []GatewayConfig {
	return slices.DeleteFunc(slices.Clone(c.Gateways), func(g GatewayConfig) bool { return g.Broker == "" })
}

// NotTelemetry says of which topics our door gives messages to subscribers alone:
// commands to devices, and what gateways without a broker except.
func (c *Config) NotTelemetry() func(topic string) bool {
	filters := []string{commands}
	for _, g := range c.Gateways {
		for _, s := range g.Subscriptions {
			if g.Broker == "" && s.Except != "" && !slices.Contains(filters, s.Except) {
				filters = append(filters, s.Except)
			}
		}
	}
	return func(topic string) bool {
		return slices.ContainsFunc(filters, func(f string) bool { return codec.Matches(f, topic) })
	}
}

// DoorCanaries are the localities whose way through our door is to be proved: all but
// those of which a gateway without a broker says that it sends none.
func (c *Config) DoorCanaries() []telemetry.Locality {
	out := c.LocalityIDs()
	for _, g := range c.Gateways {
		if g.Broker == "" && !g.SendsCanary() {
			out = slices.DeleteFunc(out, func(l telemetry.Locality) bool {
				return slices.ContainsFunc(g.Subscriptions, func(s SubscriptionConfig) bool {
					return codec.Matches(s.Filter, codec.Root+"/"+string(l)+"/canary/~"+doorName)
				})
			})
		}
	}
	return out
}
