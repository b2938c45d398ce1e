// Package config is what a city is told in its file: localities, gateways and
// their subscriptions; and the lock on its data folder.
package config

import (
	"bytes"
	"fmt"
	"os"

	"github.com/goccy/go-yaml"

	"github.com/haidang-iot/haidang/ingest"
	"github.com/haidang-iot/haidang/ingest/codec"
	"github.com/haidang-iot/haidang/ingest/telemetry"
)

// Config is the file for what one lists: localities, and gateways with their
// subscriptions.
type Config struct {
	Localities []LocalityConfig `yaml:"localities"`
	// Gateways is one for each locality if left out.
	Gateways []GatewayConfig `yaml:"gateways"`
}

// LocalityConfig is a locality, its names and the wards that it is to have.
type LocalityConfig struct {
	ID     telemetry.Locality `yaml:"id"`
	NameVI string             `yaml:"name_vi"`
	NameEN string             `yaml:"name_en"`
	// Wards are official codes of 5 digits. Those that the locality never had are
	// added to it; `haidang wards import` ends and moves them.
	Wards []string `yaml:"wards"`
}

// GatewayConfig is a gateway, its broker and what it subscribes to.
type GatewayConfig struct {
	Name string `yaml:"name"`
	// Broker overrides --broker for this gateway. A password is not written here:
	// it comes from the environment variable that PasswordEnv names.
	Broker        string               `yaml:"broker"`
	Username      string               `yaml:"username"`
	PasswordEnv   string               `yaml:"password_env"`
	Subscriptions []SubscriptionConfig `yaml:"subscriptions"`
	// Canary is false where the gateway is to send itself no message once a minute.
	Canary *bool `yaml:"canary"`
}

// SubscriptionConfig is a topic filter and the codec of what comes through it.
type SubscriptionConfig struct {
	Filter string `yaml:"filter"`
	Except string `yaml:"except"`
	Codec  string `yaml:"codec"`
}

// Default is the province's four localities. Where districts end and
// localities begin is for the configuration to say; these are its defaults.
func Default() Config {
	c := Config{Localities: []LocalityConfig{
		{ID: "nha-trang", NameVI: "Nha Trang", NameEN: "Nha Trang"},
		{ID: "cam-ranh", NameVI: "Cam Ranh", NameEN: "Cam Ranh"},
		{ID: "ninh-hoa", NameVI: "Ninh Hòa", NameEN: "Ninh Hoa"},
		{ID: "cam-lam", NameVI: "Cam Lâm", NameEN: "Cam Lam"},
	}}
	c.addGateways()
	return c
}

// doorName is what our own door calls itself as a gateway: no other may.
const doorName = "door"

// addGateways gives each locality a gateway of its name, where none are listed.
func (c *Config) addGateways() {
	if len(c.Gateways) > 0 {
		return
	}
	for _, l := range c.Localities {
		c.Gateways = append(c.Gateways, GatewayConfig{Name: string(l.ID), Subscriptions: []SubscriptionConfig{{
			Filter: "kh/" + string(l.ID) + "/#",
			Except: "kh/" + string(l.ID) + "/command/#",
			Codec:  codec.NativeName,
		}}})
	}
}

// Load reads the file at path; the defaults where path is empty.
func Load(path string) (Config, error) {
	if path == "" {
		return Default(), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read --config: %w", err)
	}
	var c Config
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&c); err != nil {
		return Config{}, fmt.Errorf("read --config %s:\n%s", path, yaml.FormatError(err, false, true))
	}
	if len(c.Localities) == 0 {
		c.Localities = Default().Localities
	}
	c.addGateways()
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("--config %s: %w", path, err)
	}
	return c, nil
}

