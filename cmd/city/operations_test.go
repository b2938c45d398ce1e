package city

import (
	"cmp"
	"context"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest"
)

// operated is a whole city but for its gateways, asked over HTTP by a test: real
// journal, ledger, store, registry and access control.
type operated struct {
	*guarded
	srv      *server
	url      string
	findings *ingest.Findings
	keeper   *doorkeeper
	door     *doorway // nil where nobody listens for devices
}

// newOperated starts a city whose registry is a file or a PostgreSQL URL; "" is a
// file in its folder.
func newOperated(t *testing.T, registry string) *operated {
	t.Helper()
	return startOperated(t, operatedUp(t, registry), false)
}

// newDoored starts a city with a door; change may alter its flags.
func newDoored(t *testing.T, change func(*Up)) *operated {
	t.Helper()
	up := operatedUp(t, "")
	up.MQTTCredentials = true
	if change != nil {
		change(&up)
	}
	return startOperated(t, up, true)
}

func operatedUp(t *testing.T, registry string) Up {
	up := Up{Data: filepath.Join(t.TempDir(), "data"), listenFlags: listenFlags{HTTP: "127.0.0.1:0", HTTPMaxConnections: mostConnections, HTTPMaxPerAddress: mostPerAddress},
		journalFlags: journalFlags{JournalBudget: 64 << 20, DiskReserve: 1 << 20, Durability: "process"},
		loadFlags: loadFlags{storeFlags: storeFlags{Store: "embedded", Retention: terminal.Duration(400 * 24 * time.Hour), Query: "auto"},
			registryFlags: registryFlags{Registry: registry, Admission: "registered", AdmitLimit: 100}, accessFlags: accessFlags{Login: true},
			quarantineFlags: quarantineFlags{64 << 20, terminal.Duration(time.Hour), 16 << 20, 1000}}}
	up.mqttFlags.MQTT = "127.0.0.1:0"
	up.doorFlags = doorFlags{MQTTMaxConnections: 16, MQTTMaxPerAddress: 16, MQTTDeviceConnections: 4, MQTTDeviceSessions: 2, MQTTSessionExpiry: terminal.Duration(time.Hour), MQTTSessionBudget: 1 << 20}
	return up
}

func startOperated(t *testing.T, up Up, hasDoor bool) *operated {
	t.Helper()
	e, err := up.check()
	if err != nil {
		t.Fatal(err)
	}
	here, err := openCity(cityOptions{"", up.Data, up.Durability, up.DiskReserve, up.listenFlags, up.LogFlags, nil}, &terminal.Output{Stdout: io.Discard, Stderr: t.Output()})
	t.Cleanup(func() {
		if err := here.close(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := here.keep(t.Context(), up.loadFlags, true, true); err != nil {
		t.Fatal(err)
	}
	b, j, err := up.openBroker(t.Context(), here)
	if err != nil {
		t.Fatal(err)
	}
	here.custody.broker = b
	keeper, asks := up.keeper(here)
	c := &operated{srv: here.srv, findings: here.findings, keeper: keeper}
	if c.guarded, err = here.load(t.Context(), up.loadFlags, j, e, keeper.ended); err != nil {
		t.Fatal(err)
	}
	asks.control.Store(c.control)
	if c.intake.open(&journalDoor{journal: j}); hasDoor {
		c.audit.Sides.Counts = map[string]*ingest.Count{}
		canaries := c.canaries(here, nil, nil, b)
		if c.door, err = up.openDoor(t.Context(), here, c.guarded, keeper, asks, canaries); err != nil {
			t.Fatal(err)
		}
	}
	c.srv.health(here.reg, here.findings, c.checks)
	c.srv.pages()
	c.url = c.srv.url()
	var parts actors
	c.guarded.run(&parts, c.srv)
	if hasDoor {
		parts.add("door", c.door.run)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- parts.run(ctx, time.Minute) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

// operation is one thing that a city can be asked over HTTP.
type operation struct {
	// id is OpenAPI's, or the pattern of a handler that is no operation there.
	id string
	// method is empty for a handler of all.
	method, path string
	least        access.Role
	// streams says that the answer does not end by itself.
	streams bool
}

// operations are all, by their ids: those of the OpenAPI document and the handlers
// beside it. The console's own pages are one of them.
func (c *operated) operations() (all []operation) {
	for path, item := range c.srv.api.OpenAPI().Paths {
		for _, o := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Options, item.Head, item.Patch, item.Trace} {
			if o != nil {
				streams := false
				if r := o.Responses["200"]; r != nil {
					_, streams = r.Content["text/event-stream"]
				}
				all = append(all, operation{o.OperationID, o.Method, path, roleOfOperation(o), streams})
			}
		}
	}
	for _, r := range c.srv.routes {
		method, path, found := strings.Cut(r.pattern, " ")
		if !found {
			method, path = "", r.pattern
		}
		all = append(all, operation{id: r.pattern, method: method, path: path, least: r.least})
	}
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(a.id, b.id) })
	return all
}

func roleOfOperation(o *huma.Operation) access.Role {
	switch r := o.Metadata[access.RoleKey].(type) {
	case access.Role:
		return r
	case string:
		return access.Role(r)
	}
	return ""
}

// TestOperationsAreKnown holds that the list has what people and programs ask.
func TestOperationsAreKnown(t *testing.T) {
	c := newOperated(t, "")
	all := c.operations()
	for i, o := range all {
		if o.least == "" || o.path == "" || i > 0 && all[i-1].id == o.id {
			t.Errorf("operation without role or path, or twice: %+v", o)
		}
	}
	for _, id := range []string{"swap-device", "issue-credential", "acknowledge-alarm", "redrive-quarantine", "stream-live", "GET /metrics", "/prometheus/", "/"} {
		if !slices.ContainsFunc(all, func(o operation) bool { return o.id == id }) {
			t.Errorf("%s is not among the %d operations", id, len(all))
		}
	}
}
