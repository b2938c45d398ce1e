package city

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
	"github.com/haidang-iot/haidang/ingest/certificate"
)

// listenFlags say where people reach the city and what protects the way there.
type listenFlags struct {
	HTTP               string   `name:"http" default:"127.0.0.1:8080" help:"Address of the HTTP listener. Beyond the loopback it needs a certificate, or a proxy that has one, and people log in." placeholder:"127.0.0.1:8080"`
	HTTPMaxConnections int      `name:"http-max-connections" default:"4096" help:"How many connections the HTTP listener has at most; the last 64 are for this machine alone. Idle ones make room for new ones." placeholder:"4096"`
	HTTPMaxPerAddress  int      `name:"http-max-per-address" default:"256" help:"How many of them an address (of IPv6 a /64) may have; a --proxy has no bound of its own. Raise it where many people share one address." placeholder:"256"`
	PublicURL          string   `name:"public-url" env:"HAIDANG_PUBLIC_URL" help:"Where browsers and phones reach the console, for the links in QR codes and invitations and for logging in through an issuer." placeholder:"https://HOST"`
	TLSCert            string   `name:"tls-cert" env:"HAIDANG_TLS_CERT" help:"Certificate chain (PEM) of the HTTP and MQTT listeners. A replaced file is used without a restart." placeholder:"FILE"`
	TLSKey             string   `name:"tls-key" env:"HAIDANG_TLS_KEY" help:"Its key (PEM)." placeholder:"FILE"`
	Proxy              []string `help:"Address or network of a reverse proxy that has the certificate; its X-Forwarded-For and X-Forwarded-Proto are believed. Needs --public-url." placeholder:"CIDR"`
	MapStyle           string   `help:"Base map of the console: a style in MapLibre's format. Without it a plain ground is drawn, which needs no other server." placeholder:"URL"`
	MapOrigin          []string `help:"Further servers that the map style names, of tiles, glyphs and sprites." placeholder:"https://HOST"`
}

// check finds what is wrong in the flags themselves.
func (f listenFlags) check() error {
	if err := errors.Join(f.checkPublicURL(), f.checkConnections()); err != nil {
		return err
	}
	proxies, err := f.proxies()
	switch {
	case err != nil:
		return err
	case len(proxies) > 0 && f.PublicURL == "":
		return fmt.Errorf("--proxy %s is given without --public-url: give the address under which the proxy is reached, such as https://haidang.example.vn", f.Proxy[0])
	case f.published() && len(proxies) == 0 && f.TLSCert == "":
		return fmt.Errorf("--public-url is %q, but nothing encrypts: give a certificate with --tls-cert and --tls-key, or name the proxy that has it with --proxy, such as --proxy 127.0.0.1", f.PublicURL)
	}
	_, err = f.mapOrigins()
	return err
}

func (f listenFlags) checkPublicURL() error {
	if f.PublicURL == "" {
		return nil
	}
	u, err := url.Parse(f.PublicURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("--public-url is %q: give scheme and host, such as https://haidang.example.vn", f.PublicURL)
	case strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("--public-url is %q, with a path: the console is at the top of its host, such as https://haidang.example.vn", f.PublicURL)
	case u.Scheme == "http" && !terminal.ThisMachine(u.Hostname()):
		return fmt.Errorf("--public-url is %q, which is not encrypted, and nobody could log in there: give an address that begins with https://", f.PublicURL)
	}
	return nil
}

// public is the URL of --public-url, nil where it is not given; it has been
// checked.
func (f listenFlags) public() *url.URL {
	u, err := url.Parse(f.PublicURL)
	if err != nil || u.Host == "" {
		return nil
	}
	return u
}

// published reports whether people elsewhere reach HTTP even at an address of
// the loopback.
func (f listenFlags) published() bool {
	u := f.public()
	return len(f.Proxy) > 0 || u != nil && !terminal.ThisMachine(u.Hostname())
}

