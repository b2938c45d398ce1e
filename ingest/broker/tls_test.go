package broker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/haidang-iot/haidang/ingest/broker"
	"github.com/haidang-iot/haidang/ingest/certificate"
)

// files is a folder with a certificate and its key.
type files struct {
	cert, key string
	pool      *x509.CertPool
}

func newFiles(t testing.TB, serial int64) *files {
	t.Helper()
	dir := t.TempDir()
	f := &files{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool()}
	cert, key := f.issue(t, serial)
	write(t, f.cert, cert)
	write(t, f.key, key)
	return f
}

// issue makes another certificate that the pool trusts.
func (f *files) issue(t testing.TB, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "haidang test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	f.pool.AppendCertsFromPEM(cert)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// write replaces a file as one that renews certificates does.
func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// options have the broker show what is in the files.
func (f *files) options(o *broker.Options) {
	c, err := certificate.Load(certificate.Files{Cert: f.cert, Key: f.key, CertFlag: "--mqtt-tls-cert", KeyFlag: "--mqtt-tls-key"}, nil, nil)
	if err != nil {
		panic(err) // the test has just written them
	}
	o.TLS = c.TLS()
}

func (f *files) trusted(b *broker.Broker) func(*mqtt.ClientOptions) {
	return func(o *mqtt.ClientOptions) {
		o.Servers = nil
		o.AddBroker(b.TLSURL()).SetTLSConfig(&tls.Config{RootCAs: f.pool})
	}
}

// serial is that of the certificate that the broker shows now.
func (f *files) serial(t testing.TB, b *broker.Broker) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(b.TLSURL(), "ssl://"), &tls.Config{RootCAs: f.pool})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// One listener serves devices by TLS and the gateway, on this machine, without.
func TestTLSAndPlainOnOneListener(t *testing.T) {
	p, f := city(), newFiles(t, 1)
	b := guarded(t, p, f.options)
	got := subscribe(t, client(t, b, "gateway", p.as("gateway")), "kh/nha-trang/#")
	d := client(t, b, "d1", p.as("d1"), f.trusted(b))
	wait(t, d.Publish("kh/nha-trang/weather/d1", 1, false, "x"))
	receive(t, got)
	if l := p.logins(); l[0].TLS || !l[1].TLS {
		t.Errorf("TLS: %v, %v", l[0].TLS, l[1].TLS)
	}
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, f.trusted(b), func(o *mqtt.ClientOptions) { o.SetClientID("d1").SetUsername("d1").SetPassword("guess") })
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Username: "d1", Reason: "wrong secret"})
	_, err := tls.Dial("tcp", strings.TrimPrefix(b.TLSURL(), "ssl://"), &tls.Config{RootCAs: f.pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestTLSWithoutAuthenticator(t *testing.T) {
	f := newFiles(t, 1)
	o := broker.Options{MQTTAddr: "127.0.0.1:0"}
	f.options(&o)
	b := start(t, o)
	got := subscribe(t, client(t, b, "gateway"), "#")
	wait(t, client(t, b, "d", f.trusted(b)).Publish("kh/x", 1, false, "x"))
	receive(t, got)
}

func TestCertificateRotates(t *testing.T) {
	p, f := city(), newFiles(t, 1)
	b := guarded(t, p, f.options)
	lost := make(chan error, 1)
	d := client(t, b, "d1", p.as("d1"), f.trusted(b), lostTo(lost))
	if n := f.serial(t, b); n != 1 {
		t.Fatalf("serial %d", n)
	}
	cert, key := f.issue(t, 2)
	write(t, f.cert, cert)
	// Between the two the old pair is still shown.
	if n := f.serial(t, b); n != 1 {
		t.Errorf("serial %d with half of a new pair", n)
	}
	write(t, f.key, key)
	eventually(t, "the new certificate is shown", func() bool { return f.serial(t, b) == 2 })
	write(t, f.cert, []byte("broken"))
	if n := f.serial(t, b); n != 2 {
		t.Errorf("serial %d with a broken file", n)
	}
	cert, key = f.issue(t, 3)
	write(t, f.key, key)
	write(t, f.cert, cert)
	eventually(t, "it recovers", func() bool { return f.serial(t, b) == 3 })
	wait(t, d.Publish("kh/nha-trang/weather/d1", 1, false, "the old connection lives on"))
	select {
	case err := <-lost:
		t.Errorf("a rotation ended a connection: %v", err)
	default:
	}
}

// outside is an address of this machine by which it looks like another one.
func outside(t testing.TB) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("needs an address beyond the loopback")
	return ""
}

// From another machine: plain MQTT is refused although the secret is right, and
// so is, unheard, who has guessed too often.
func TestFromAnotherMachine(t *testing.T) {
	host := outside(t)
	p, f := city(), newFiles(t, 1)
	b := guarded(t, p, f.options, func(o *broker.Options) { o.MQTTAddr = "0.0.0.0:0" })
	if !strings.HasPrefix(b.MQTTURL(), "tcp://127.0.0.1:") {
		t.Errorf("URL on this machine %s", b.MQTTURL())
	}
	client(t, b, "gateway", p.as("gateway"))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(b.TLSURL(), "ssl://"))
	if err != nil {
		t.Fatal(err)
	}
	from := func(scheme string) func(*mqtt.ClientOptions) {
		return func(o *mqtt.ClientOptions) {
			o.Servers = nil
			o.AddBroker(scheme + "://" + net.JoinHostPort(host, port))
			o.SetTLSConfig(&tls.Config{RootCAs: f.pool, ServerName: "127.0.0.1"}).SetClientID("d1")
		}
	}
	notLetIn(t, b, packets.ErrRefusedNotAuthorised, from("tcp"), p.as("d1"))
	p.refusal(t, broker.Refusal{Kind: broker.RefusedConnect, Username: "d1", Reason: "not encrypted"})
	client(t, b, "d1", p.as("d1"), from("ssl"))
	guess := func(o *mqtt.ClientOptions) { o.SetUsername("d2").SetPassword("guess") }
	eventually(t, "guessing is refused unheard", func() bool {
		notLetIn(t, b, packets.ErrRefusedNotAuthorised, from("ssl"), guess)
		return strings.Contains((<-p.refuse).Reason, "too many refused connections")
	})
	// Who was right before from there still gets in.
	client(t, b, "d1", p.as("d1"), from("ssl"))
}

