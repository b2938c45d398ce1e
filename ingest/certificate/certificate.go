// Package certificate is a TLS certificate and its key in two files, as HTTP and
// MQTT listeners show it.
//
// # Guarantee
//
// Files that change are used within a second, without a restart and without a
// connection ended. A new pair that cannot be used, because only one of its
// files has been replaced yet, it is broken, or it has expired, is told in the
// log once and the one before stays in use. Nothing runs for this: a handshake
// looks at the files.
package certificate

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	// checkEvery is how often handshakes look whether the files have changed.
	checkEvery = time.Second
	// soon is how long before its end a certificate is warned of.
	soon = 14 * 24 * time.Hour
)

// Files are where a certificate chain and its key are, in PEM.
type Files struct {
	Cert, Key string
	// CertFlag and KeyFlag are the flags that name them, for errors and the log.
	CertFlag, KeyFlag string
}

// Certificate is a certificate in use. Its methods may be called by many
// goroutines.
type Certificate struct {
	files Files
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	seen    content // in use, or tried last
	checked time.Time
}

// content is what is in the two files.
type content struct{ cert, key string }

// Load reads the files. A certificate that clients would refuse, because it has
// expired, is an error. A nil log is silent, a nil now the clock.
func Load(f Files, log *slog.Logger, now func() time.Time) (*Certificate, error) {
	switch {
	case f.Cert == "":
		return nil, fmt.Errorf("%s %s is given without %s: give both, the certificate and its key", f.KeyFlag, f.Key, f.CertFlag)
	case f.Key == "":
		return nil, fmt.Errorf("%s %s is given without %s: give both, the certificate and its key", f.CertFlag, f.Cert, f.KeyFlag)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	c := &Certificate{files: f, now: now, log: log}
	var err error
	if c.seen, err = c.read(); err != nil {
		return nil, err
	}
	if c.current, err = c.parse(c.seen); err != nil {
		return nil, err
	}
	c.checked = c.now()
	c.warn(c.current)
	return c, nil
}

// TLS is the configuration of a listener: TLS 1.2 and later.
func (c *Certificate) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// Expires is until when the certificate in use is valid.
func (c *Certificate) Expires() time.Time { return c.get().Leaf.NotAfter }

// For reports whether the certificate is one of a host name or address.
func (c *Certificate) For(host string) bool { return c.get().Leaf.VerifyHostname(host) == nil }

// Name is the first host name in the certificate that is no pattern; "" if there
// is none.
func (c *Certificate) Name() string {
	for _, n := range c.get().Leaf.DNSNames {
		if !strings.Contains(n, "*") {
			return n
		}
	}
	return ""
}

// get is the certificate now.
func (c *Certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if since := now.Sub(c.checked); since >= 0 && since < checkEvery {
		return c.current
	}
	c.checked = now
	files, err := c.read()
	if err == nil && files == c.seen {
		return c.current
	}
	if err != nil {
		// Said once: until it changes again.
		if c.seen != (content{}) {
			c.log.Warn("keeping the TLS certificate in use", "error", err)
		}
		c.seen = content{}
		return c.current
	}
	c.seen = files
	loaded, err := c.parse(files)
	if err != nil {
		c.log.Warn("keeping the TLS certificate in use", "error", err)
		return c.current
	}
	c.current = loaded
	c.log.Info("TLS certificate replaced", "file", c.files.Cert, "valid_until", loaded.Leaf.NotAfter)
	c.warn(loaded)
	return c.current
}

// unreadable says which file of which flag, once.
func (c *Certificate) unreadable(flag, file string, err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%s %s cannot be read: %w: give the path of a PEM file that this user may read", flag, file, err)
}

// read reads both files. They are small, and their times tell less than what is in
// them: two writes within a tick of the file system's clock look like one.
func (c *Certificate) read() (content, error) {
	cert, err := os.ReadFile(c.files.Cert)
	if err != nil {
		return content{}, c.unreadable(c.files.CertFlag, c.files.Cert, err)
	}
	key, err := os.ReadFile(c.files.Key)
	if err != nil {
		return content{}, c.unreadable(c.files.KeyFlag, c.files.Key, err)
	}
	return content{string(cert), string(key)}, nil
}

func (c *Certificate) parse(f content) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair([]byte(f.cert), []byte(f.key))
	if err != nil {
		return nil, fmt.Errorf("%s %s and %s %s cannot be used together: %w: give a certificate chain in PEM, the server's first, and the key it was made for",
			c.files.CertFlag, c.files.Cert, c.files.KeyFlag, c.files.Key, err)
	}
	if end := pair.Leaf.NotAfter; c.now().After(end) {
		return nil, fmt.Errorf("%s %s expired on %s, and clients would refuse it: renew it, or set this machine's clock",
			c.files.CertFlag, c.files.Cert, end.UTC().Format("2006-01-02 15:04 MST"))
	}
	return &pair, nil
}

// warn tells of what is about to go wrong.
func (c *Certificate) warn(cert *tls.Certificate) {
	now := c.now()
	if cert.Leaf.NotAfter.Sub(now) < soon {
		c.log.Warn("the TLS certificate expires soon: renew it and replace the files, no restart is needed", "flag", c.files.CertFlag, "file", c.files.Cert, "expires", cert.Leaf.NotAfter)
	}
	if now.Before(cert.Leaf.NotBefore) {
		c.log.Warn("the TLS certificate is not valid yet: is this machine's clock right?", "flag", c.files.CertFlag, "file", c.files.Cert, "valid_from", cert.Leaf.NotBefore)
	}
}
