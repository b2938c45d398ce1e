package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haidang-iot/haidang/ingest/certificate"
)

// issue makes a certificate of its own and the key, in PEM.
func issue(t *testing.T, serial int64, expires time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: expires.Add(-90 * 24 * time.Hour), NotAfter: expires,
		DNSNames: []string{"*.haidang.example", "haidang.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// pair is a folder with the two files.
func pair(t *testing.T, serial int64, expires time.Time) certificate.Files {
	t.Helper()
	dir := t.TempDir()
	f := certificate.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CertFlag: "--tls-cert", KeyFlag: "--tls-key"}
	cert, key := issue(t, serial, expires)
	write(t, f.Cert, cert)
	write(t, f.Key, key)
	return f
}

// write replaces a file as one that renews certificates does.
func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// shown is the serial number of the certificate that a handshake would show.
func shown(t *testing.T, c *certificate.Certificate) int64 {
	t.Helper()
	got, err := c.TLS().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Leaf.SerialNumber.Int64()
}

func TestErrorsNameFlagFileAndRemedy(t *testing.T) {
	later := time.Now().Add(90 * 24 * time.Hour)
	one, two, old := pair(t, 1, later), pair(t, 2, later), pair(t, 3, time.Now().Add(-time.Minute))
	missing := filepath.Join(t.TempDir(), "missing.pem")
	broken := filepath.Join(t.TempDir(), "broken.pem")
	write(t, broken, []byte("broken"))
	for _, c := range []struct {
		name, cert, key string
		want            []string
	}{
		{"no key", one.Cert, "", []string{"--tls-cert " + one.Cert, "--tls-key", "give both"}},
		{"no certificate", "", one.Key, []string{"--tls-key " + one.Key, "--tls-cert", "give both"}},
		{"missing certificate", missing, one.Key, []string{"--tls-cert " + missing, "no such file", "give the path"}},
		{"missing key", one.Cert, missing, []string{"--tls-key " + missing, "no such file", "give the path"}},
		{"a folder", t.TempDir(), one.Key, []string{"--tls-cert", "is a directory"}},
		{"broken certificate", broken, one.Key, []string{"--tls-cert " + broken, "in PEM"}},
		{"broken key", one.Cert, broken, []string{"--tls-key " + broken, "in PEM"}},
		{"not a pair", one.Cert, two.Key, []string{one.Cert, two.Key, "cannot be used together"}},
		{"expired", old.Cert, old.Key, []string{"--tls-cert " + old.Cert, "expired on", "renew it"}},
	} {
		_, err := certificate.Load(certificate.Files{Cert: c.cert, Key: c.key, CertFlag: "--tls-cert", KeyFlag: "--tls-key"}, nil, nil)
		if err == nil {
			t.Fatalf("%s: loaded", c.name)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %q", c.name, err, want)
			}
		}
	}
}

func TestWhatItIsFor(t *testing.T) {
	c, err := certificate.Load(pair(t, 1, time.Now().Add(time.Hour)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"haidang.example": true, "a.haidang.example": true, "127.0.0.1": true, "evil.example": false, "192.0.2.1": false} {
		if c.For(host) != want {
			t.Errorf("for %s: %v", host, !want)
		}
	}
	if c.Name() != "haidang.example" || time.Until(c.Expires()) > time.Hour {
		t.Errorf("name %q, until %v", c.Name(), c.Expires())
	}
}

// A good new pair is taken, a bad one told once and not taken.
func TestReplaced(t *testing.T) {
	now := time.Now()
	later := now.Add(90 * 24 * time.Hour)
	var log bytes.Buffer
	f := pair(t, 1, later)
	c, err := certificate.Load(f, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	step := func(what string, want int64, says string) {
		t.Helper()
		for range 3 { // told once, however many come
			now = now.Add(time.Second)
			if got := shown(t, c); got != want {
				t.Errorf("%s: certificate %d is shown, want %d", what, got, want)
			}
		}
		if n := strings.Count(log.String(), "\n"); (says == "") != (n == 0) || n > 1 || !strings.Contains(log.String(), says) {
			t.Errorf("%s: logged %d lines, want one with %q:\n%s", what, n, says, &log)
		}
		log.Reset()
	}
	step("unchanged", 1, "")
	cert, key := issue(t, 2, later)
	write(t, f.Cert, cert)
	step("half a new pair", 1, "cannot be used together")
	write(t, f.Key, key)
	step("the other half", 2, "replaced")
	write(t, f.Cert, []byte("broken"))
	step("broken", 2, "keeping")
	if err := os.Remove(f.Cert); err != nil {
		t.Fatal(err)
	}
	step("gone", 2, "no such file")
	cert, key = issue(t, 3, now.Add(-time.Hour))
	write(t, f.Key, key)
	write(t, f.Cert, cert)
	step("expired", 2, "expired on")
	cert, key = issue(t, 4, later)
	write(t, f.Key, key)
	write(t, f.Cert, cert)
	step("good again", 4, "replaced")
}
