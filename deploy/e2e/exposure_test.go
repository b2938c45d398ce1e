package e2e_test

import (
	"bufio"
	"crypto/tls"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	_ "modernc.org/sqlite" // to put expiries into the past

	"github.com/haidang-iot/haidang/deploy/realserver"
	"github.com/haidang-iot/haidang/devices/access/oidctest"
)

// Whoever comes from beyond the machine proves who they are, encrypted: people
// and devices, and what is refused is in the journal.
func TestBeyondTheLoopback(t *testing.T) {
	long(t)
	t.Parallel()
	f := newFortress(t)
	t.Run("people", f.people)
	secret, other := f.register("aq-1", "thap-tram-huong"), f.register("aq-2", "cau-tran-phu")
	t.Run("devices", func(t *testing.T) { f.at(t).devices(secret) })
	t.Run("credential revoked", func(t *testing.T) { f.at(t).revoked(other) })
	t.Run("EMQX", func(t *testing.T) { f.at(t).emqx(secret) })
	t.Run("certificate replaced", func(t *testing.T) { f.at(t).replaced(secret) })
	t.Run("Mosquitto", func(t *testing.T) { f.at(t).mosquitto(secret) })
	t.Run("expired", func(t *testing.T) { f.at(t).expired() })
	f.up.stop()
}

// at is the fortress as a subtest has it.
func (f *fortress) at(t *testing.T) *fortress {
	g := *f
	admin := *f.admin
	admin.t = t
	g.t, g.admin = t, &admin
	return &g
}

func (f *fortress) people(t *testing.T) {
	f = f.at(t)
	nobody := f.visitor()
	for _, path := range []string{"/api/v1/sites", "/api/v1/ledger", "/api/v1/access/events", "/prometheus/api/v1/query?query=up", "/metrics"} {
		nobody.ask("GET", path, nil, nil, 401)
	}
	nobody.ask("GET", "/", nil, nil, 200)
	nobody.ask("GET", "/api/v1/session", nil, nil, 200)
	foreign := f.visitor()
	foreign.client.Jar = f.admin.client.Jar
	foreign.header = http.Header{"X-Csrf-Token": f.admin.header["X-Csrf-Token"], "Sec-Fetch-Site": {"cross-site"}}
	foreign.ask("DELETE", "/api/v1/sessions", nil, nil, 403)
	rebound := f.visitor()
	rebound.header.Set("Host", "evil.example")
	rebound.ask("GET", "/api/v1/session", nil, nil, 421)
	if res, err := http.Get("http://" + f.http + "/api/v1/session"); err != nil || res.StatusCode != 400 {
		t.Errorf("unencrypted HTTP: %v, %v", res, err)
	}
	for _, address := range []string{f.http, f.mqtt} {
		old := f.authority.client()
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		if conn, err := tls.Dial("tcp", address, old); err == nil {
			conn.Close()
			t.Errorf("%s speaks TLS 1.1", address)
		}
	}
	guess := f.visitor()
	for range 5 {
		guess.ask("POST", "/api/v1/session", map[string]string{"name": "an", "password": "a guess"}, nil, 401)
	}
	guess.ask("POST", "/api/v1/session", map[string]string{"name": "an", "password": "a guess"}, nil, 429)
	f.event("log_in_failed", "an", "wrong_password")
}

