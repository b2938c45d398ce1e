package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority is a certificate authority and the server's pair that it issued, in
// files.
type authority struct {
	t         *testing.T
	ca        *x509.Certificate
	key       *ecdsa.PrivateKey
	file      string // the authority's certificate
	cert, pem string // the server's certificate and key
	pool      *x509.CertPool
	hosts     []net.IP
}

func newAuthority(t *testing.T, hosts ...net.IP) *authority {
	t.Helper()
	dir := t.TempDir()
	a := &authority{t: t, file: filepath.Join(dir, "ca.pem"), cert: filepath.Join(dir, "cert.pem"), pem: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool(), hosts: hosts}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1000), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.ca)
	a.replace(a.file, "CERTIFICATE", der)
	return a
}

// issue puts another pair into the files, as one that renews certificates does.
func (a *authority) issue(serial int64, until time.Time) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until, DNSNames: []string{"haidang.test"},
		IPAddresses: a.hosts, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.ca, private.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	a.replace(a.cert, "CERTIFICATE", der)
	a.replace(a.pem, "PRIVATE KEY", key)
}

func (a *authority) replace(file, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(file+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		a.t.Fatal(err)
	}
}

// client is how a device or browser that trusts the authority speaks TLS.
func (a *authority) client() *tls.Config { return &tls.Config{RootCAs: a.pool} }

// serial is that of the certificate that an address shows now.
func (a *authority) serial(address string) int64 {
	a.t.Helper()
	conn, err := tls.Dial("tcp", address, a.client())
	if err != nil {
		a.t.Fatalf("%s: %v", address, err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// outside is an address of this machine by which it looks like another one. One
// that has none tests with its loopback what does not need that.
func outside(t *testing.T) (ip net.IP, beyond bool) {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && n.IP.IsGlobalUnicast() {
			return n.IP, true
		}
	}
	t.Log("this machine has no address beyond the loopback: what is refused only there is not tested")
	return net.IPv4(127, 0, 0, 1), false
}

// person is somebody's browser, or a program with a token.
type person struct {
	t      *testing.T
	base   string
	client *http.Client
	header http.Header
}

func newPerson(t *testing.T, base string, trust *tls.Config) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &person{t, base, &http.Client{Jar: jar, Transport: tr, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, http.Header{}}
}

// ask asks, and wants one of the statuses; the answer is decoded into out.
func (p *person) ask(method, path string, in, out any, want int) *http.Response {
	p.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			p.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header = p.header.Clone()
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if host := p.header.Get("Host"); host != "" {
		r.Host = host
	}
	res, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if res.StatusCode != want {
		p.t.Errorf("%s %s is answered with %d, want %d: %.300s", method, path, res.StatusCode, want, text)
	}
	if out != nil && res.StatusCode == want {
		if err := json.Unmarshal(text, out); err != nil {
			p.t.Fatalf("%s %s: %v: %.300s", method, path, err, text)
		}
	}
	return res
}
