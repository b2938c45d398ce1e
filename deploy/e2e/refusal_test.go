package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/deploy/realserver"
)

// What stands before a store says no to everything in words of its own: a page of
// 400, or a body that is too large. Nothing of it is a word on the data: the
// messages wait in the journal, /readyz says why, and all is stored once it is
// mended.
func TestProxyRefusesEverything(t *testing.T) {
	t.Parallel()
	db := realserver.InfluxDB(t)
	target, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	var refuses atomic.Bool
	refuses.Store(true)
	forward := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuses.Load() && strings.HasSuffix(r.URL.Path, "/write") {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, "<html><head><title>400 Bad Request</title></head><body><center><h1>400 Bad Request</h1></center><hr><center>nginx</center></body></html>")
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--store", "influx", "--influx-url", proxy.URL, "--influx-bucket", realserver.Database)
	pub := publish(t, broker, 200, false)
	pub.progress(300)
	eventually(t, patience, "/readyz says why", func() bool {
		code, body := up.get("/readyz")
		return code == 503 && hasAll(body, []string{`"store"`, "400 Bad Request nginx", "--influx-url", "proxy"})
	})
	if n := mustGauge(t, up, "haidang_messages", `outcome="quarantined"`); n != 0 {
		t.Errorf("%.0f messages are in quarantine for a proxy's page", n)
	}
	refuses.Store(false)
	eventually(t, patience, "the store is ready", up.isReady)
	pub.progress(100)
	prove(t, up, pub, influxQL(db))
	up.stop()
}

// An address with http:// where https:// is spoken, as an operator's first attempt:
// the same data folder holds all until it is corrected.
func TestHTTPSServerIsSpokenToInHTTP(t *testing.T) {
	t.Parallel()
	db := realserver.InfluxDB(t)
	wrong := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(wrong.Close)
	broker, dir := address(freePort(t)), t.TempDir()
	start := func(store string) *process {
		return haidang(t, "up", "--data", dir, "--mqtt", broker, "--store", "influx", "--influx-url", store, "--influx-bucket", realserver.Database)
	}
	up := start("http" + strings.TrimPrefix(wrong.URL, "https"))
	pub := publish(t, broker, 200, false)
	pub.progress(300)
	var body string
	eventually(t, patience, "/readyz says why", func() bool {
		var code int
		code, body = up.get("/readyz")
		return code == 503 && hasAll(body, []string{`"store"`, "--influx-url", "https://"})
	})
	t.Log(body)
	up.stop()
	up = start(db.URL)
	eventually(t, patience, "the store is ready", up.isReady)
	pub.progress(100)
	prove(t, up, pub, influxQL(db))
	up.stop()
}

// An old reading is corrected twice: the first value stays in the store, the others
// wait as conflicts, and the account balances.
func TestSecondValueIsNeverSilent(t *testing.T) {
	t.Parallel()
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker)
	up.ready()
	at := time.Now().Add(-5 * time.Hour).UnixMilli()
	for i, v := range []string{"300", "30", "28"} {
		if err := send(t, broker, "kh/nha-trang/air_quality/aq-1", fmt.Appendf(nil, `{"ts":%d,"pm25":%s}`, at, v)); err != nil {
			t.Fatal(err)
		}
		eventually(t, patience, "it is accounted for", func() bool {
			r, ok := ledger(up)
			sum := r.total()
			return ok && sum.Queued == 0 && sum.Received-sum.Canary == int64(i+1)
		})
	}
	eventually(t, patience, "two conflicts are counted", func() bool { return mustGauge(t, up, "haidang_quarantine_conflicts") == 2 })
	audit := run(t, patience, "audit", "--url", up.url)
	if audit.code != 0 || !hasAll(audit.stdout, []string{"Balanced", "2 wait in quarantine", "--reason conflict"}) {
		t.Errorf("audit: %d %s", audit.code, audit.stdout)
	}
	list := run(t, patience, "quarantine", "list", "--reason", "conflict", "--url", up.url)
	if !hasAll(list.stdout, []string{"30 is another value for", "28 is another value for", "300"}) {
		t.Errorf("quarantine list: %s", list.stdout)
	}
	up.stop()
}