func (f *fortress) devices(secret string) {
	t := f.t
	c, lost := f.device("aq-1", secret)
	if err := publishes(t, c, "kh/nha-trang/air_quality/aq-1", `{"pm25":12.4}`); err != nil {
		t.Error(err)
	}
	f.stored("aq-1", 1)
	for _, filter := range []string{"#", "kh/+/command/+", "kh/nha-trang/command/aq-2", "kh/nha-trang/command/aq-1"} {
		token := c.Subscribe(filter, 1, nil).(*mqtt.SubscribeToken)
		if !token.WaitTimeout(30 * time.Second) {
			t.Fatalf("no answer to the subscription to %s", filter)
		}
		if own := filter == "kh/nha-trang/command/aq-1"; (token.Result()[filter] == 0x80) == own {
			t.Errorf("subscribing to %s is answered with %#x", filter, token.Result()[filter])
		}
	}
	f.event("topic_refused", "aq-1", "wildcard")
	// MQTT 3.1.1 has no way to refuse a message: the connection is ended.
	c.Publish("kh/nha-trang/air_quality/aq-2", 1, false, `{"pm25":666}`)
	select {
	case <-lost:
	case <-time.After(30 * time.Second):
		t.Error("a device that publishes as another is still connected")
	}
	f.event("topic_refused", "aq-1", "not_its_topic")
	for _, w := range []struct{ id, user, secret, subject, reason string }{
		{"aq-1", "aq-1", "a guess", "aq-1", "wrong_secret"},
		{"aq-1", "", "", "", "unknown_device"},
		{"aq-9", "aq-9", secret, "aq-9", "unknown_device"},
		{"thap", "thap-tram-huong", secret, "thap-tram-huong", "unknown_device"},
	} {
		if _, _, err := f.connect("ssl://"+f.mqtt, f.authority.client(), w.id, w.user, w.secret); err == nil {
			t.Errorf("%q was let in with a secret that is not its own", w.user)
		}
		f.event("credential_refused", w.subject, w.reason)
	}
	if _, _, err := f.connect("ssl://"+f.mqtt, &tls.Config{}, "aq-1", "aq-1", secret); err == nil {
		t.Error("a certificate of an unknown authority was believed")
	}
	if _, _, err := f.connect("tcp://"+f.mqtt, nil, "aq-1", "aq-1", secret); f.beyond && err == nil {
		t.Error("a device came in unencrypted from beyond the machine")
	}
}

// revoked ends a connection within seconds.
func (f *fortress) revoked(secret string) {
	_, lost := f.device("aq-2", secret)
	f.admin.ask("DELETE", "/api/v1/devices/aq-2/credentials?why=stolen", nil, nil, 204)
	select {
	case <-lost:
	case <-time.After(patience):
		f.t.Error("a device whose credential was revoked is still connected")
	}
	if _, _, err := f.connect("ssl://"+f.mqtt, f.authority.client(), "aq-2", "aq-2", secret); err == nil {
		f.t.Error("a revoked credential is still good")
	}
	f.event("credential_refused", "aq-2", "revoked_or_expired_secret")
}

// emqx asks what an EMQX would ask.
func (f *fortress) emqx(secret string) {
	broker := f.visitor()
	const path = "/api/v1/access/emqx/"
	broker.ask("POST", path+"authentication", map[string]string{"username": "aq-1"}, nil, 401)
	broker.header.Set("Authorization", "Bearer "+emqx)
	for _, c := range []struct {
		path, want string
		in         map[string]string
	}{
		{"authentication", "allow", map[string]string{"clientid": "aq-1", "username": "aq-1", "password": secret, "peerhost": "192.0.2.4"}},
		{"authentication", "deny", map[string]string{"clientid": "aq-1", "username": "aq-1", "password": "a guess", "peerhost": "192.0.2.4"}},
		{"authorization", "allow", map[string]string{"username": "aq-1", "action": "publish", "topic": "kh/nha-trang/air_quality/aq-1"}},
		{"authorization", "deny", map[string]string{"username": "aq-1", "action": "publish", "topic": "kh/nha-trang/air_quality/aq-2"}},
		{"authorization", "deny", map[string]string{"username": "aq-1", "action": "subscribe", "topic": "#"}},
	} {
		var answer struct{ Result string }
		if broker.ask("POST", path+c.path, c.in, &answer, 200); answer.Result != c.want {
			f.t.Errorf("%s of %v: %s, want %s", c.path, c.in, answer.Result, c.want)
		}
	}
}

// replaced replaces the certificate under a device that is connected and a board
// that follows live values.
func (f *fortress) replaced(secret string) {
	t := f.t
	c, lost := f.device("aq-1", secret)
	stream, err := f.admin.client.Get(f.up.url + "/api/v1/live")
	if err != nil || stream.StatusCode != 200 {
		t.Fatalf("live values: %v, %v", stream, err)
	}
	defer stream.Body.Close()
	heard := make(chan string, 100)
	go func() {
		defer close(heard)
		for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
			if strings.Contains(lines.Text(), "aq-1") {
				heard <- lines.Text()
			}
		}
	}()
	f.authority.issue(2, time.Now().Add(24*time.Hour))
	eventually(t, patience, "both listeners show the new certificate", func() bool {
		return f.authority.serial(f.http) == 2 && f.authority.serial(f.mqtt) == 2
	})
	f.authority.issue(3, time.Now().Add(-time.Hour))
	eventually(t, patience, "an expired certificate is told of", func() bool {
		if f.authority.serial(f.http) != 2 || f.authority.serial(f.mqtt) != 2 {
			t.Fatal("an expired certificate has replaced a good one")
		}
		return f.up.says("keeping the TLS certificate", "--tls-cert", "expired")
	})
	if err := publishes(t, c, "kh/nha-trang/air_quality/aq-1", `{"pm25":13.5}`); err != nil {
		t.Error(err)
	}
	select {
	case <-heard:
	case <-time.After(patience):
		t.Error("the stream of live values does not go on")
	}
	select {
	case err := <-lost:
		t.Errorf("a new certificate ended a connection: %v", err)
	default:
	}
}

