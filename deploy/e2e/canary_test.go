package e2e_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// missed waits until /readyz says that a gateway's message to itself stands somewhere;
// the three minutes of patience are those within which it is to.
func missed(t *testing.T, p *process, gateway, where string) {
	t.Helper()
	eventually(t, patience, p.name+" misses the canary of "+gateway, func() bool {
		code, body := p.get("/readyz")
		return code == 503 && strings.Contains(body, `"canary `+gateway+`"`) && strings.Contains(body, where)
	})
}

// A loader is held while gateways and journal go on: it cannot say so itself, but the
// gateways' process does. Then the gateways are gone, and the loader's misses them.
func TestPartsThatStandStill(t *testing.T) {
	long(t)
	t.Parallel()
	broker, journal := realserver.Mosquitto(t, realserver.MosquittoOptions{}), natsServer(t)
	gateway := haidang(t, "gateway", "--broker", "tcp://"+broker.Address, "--journal", journal)
	loader := haidang(t, "loader", "--journal", journal, "--data", t.TempDir())
	gateway.ready()
	loader.ready()
	eventually(t, patience, "canaries of all gateways are counted", func() bool {
		l, ok := ledger(loader)
		return ok && l.total().Canary >= 4
	})
	if err := loader.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	missed(t, gateway, "cam-ranh", "the loader does not take it")
	t.Logf("the loader is missed after %v", time.Since(began))
	if err := loader.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	gateway.ready()
	loader.ready()
	gateway.stop()
	began = time.Now()
	missed(t, loader, "cam-ranh", "comes into the journal")
	t.Logf("the gateways are missed after %v", time.Since(began))
	gateway.start()
	gateway.ready()
	loader.ready()
	if r := audit(t, loader).total(); r.Received != r.Canary+r.Queued {
		t.Errorf("nothing but canaries came, the ledger has %+v", r)
	}
}
