package e2e_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	password = "ngọn đèn khuya 37 sóng vỗ"
	emqx     = "between EMQX and Hai Dang"
)

// fortress is a city that others reach, and its administrator.
type fortress struct {
	t         *testing.T
	up        *process
	authority *authority
	data      string
	http      string // host:port
	mqtt      string
	beyond    bool
	admin     *person
	token     string
}

// newFortress starts a city with HTTP and MQTT beyond the loopback, and makes its
// first administrator by the link that is printed.
func newFortress(t *testing.T, more ...string) *fortress {
	t.Helper()
	ip, beyond := outside(t)
	f := &fortress{t: t, authority: newAuthority(t, ip, net.IPv4(127, 0, 0, 1)), beyond: beyond, data: t.TempDir()}
	f.authority.issue(1, time.Now().Add(24*time.Hour))
	httpPort, mqttPort := strconv.Itoa(freePort(t)), strconv.Itoa(freePort(t))
	f.http, f.mqtt = net.JoinHostPort(ip.String(), httpPort), net.JoinHostPort(ip.String(), mqttPort)
	listen := "0.0.0.0"
	arguments := []string{"up", "--data", f.data, "--tls-cert", f.authority.cert, "--tls-key", f.authority.pem, "--mqtt-credentials", "--emqx-secret", emqx}
	if !beyond { // then nothing of it is implied
		listen = "127.0.0.1"
		arguments = append(arguments, "--login", "--admission", "registered")
	}
	arguments = append(arguments, "--http", net.JoinHostPort(listen, httpPort), "--mqtt", net.JoinHostPort(listen, mqttPort))
	f.up = &process{t: t, name: "up", program: program("haidang"), arguments: append(arguments, more...),
		url: "https://" + f.http, probe: "/readyz", trust: f.authority.client()}
	f.up.prepare()
	f.up.start()
	f.up.ready()
	f.enter()
	return f
}

// visitor is a browser that has not logged in.
func (f *fortress) visitor() *person { return newPerson(f.t, f.up.url, f.authority.client()) }

// link is the secret of the link that was printed last.
func (f *fortress) link() string {
	f.t.Helper()
	var found [][]byte
	eventually(f.t, patience, "the link for the first administrator is printed", func() bool {
		text, err := os.ReadFile(f.up.log)
		if err != nil {
			f.t.Fatal(err)
		}
		found = regexp.MustCompile(`https://\S+/welcome#(\S+)`).FindSubmatch(text)
		return found != nil
	})
	return string(found[1])
}

// enter uses the link.
func (f *fortress) enter() {
	f.t.Helper()
	f.admin = f.visitor()
	in := map[string]string{"link": f.link(), "name": "an", "password": password}
	var me struct{ Name, Role, CSRF string }
	res := f.admin.ask("POST", "/api/v1/links/redeem", in, &me, 200)
	if me.Name != "an" || me.Role != "admin" || me.CSRF == "" {
		f.t.Fatalf("the link makes %+v", me)
	}
	// The session, and the sign that this browser keeps of it.
	kept := map[string]http.SameSite{"__Host-haidang": http.SameSiteLaxMode, "__Host-haidang-known": http.SameSiteStrictMode}
	for _, c := range res.Cookies() {
		if site, ok := kept[c.Name]; !ok || !c.Secure || !c.HttpOnly || c.SameSite != site || c.Path != "/" {
			f.t.Errorf("a cookie is %v", c)
		}
		delete(kept, c.Name)
	}
	if len(kept) > 0 {
		f.t.Errorf("no cookie %v", kept)
	}
	if f.visitor().ask("POST", "/api/v1/links/redeem", in, nil, 404); f.t.Failed() {
		f.t.Error("the link was good twice")
	}
	f.admin.ask("POST", "/api/v1/tokens", map[string]any{"name": "forged", "scopes": []string{"read"}, "days": 1}, nil, 403) // without CSRF token
	f.admin.header.Set("X-CSRF-Token", me.CSRF)
	var token struct{ Secret string }
	f.admin.ask("POST", "/api/v1/tokens", map[string]any{"name": "terminal", "scopes": []string{"admin"}, "days": 1}, &token, 200)
	f.token = token.Secret
}

// run runs a command against the city.
func (f *fortress) run(arguments ...string) {
	f.t.Helper()
	out := run(f.t, time.Minute, append(arguments, "--url", f.up.url, "--ca", f.authority.file, "--token", f.token)...)
	if out.code != 0 {
		f.t.Fatalf("haidang %s ends with %d: %s%s", strings.Join(arguments, " "), out.code, out.stdout, out.stderr)
	}
}

// register registers an air quality sensor and gives it a credential.
func (f *fortress) register(device, site string) (secret string) {
	f.t.Helper()
	f.run("devices", "add", device, "--kind", "air_quality", "--site", site)
	var issued struct{ Username, Secret string }
	f.admin.ask("POST", "/api/v1/devices/"+device+"/credentials", map[string]any{}, &issued, 200)
	if issued.Username != device {
		f.t.Errorf("the user name of %s is %s", device, issued.Username)
	}
	return issued.Secret
}

// connect connects a device; what ends its connection comes through lost.
func (f *fortress) connect(address string, trust *tls.Config, id, user, secret string) (c mqtt.Client, lost chan error, err error) {
	lost = make(chan error, 1)
	o := mqtt.NewClientOptions().AddBroker(address).SetClientID(id).SetUsername(user).SetPassword(secret).SetTLSConfig(trust).
		SetAutoReconnect(false).SetConnectTimeout(20 * time.Second).SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
	c = mqtt.NewClient(o)
	t := c.Connect()
	if !t.WaitTimeout(30 * time.Second) {
		return c, lost, errors.New("no answer to CONNECT")
	}
	f.t.Cleanup(func() { c.Disconnect(0) })
	return c, lost, t.Error()
}

// device connects one that must be let in.
func (f *fortress) device(id, secret string) (mqtt.Client, chan error) {
	f.t.Helper()
	c, lost, err := f.connect("ssl://"+f.mqtt, f.authority.client(), id, id, secret)
	if err != nil {
		f.t.Fatalf("%s is not let in: %v", id, err)
	}
	return c, lost
}

// event waits for an entry in the journal of access.
func (f *fortress) event(action, subject, reason string) {
	f.t.Helper()
	q := url.Values{"action": {action}, "subject": {subject}, "reason": {reason}}
	eventually(f.t, patience, fmt.Sprintf("the journal of access has %s of %q because of %s", action, subject, reason), func() bool {
		var all []struct{ Remote string }
		f.admin.ask("GET", "/api/v1/access/events?"+q.Encode(), nil, &all, 200)
		return len(all) > 0
	})
}

// stored waits until so many readings of a device are in the store.
func (f *fortress) stored(device string, n int) {
	f.t.Helper()
	program := newPerson(f.t, f.up.url, f.authority.client())
	program.header.Set("Authorization", "Bearer "+f.token)
	eventually(f.t, patience, fmt.Sprintf("%d readings of %s are stored", n, device), func() bool {
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		program.ask("GET", "/prometheus/api/v1/query?query="+url.QueryEscape(`count_over_time(air_quality_pm25{device="`+device+`"}[1h])`), nil, &answer, 200)
		return len(answer.Data.Result) == 1 && answer.Data.Result[0].Value[1] == strconv.Itoa(n)
	})
}

func publishes(t *testing.T, c mqtt.Client, topic, payload string) error {
	t.Helper()
	token := c.Publish(topic, 1, false, payload)
	if !token.WaitTimeout(30 * time.Second) {
		return errors.New("no PUBACK")
	}
	return token.Error()
}