// With PlainBeyond a device of another machine comes with TLS or without, and
// shows its secret either way.
func TestPlainFromAnotherMachine(t *testing.T) {
	host := outside(t)
	p, f := city(), newFiles(t, 1)
	b := guarded(t, p, f.options, func(o *broker.Options) { o.MQTTAddr, o.PlainBeyond = "0.0.0.0:0", true })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(b.TLSURL(), "ssl://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"tcp", "ssl"} {
		from := func(o *mqtt.ClientOptions) {
			o.Servers = nil
			o.AddBroker(scheme + "://" + net.JoinHostPort(host, port))
			o.SetTLSConfig(&tls.Config{RootCAs: f.pool, ServerName: "127.0.0.1"})
		}
		client(t, b, "d1", p.as("d1"), from)
		notLetIn(t, b, packets.ErrRefusedNotAuthorised, from, func(o *mqtt.ClientOptions) { o.SetClientID("d1").SetUsername("d1").SetPassword("guess") })
	}
}

// Who connects and says nothing, or never ends the handshake, is disconnected.
func TestConnectTimeout(t *testing.T) {
	f := newFiles(t, 1)
	for name, change := range map[string]func(*broker.Options){"plain": func(*broker.Options) {}, "TLS": f.options} {
		for hello, first := range map[string]string{"silent": "", "half a CONNECT": "\x10\x20\x00", "half a handshake": "\x16\x03\x01\x02\x00\x01"} {
			t.Run(name+" "+hello, func(t *testing.T) {
				b := guarded(t, city(), change, func(o *broker.Options) { o.ConnectTimeout = 200 * time.Millisecond })
				conn, err := net.Dial("tcp", strings.TrimPrefix(b.MQTTURL(), "tcp://"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, first); err != nil {
					t.Fatal(err)
				}
				if err := conn.SetReadDeadline(time.Now().Add(deadline)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadAll(conn); err != nil && strings.Contains(err.Error(), "timeout") {
					t.Error("still connected")
				}
			})
		}
	}
}