func (c *Config) check() error {
	known, wards := map[telemetry.Locality]bool{}, map[string]telemetry.Locality{}
	for i, l := range c.Localities {
		if err := telemetry.CheckID(string(l.ID)); err != nil {
			return fmt.Errorf("localities[%d]: id %q: %w", i, l.ID, err)
		}
		if known[l.ID] {
			return fmt.Errorf("localities[%d]: id %q is there twice", i, l.ID)
		}
		known[l.ID] = true
		for _, w := range l.Wards {
			if other, twice := wards[w]; twice {
				return fmt.Errorf("localities[%d] %q: ward %s is in %q already: a ward is in one locality at a time", i, l.ID, w, other)
			}
			wards[w] = l.ID
		}
	}
	names := map[string]bool{}
	for i := range c.Gateways {
		g := &c.Gateways[i]
		if names[g.Name] {
			return fmt.Errorf("gateways[%d]: name %q is there twice", i, g.Name)
		}
		names[g.Name] = true
		if g.Name == doorName {
			return fmt.Errorf("gateways[%d]: name %q is that of the program's own door: give the gateway another name, such as %s-2", i, g.Name, doorName)
		}
		for j := range g.Subscriptions {
			s := &g.Subscriptions[j]
			if s.Codec == "" {
				s.Codec = codec.NativeName
			}
			if _, err := codec.New(s.Codec, telemetry.NewCatalogue()); err != nil {
				return fmt.Errorf("gateways[%d] %q, subscription %q: %w", i, g.Name, s.Filter, err)
			}
		}
		if err := (&ingest.Gateway{Name: g.Name, Subscriptions: g.Subscribed()}).Check(); err != nil {
			return fmt.Errorf("gateways[%d]: %w", i, err)
		}
		if g.PasswordEnv != "" && os.Getenv(g.PasswordEnv) == "" {
			return fmt.Errorf("gateways[%d] %q: password_env names %s, which is not set: set it, or take password_env out", i, g.Name, g.PasswordEnv)
		}
	}
	return nil
}

// Subscribed is what the gateway is to subscribe to.
func (g *GatewayConfig) Subscribed() []ingest.Subscription {
	out := make([]ingest.Subscription, 0, len(g.Subscriptions))
	for _, s := range g.Subscriptions {
		out = append(out, ingest.Subscription{Filter: s.Filter, Except: s.Except})
	}
	return out
}

// SendsCanary reports whether the gateway is to send itself a message once a minute.
func (g *GatewayConfig) SendsCanary() bool { return g.Canary == nil || *g.Canary }

// CanaryTopics are the topics that the gateway must be let publish to.
func (g *GatewayConfig) CanaryTopics() (topics []string) {
	for _, s := range g.Subscriptions {
		if topic, ok := codec.CanaryTopic(s.Filter, g.Name); ok && g.SendsCanary() {
			topics = append(topics, topic)
		}
	}
	return topics
}

// BrokerTopics are those by which a Mosquitto tells of itself, which gateways read.
func BrokerTopics() []string { return ingest.MosquittoTopics() }

// LocalityIDs are the ids of the localities.
func (c *Config) LocalityIDs() []telemetry.Locality {
	out := make([]telemetry.Locality, 0, len(c.Localities))
	for _, l := range c.Localities {
		out = append(out, l.ID)
	}
	return out
}

// Codecs chooses the codec for a message by the subscription it came through.
// The result is for one goroutine.
func (c *Config) Codecs(cat *telemetry.Catalogue) (func(gateway, topic string) codec.Codec, error) {
	type route struct {
		filter string
		codec  codec.Codec
	}
	routes := map[string][]route{}
	for _, g := range c.Gateways {
		for _, s := range g.Subscriptions {
			cd, err := codec.New(s.Codec, cat)
			if err != nil {
				return nil, fmt.Errorf("gateway %s, subscription %s: %w", g.Name, s.Filter, err)
			}
			routes[g.Name] = append(routes[g.Name], route{s.Filter, cd})
			if g.Broker == "" { // what devices bring to our door belongs to it as well
				routes[doorName] = append(routes[doorName], route{s.Filter, cd})
			}
		}
	}
	fallback, err := codec.New(codec.NativeName, cat)
	if err != nil {
		return nil, err
	}
	return func(gateway, topic string) codec.Codec {
		rs := routes[gateway]
		if len(rs) == 1 && gateway != doorName {
			return rs[0].codec
		}
		for _, r := range rs {
			if codec.Matches(r.filter, topic) {
				return r.codec
			}
		}
		return fallback // a gateway that is no longer configured, or no filter of the door's
	}, nil
}