// proxies are the networks of --proxy.
func (f listenFlags) proxies() (out []netip.Prefix, err error) {
	for _, text := range f.Proxy {
		p, err := netip.ParsePrefix(text)
		if a, addrErr := netip.ParseAddr(text); addrErr == nil {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--proxy is %q: give an address such as 127.0.0.1, or a network such as 10.0.3.0/24", text)
		}
		if p.Bits() == 0 {
			return nil, fmt.Errorf("--proxy is %q, which is everybody: anyone could then say where they come from; give the proxy's own address or network", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// mapOrigins are the servers that the console's map may load from.
func (f listenFlags) mapOrigins() (out []string, err error) {
	given := f.MapOrigin
	if f.MapStyle != "" {
		u, err := url.Parse(f.MapStyle)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
			return nil, fmt.Errorf("--map-style is %q: give the address of a style, such as https://tiles.example.vn/style.json", f.MapStyle)
		}
		given = append([]string{u.Scheme + "://" + u.Host}, given...)
	}
	for _, text := range given {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || strings.Trim(u.Path, "/") != "" || strings.ContainsAny(text, " ;,'\"") {
			return nil, fmt.Errorf("--map-origin is %q: give scheme and host alone, such as https://tiles.example.vn", text)
		}
		out = append(out, u.Scheme+"://"+u.Host)
	}
	return out, nil
}

// exposure is that of HTTP.
func (f listenFlags) exposure() access.Exposure {
	return access.Exposure{HTTP: f.HTTP, Encrypted: f.TLSCert != "", Published: f.published()}
}

// certificate loads the pair of --tls-cert and --tls-key; nil where neither is
// given.
func (f listenFlags) certificate(log *slog.Logger) (*certificate.Certificate, error) {
	if f.TLSCert == "" && f.TLSKey == "" {
		return nil, nil
	}
	return certificate.Load(certificate.Files{Cert: f.TLSCert, Key: f.TLSKey, CertFlag: "--tls-cert", KeyFlag: "--tls-key"}, log, nil)
}

// open takes the HTTP address. The flags have been checked.
func (f listenFlags) open(log *slog.Logger) (*server, error) {
	cert, err := f.certificate(log)
	if err != nil {
		return nil, err
	}
	s, err := listen(f.HTTP)
	if err != nil {
		return nil, err
	}
	proxies, err := f.proxies()
	if err != nil {
		return nil, err
	}
	tiles, err := f.mapOrigins()
	if err != nil {
		return nil, err
	}
	s.cert, s.log, s.mapStyle, s.headers.Tiles, s.public = cert, log, f.MapStyle, tiles, f.public()
	s.listener.most, s.listener.perAddress = f.HTTPMaxConnections, f.HTTPMaxPerAddress
	s.listener.proxies, s.listener.told.log = proxies, log
	s.beyond = !access.Loopback(f.HTTP)
	if s.beyond && cert == nil {
		s.only = proxies
	}
	// A browser that is told keeps it for every port of the host, on which other
	// programs may not encrypt: only a host that is ours on the usual port is told.
	s.headers.Encrypted = s.public != nil && s.public.Scheme == "https" && s.public.Port() == ""
	return s, nil
}

// admit settles whose readings are stored: open on the loopback, and beyond it
// only registered.
func (f *registryFlags) admit(e access.Exposure) error {
	switch {
	case f.Admission == "open" && e.Beyond():
		return errors.New("--admission is open, and a listener is reached from beyond this machine, where devices are not trusted: " +
			"give --admission registered, or addresses of the loopback and no --public-url")
	case f.Admission == "" && e.Beyond():
		f.Admission = "registered"
	case f.Admission == "":
		f.Admission = "open"
	}
	return nil
}

// mqttFlags are those of the MQTT listener.
type mqttFlags struct {
	MQTT        string `name:"mqtt" default:"127.0.0.1:1883" help:"Address where MQTT devices come: 3.1, 3.1.1 and 5; WebSocket clients at /mqtt of --http. Beyond the loopback devices must show their credentials, and it needs a certificate." placeholder:"127.0.0.1:1883"`
	MQTTTLSCert string `name:"mqtt-tls-cert" help:"Certificate chain (PEM) of the MQTT listener. Default: that of --tls-cert, where there is one. A replaced file is used without a restart." placeholder:"FILE"`
	MQTTTLSKey  string `name:"mqtt-tls-key" help:"Its key (PEM)." placeholder:"FILE"`
	MQTTPlain   bool   `name:"mqtt-plain" help:"Let devices beyond this machine come unencrypted too. Their secrets and readings then cross the network for all to read: only for a network that is yours alone, such as an operator's private APN."`
	doorFlags
}

// check finds what is wrong in the flags themselves; asked says that devices are asked
// who they are, as flag has it done.
func (f mqttFlags) check(asked bool, flag string) error {
	if f.MQTTPlain && !asked {
		return fmt.Errorf("--mqtt-plain is given without %s: beyond this machine devices must show who they are, encrypted or not; add it, or leave --mqtt-plain out", flag)
	}
	return f.doorFlags.check()
}

// expose adds what the flags say of MQTT to the exposure.
func (f mqttFlags) expose(e *access.Exposure, asked bool) {
	e.MQTT, e.Authenticated, e.MQTTPlain = f.MQTT, asked, f.MQTTPlain
	e.MQTTEncrypted = e.Encrypted || f.MQTTTLSCert != ""
}

// certificate is the door's: its own, else that of HTTP.
func (f mqttFlags) certificate(http *certificate.Certificate, log *slog.Logger) (*certificate.Certificate, error) {
	if f.MQTTTLSCert == "" && f.MQTTTLSKey == "" {
		return http, nil
	}
	return certificate.Load(certificate.Files{Cert: f.MQTTTLSCert, Key: f.MQTTTLSKey, CertFlag: "--mqtt-tls-cert", KeyFlag: "--mqtt-tls-key"}, log, nil)
}

// watchCertificate makes the end of a listener's certificate a metric.
func watchCertificate(reg prometheus.Registerer, listener string, c *certificate.Certificate) {
	if c == nil {
		return
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "haidang_tls_certificate_expiry_timestamp_seconds", Help: "When the certificate that a listener shows expires, in Unix seconds.",
		ConstLabels: prometheus.Labels{"listener": listener},
	}, func() float64 { return float64(c.Expires().Unix()) }))
}

// shownAddress is a listener's address as others reach it: where it listens on
// all addresses, by the certificate's name, or else one of this machine's.
func shownAddress(address string, cert *certificate.Certificate) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if a, err := netip.ParseAddr(host); host != "" && (err != nil || !a.IsUnspecified()) {
		return address
	}
	host = ""
	if cert != nil {
		host = cert.Name()
	}
	if host == "" {
		host = anAddress()
	}
	return net.JoinHostPort(host, port)
}

// anAddress is an address of this machine beyond the loopback, where it has one.
func anAddress() string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}