// mosquitto has a real Mosquitto read what the command writes.
func (f *fortress) mosquitto(secret string) {
	t, dir := f.t, f.t.TempDir()
	f.run("devices", "mosquitto", "--out", dir, "--gateway-user", "gateways", "--gateway-password", "the gateways' own")
	broker := realserver.Mosquitto(t, realserver.MosquittoOptions{Config: fmt.Sprintf(
		"include_dir %s\npassword_file %s\nacl_file %s\n", dir, filepath.Join(dir, "password_file"), filepath.Join(dir, "acl_file"))})
	address := "tcp://" + broker.Address
	if _, _, err := f.connect(address, nil, "aq-1", "aq-1", "a guess"); err == nil {
		t.Error("Mosquitto let a wrong secret in")
	}
	if _, _, err := f.connect(address, nil, "aq-2", "aq-2", secret); err == nil {
		t.Error("Mosquitto let a revoked device in")
	}
	gateway, _, err := f.connect(address, nil, "gateways", "gateways", "the gateways' own")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 10)
	if token := gateway.Subscribe("kh/nha-trang/#", 1, func(_ mqtt.Client, m mqtt.Message) { heard <- m.Topic() }); !token.WaitTimeout(30*time.Second) || token.Error() != nil {
		t.Fatalf("the gateway cannot subscribe: %v", token.Error())
	}
	c, _, err := f.connect(address, nil, "aq-1", "aq-1", secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"kh/nha-trang/air_quality/aq-2", "kh/nha-trang/air_quality/aq-1"} {
		if err := publishes(t, c, topic, `{"pm25":1}`); err != nil {
			t.Errorf("%s: %v", topic, err)
		}
	}
	select {
	case topic := <-heard:
		if topic != "kh/nha-trang/air_quality/aq-1" { // the one before it would have come before
			t.Errorf("aq-1 published on %s", topic)
		}
	case <-time.After(30 * time.Second):
		t.Error("nothing came through Mosquitto")
	}
}

