package city

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/haidang-iot/haidang/devices/access"
)

// serving waits until a city's door lets devices in.
func (c *town) serving() *town {
	c.t.Helper()
	c.await("the door", func() bool { return c.door.State().Connected })
	return c
}

func (c *town) mqttURL() string { return "ws" + strings.TrimPrefix(c.url, "http") + mqttPath }

// selfSigned is a certificate of 127.0.0.1 in files, and who trusts it.
func selfSigned(t *testing.T) (cert, key string, trust *tls.Config) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, own, own, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key, trust = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), &tls.Config{RootCAs: x509.NewCertPool()}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trust.RootCAs.AppendCertsFromPEM(text)
	for name, b := range map[string][]byte{cert: text, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, trust
}

// dial begins a WebSocket as a page of an origin does, "" as no page; status is the
// answer's.
func (c *town) dial(origin string, trust *tls.Config) (ws *websocket.Conn, status int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	o := &websocket.DialOptions{Subprotocols: []string{"mqtt"}, HTTPHeader: http.Header{}, HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}}
	if origin != "" {
		o.HTTPHeader.Set("Origin", origin)
	}
	ws, r, err := websocket.Dial(ctx, c.mqttURL(), o)
	if r == nil {
		c.t.Fatal(err)
	}
	return ws, r.StatusCode
}

// Where nobody is asked who it is, a page of another host does not speak MQTT in its
// reader's name; where HTTP is reached from beyond this machine nobody does.
func TestMQTTOfPages(t *testing.T) {
	cert, key, trust := selfSigned(t)
	for name, w := range map[string]struct {
		change           func(*Up)
		none, own, other int
	}{
		"asked":     {func(*Up) {}, 101, 101, 101}, // CONNECT says who it is, and no cookie
		"not asked": {func(u *Up) { u.MQTTCredentials = false }, 101, 101, 403},
		"not asked, and beyond this machine": {func(u *Up) {
			u.MQTTCredentials, u.HTTP, u.TLSCert, u.TLSKey = false, "0.0.0.0:0", cert, key
		}, 403, 403, 403},
	} {
		t.Run(name, func(t *testing.T) {
			o := newDoored(t, w.change)
			if _, port, err := net.SplitHostPort(o.srv.listener.Addr().String()); err == nil && o.srv.cert != nil {
				o.url = "https://" + net.JoinHostPort("127.0.0.1", port)
			}
			c := (&town{people: people{o, t}}).serving()
			for origin, want := range map[string]int{"": w.none, c.url: w.own, "https://elsewhere.example": w.other, "null": w.other} {
				ws, status := c.dial(origin, trust)
				if status != want {
					t.Errorf("a page of %q gets %d, want %d", origin, status, want)
				}
				if ws != nil {
					ws.CloseNow()
				}
			}
		})
	}
}

// Devices come by WebSocket, encrypted too, and say by MQTT who they are. However many
// there are, they take no place of the HTTP listener's.
func TestMQTTByWebSocket(t *testing.T) {
	cert, key, trust := selfSigned(t)
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("encrypted %v", encrypted), func(t *testing.T) {
			o := newDoored(t, func(u *Up) {
				u.HTTPMaxConnections, u.HTTPMaxPerAddress, u.MQTTDeviceConnections = 4, 4, 16
				if encrypted {
					u.TLSCert, u.TLSKey = cert, key
				}
			})
			c := (&town{people: people{o, t}}).serving()
			s := &sleeper{c, c.object("x", theirs).device}
			secret := s.issue()
			connect := func(id string, secret access.Secret) (mqtt.Client, error) {
				m := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(c.mqttURL()).SetTLSConfig(trust).SetClientID(id).
					SetUsername(string(s.device)).SetPassword(string(secret)).SetAutoReconnect(false))
				k := m.Connect()
				if !k.WaitTimeout(time.Minute) {
					t.Fatal("no answer to CONNECT")
				}
				return m, k.Error()
			}
			if _, err := connect("guess", "a guess"); err == nil {
				t.Error("a wrong secret is let in")
			}
			var all []mqtt.Client
			for n := range 8 {
				m, err := connect(fmt.Sprint("page-", n), secret)
				if err != nil {
					t.Fatalf("connection %d: %v", n, err)
				}
				all = append(all, m)
			}
			if k := all[0].Publish("kh/nha-trang/noise/"+string(s.device), 1, false, `{"laeq":50}`); !k.WaitTimeout(time.Minute) || k.Error() != nil {
				t.Error(k.Error())
			}
			c.await("connections of WebSocket are not counted", func() bool { return c.srv.listener.opened() <= 1 })
			web := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
			r, err := web.Get(c.url + "/healthz")
			if err != nil || r.StatusCode != http.StatusOK {
				t.Fatalf("beside them HTTP answers %v, %v", r, err)
			}
			r.Body.Close()
			for _, m := range all {
				if !m.IsConnected() {
					t.Error("one has lost its connection")
				}
				m.Disconnect(100)
			}
			c.await("all is let go", func() bool { return c.srv.listener.opened() == 0 })
		})
	}
}

// A client of MQTT 5 that would never be heard again is told when it is to ping.
func TestKeepAliveOfServer(t *testing.T) {
	c := (&town{people: people{newDoored(t, func(u *Up) { u.MQTTCredentials = false }), t}}).serving()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.door.URL(), "tcp://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	// CONNECT of version 5: clean start, keep-alive 0, no properties, client id "x".
	if _, err := conn.Write([]byte("\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01x")); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(conn, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, head[1])
	if _, err := io.ReadFull(conn, body); err != nil {
		t.Fatal(err)
	}
	if head[0] != 0x20 || body[1] != 0 || !bytes.Contains(body, []byte{0x13, 0x0e, 0x10}) { // Server Keep Alive, 3600
		t.Errorf("CONNACK is % x % x", head, body)
	}
}