// expired puts the ends of a token and of a session into the past, and revokes
// another token.
func (f *fortress) expired() {
	t := f.t
	db, err := sql.Open("sqlite", "file:"+filepath.Join(f.data, "registry.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	program := f.visitor()
	program.header.Set("Authorization", "Bearer "+f.token)
	program.ask("GET", "/api/v1/sites", nil, nil, 200)
	var short struct{ ID, Secret string }
	f.admin.ask("POST", "/api/v1/tokens", map[string]any{"name": "short", "scopes": []string{"read"}, "days": 1}, &short, 200)
	revoked := f.visitor()
	revoked.header.Set("Authorization", "Bearer "+short.Secret)
	revoked.ask("GET", "/api/v1/sites", nil, nil, 200)
	f.admin.ask("DELETE", "/api/v1/tokens/"+short.ID, nil, nil, 204)
	revoked.ask("GET", "/api/v1/sites", nil, nil, 401)
	f.event("token_refused", short.ID, "revoked")
	past := time.Now().Add(-time.Minute).UnixMilli()
	if _, err := db.ExecContext(t.Context(), "UPDATE access_token SET expires = ?", past); err != nil {
		t.Fatal(err)
	}
	program.ask("GET", "/api/v1/sites", nil, nil, 401)
	f.event("token_refused", "", "expired")
	if _, err := db.ExecContext(t.Context(), "UPDATE access_session SET expires = ?", past); err != nil {
		t.Fatal(err)
	}
	f.admin.ask("GET", "/api/v1/sites", nil, nil, 401)
}

// A city that would be open to others without proof or cipher does not start,
// and says what to do.
func TestFaultsOfExposure(t *testing.T) {
	long(t)
	t.Parallel()
	a, another, old := newAuthority(t, net.IPv4(127, 0, 0, 1)), newAuthority(t), newAuthority(t)
	a.issue(1, time.Now().Add(time.Hour))
	another.issue(2, time.Now().Add(time.Hour))
	old.issue(3, time.Now().Add(-time.Hour))
	broken := filepath.Join(t.TempDir(), "broken.pem")
	if err := os.WriteFile(broken, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	up := func(more ...string) []string {
		return append([]string{"up", "--http", address(freePort(t)), "--mqtt", address(freePort(t)), "--data", t.TempDir()}, more...)
	}
	pair := []string{"--tls-cert", a.cert, "--tls-key", a.pem}
	for _, f := range []startFault{
		{"HTTP unencrypted", up("--http", "0.0.0.0:0"), []string{"--http", `"0.0.0.0:0"`, "unencrypted", "--tls-cert", "--proxy", "127.0.0.1:8080"}},
		{"HTTP unencrypted, log-in", up("--http", ":0", "--login"), []string{"--http", `":0"`, "unencrypted", "--tls-cert"}},
		{"loader's HTTP unencrypted", []string{"loader", "--journal", "nats://127.0.0.1:1", "--data", t.TempDir(), "--http", "0.0.0.0:0"}, []string{"--http", "unencrypted", "--tls-cert"}},
		{"gateway's HTTP", []string{"gateway", "--broker", "tcp://127.0.0.1:1", "--journal", "nats://127.0.0.1:1", "--http", "0.0.0.0:0"}, []string{"--http", `"0.0.0.0:0"`, "127.0.0.1:8081"}},
		{"MQTT without credentials", up(append(pair, "--mqtt", "0.0.0.0:0")...), []string{"--mqtt", `"0.0.0.0:0"`, "--mqtt-credentials"}},
		{"MQTT unencrypted", up("--mqtt", "0.0.0.0:0", "--mqtt-credentials"), []string{"--mqtt", "unencrypted", "--tls-cert", "--mqtt-plain"}},
		{"MQTT plain without credentials", up("--mqtt", "0.0.0.0:0", "--mqtt-plain"), []string{"--mqtt-plain", "--mqtt-credentials"}},
		{"open admission", up(append(pair, "--http", "0.0.0.0:0", "--admission", "open")...), []string{"--admission is open", "--admission registered"}},
		{"certificate without key", up("--tls-cert", a.cert), []string{"--tls-cert " + a.cert, "--tls-key", "give both"}},
		{"key without certificate", up("--tls-key", a.pem), []string{"--tls-key " + a.pem, "--tls-cert", "give both"}},
		{"certificate missing", up("--tls-cert", "/nowhere/c.pem", "--tls-key", a.pem), []string{"--tls-cert /nowhere/c.pem", "no such file", "give the path"}},
		{"certificate broken", up("--tls-cert", broken, "--tls-key", a.pem), []string{"--tls-cert " + broken, "PEM"}},
		{"certificate of another key", up("--tls-cert", a.cert, "--tls-key", another.pem), []string{a.cert, another.pem, "cannot be used together"}},
		{"certificate expired", up("--tls-cert", old.cert, "--tls-key", old.pem), []string{"--tls-cert " + old.cert, "expired on", "renew it"}},
		{"MQTT certificate missing", up("--mqtt-tls-cert", "/nowhere/m.pem", "--mqtt-tls-key", a.pem), []string{"--mqtt-tls-cert /nowhere/m.pem", "no such file"}},
		{"MQTT certificate and broker", up("--mqtt-tls-cert", a.cert, "--broker", "tcp://127.0.0.1:1"), []string{"--mqtt-tls-cert", "--broker"}},
		{"public address in clear", up("--public-url", "http://haidang.example"), []string{"--public-url", `"http://haidang.example"`, "https://"}},
		{"public address with a path", up("--public-url", "https://haidang.example/city"), []string{"--public-url", "with a path"}},
		{"public address is none", up("--public-url", "haidang.example"), []string{"--public-url", `"haidang.example"`, "https://"}},
		{"public address without cipher", up("--public-url", "https://haidang.example"), []string{"--public-url", "--tls-cert", "--proxy"}},
		{"proxy without public address", up("--proxy", "127.0.0.1"), []string{"--proxy 127.0.0.1", "--public-url"}},
		{"proxy is everybody", up("--proxy", "0.0.0.0/0", "--public-url", "https://haidang.example"), []string{"--proxy", "0.0.0.0/0", "everybody"}},
		{"proxy is none", up("--proxy", "nginx", "--public-url", "https://haidang.example"), []string{"--proxy", `"nginx"`, "10.0.3.0/24"}},
		{"map style is none", up("--map-style", "style.json"), []string{"--map-style", `"style.json"`, "https://"}},
		{"map origin is none", up("--map-origin", "https://a.example/x"), []string{"--map-origin", `"https://a.example/x"`}},
		{"issuer without client", up("--oidc-issuer", "https://id.example"), []string{"--oidc-issuer https://id.example", "--oidc-client-id"}},
		{"issuer without roles", up("--oidc-issuer", "https://id.example", "--oidc-client-id", "haidang"), []string{"--oidc-issuer", "--oidc-role", "--oidc-default-role"}},
		{"issuer's role is none", up("--oidc-issuer", "https://id.example", "--oidc-client-id", "haidang", "--oidc-role-claim", "groups", "--oidc-role", "a=boss"), []string{"--oidc-role", `"a=boss"`, "viewer, field, operator or admin"}},
		{"issuer in clear", up("--oidc-issuer", "http://id.example", "--oidc-client-id", "haidang", "--oidc-default-role", "viewer"), []string{"issuer", "https://"}},
		{"role without issuer", up("--oidc-default-role", "viewer"), []string{"--oidc-default-role", "--oidc-issuer"}},
		{"EMQX secret too short", up("--emqx-secret", "short"), []string{"HAIDANG_EMQX_SECRET", "5 characters", "at least"}},
		{"no connections", up("--mqtt-max-connections", "0"), []string{"--mqtt-max-connections is 0"}},
	} {
		t.Run(f.name, func(t *testing.T) {
			out := run(t, 15*time.Second, f.arguments...)
			if out.code == 0 || !hasAll(out.stderr, f.says) || strings.Contains(out.stderr, "goroutine ") || strings.Contains(out.stderr, "PRIVATE KEY") {
				t.Errorf("ends with %d and says %q, which should have %q", out.code, lastLine(out.stderr), f.says)
			}
			t.Log(lastLine(out.stderr))
		})
	}
}

// Behind a proxy that has the certificate: who comes through it is told apart by
// what it says, and nobody logs in where it does not encrypt.
func TestBehindProxy(t *testing.T) {
	long(t)
	t.Parallel()
	issuer := oidctest.Start(t)
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", address(freePort(t)), "--proxy", "127.0.0.1", "--public-url", "https://haidang.example", "--login",
		"--map-style", "https://tiles.example/style.json", "--map-origin", "https://fonts.example",
		"--oidc-issuer", issuer.URL, "--oidc-client-id", oidctest.Client, "--oidc-client-secret", oidctest.Secret,
		"--oidc-role-claim", "realm_access.roles", "--oidc-role", "cn=field,ou=city=field", "--oidc-role", "admins=admin")
	up.ready()
	f := &fortress{t: t, up: up}
	link := f.link()
	through := newPerson(t, up.url, nil)
	through.header = http.Header{"Host": {"haidang.example"}, "X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}}
	plain := newPerson(t, up.url, nil)
	plain.header = http.Header{"Host": {"haidang.example"}, "X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"http"}}
	here := newPerson(t, up.url, nil)
	for _, p := range []*person{through, plain, here} {
		p.ask("GET", "/api/v1/sites", nil, nil, 401)
	}
	in := map[string]string{"link": link, "name": "an", "password": password}
	plain.ask("POST", "/api/v1/links/redeem", in, nil, 403)
	res := through.ask("POST", "/api/v1/links/redeem", in, nil, 200)
	cookies := res.Cookies() // the session's, and that this browser is known
	if len(cookies) != 2 || cookies[0].Name != "__Host-haidang" || !cookies[0].Secure || cookies[1].Name != "__Host-haidang-known" || !cookies[1].Secure {
		t.Fatalf("the cookies are %v", cookies)
	}
	// The jar keeps a secure cookie from the plain address of this test.
	through.header.Set("Cookie", cookies[0].String())
	var events []struct{ Remote string }
	if through.ask("GET", "/api/v1/access/events?action=link_used", nil, &events, 200); len(events) != 1 || events[0].Remote != "192.0.2.7" {
		t.Errorf("the journal says who used the link: %+v", events)
	}
	res = through.ask("GET", "/", nil, nil, 200)
	if policy := res.Header.Get("Content-Security-Policy"); !hasAll(policy, []string{"https://tiles.example", "https://fonts.example"}) {
		t.Errorf("the content security policy is %q", policy)
	}
	if res.Header.Get("Strict-Transport-Security") == "" {
		t.Error("browsers are not told to come by https only")
	}
	var settings struct {
		Style string `json:"map_style"`
	}
	if through.ask("GET", "/console.json", nil, &settings, 200); settings.Style != "https://tiles.example/style.json" {
		t.Errorf("the console's settings are %+v", settings)
	}
	issuer.Next("u-7", "minh", "cn=field,ou=city")
	by := newPerson(t, up.url, nil)
	by.header = http.Header{"Host": {"haidang.example"}, "X-Forwarded-For": {"192.0.2.8"}, "X-Forwarded-Proto": {"https"}}
	vouched(t, by, issuer.URL)
	var me struct {
		Name, Role string
		OIDC       bool
	}
	if by.ask("GET", "/api/v1/session", nil, &me, 200); me.Name != "minh" || me.Role != "field" || !me.OIDC {
		t.Errorf("through the issuer comes %+v", me)
	}
	up.stop()
}

// vouched logs in through an issuer, going from place to place as a browser does;
// only that it carries the secure cookies to this test's plain address itself.
func vouched(t *testing.T, by *person, issuer string) {
	t.Helper()
	res := by.ask("GET", "/auth/oidc/start?next=/sites", nil, nil, 303)
	by.header.Set("Cookie", res.Cookies()[0].String())
	to := res.Header.Get("Location")
	if !strings.HasPrefix(to, issuer+"/authorize?") {
		t.Fatalf("logging in begins at %s", to)
	}
	there, err := by.client.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	there.Body.Close()
	back, ok := strings.CutPrefix(there.Header.Get("Location"), "https://haidang.example")
	if !ok || !strings.HasPrefix(back, "/auth/oidc/callback?") {
		t.Fatalf("the issuer sends the browser to %s", there.Header.Get("Location"))
	}
	res = by.ask("GET", back, nil, nil, 303)
	if res.Header.Get("Location") != "/sites" {
		t.Fatalf("logging in ends at %s", res.Header.Get("Location"))
	}
	for _, c := range res.Cookies() {
		if c.Name == "__Host-haidang" && c.Secure {
			by.header.Set("Cookie", c.String())
		}
	}
}

// Simulated devices have no credentials of their own and still come through a
// broker that asks for them, which lets no one else in.
func TestSimulatedAmongCredentials(t *testing.T) {
	long(t)
	t.Parallel()
	broker := address(freePort(t))
	up := haidang(t, "up", "--data", t.TempDir(), "--mqtt", broker, "--mqtt-credentials", "--simulate", "4")
	up.ready()
	eventually(t, patience, "simulated readings are stored", func() bool {
		r, ok := ledger(up)
		return ok && r.total().Stored >= 8
	})
	f := &fortress{t: t, up: up}
	for _, user := range []string{"", "~simulator", "sim-0001"} {
		if _, _, err := f.connect("tcp://"+broker, nil, "sim-guest", user, "a guess"); err == nil {
			t.Errorf("%q was let in with a guess", user)
		}
	}
	up.stop()
}

// A loader is guarded beyond the loopback as a whole city is.
func TestLoaderBeyondTheLoopback(t *testing.T) {
	long(t)
	t.Parallel()
	ip, _ := outside(t)
	f := &fortress{t: t, authority: newAuthority(t, ip)}
	f.authority.issue(1, time.Now().Add(24*time.Hour))
	f.http = net.JoinHostPort(ip.String(), strconv.Itoa(freePort(t)))
	f.up = &process{t: t, name: "loader", program: program("haidang"), arguments: []string{"loader", "--journal", natsServer(t), "--data", t.TempDir(),
		"--http", f.http, "--login", "--tls-cert", f.authority.cert, "--tls-key", f.authority.pem}, url: "https://" + f.http, probe: "/readyz", trust: f.authority.client()}
	f.up.prepare()
	f.up.start()
	f.up.ready()
	f.visitor().ask("GET", "/api/v1/ledger", nil, nil, 401)
	f.enter()
	f.admin.ask("GET", "/api/v1/ledger", nil, nil, 200)
	f.run("audit")
	f.up.stop()
}
