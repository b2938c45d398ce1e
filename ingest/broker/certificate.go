package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certCheckEvery is how often handshakes look whether the certificate's files
// have changed.
const certCheckEvery = time.Second

// certificate is a certificate and its key in two files, read again when they
// change. Nothing runs for it: a handshake looks at the files.
type certificate struct {
	certFile, keyFile string
	every             time.Duration
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   stamp // of the files that are in use, or were tried last
	checked time.Time
}

// stamp tells whether files have changed.
type stamp struct{ cert, key fileStamp }

type fileStamp struct {
	modified time.Time
	size     int64
}

// loadCertificate reads the files that --mqtt-tls-cert and --mqtt-tls-key name.
func loadCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	switch {
	case certFile == "":
		return nil, errors.New("serve MQTT over TLS: --mqtt-tls-key is given without --mqtt-tls-cert: give both")
	case keyFile == "":
		return nil, errors.New("serve MQTT over TLS: --mqtt-tls-cert is given without --mqtt-tls-key: give both")
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, every: certCheckEvery, log: log}
	s, err := c.stat()
	if err != nil {
		return nil, err
	}
	loaded, err := c.read()
	if err != nil {
		return nil, err
	}
	c.current, c.stamp, c.checked = loaded, s, time.Now()
	c.warnOfExpiry(loaded)
	return c, nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.get(time.Now()), nil
		},
	}
}

// get is the certificate now. Files that cannot be used, because one of the two
// has not been replaced yet or because they are broken, leave the one before in
// use.
func (c *certificate) get(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.checked) < c.every {
		return c.current
	}
	c.checked = now
	s, err := c.stat()
	if err == nil && s == c.stamp {
		return c.current
	}
	if err != nil {
		// Said once: until it changes again.
		if c.stamp != (stamp{}) {
			c.log.Warn("keeping the MQTT certificate in use", "err", err)
		}
		c.stamp = stamp{}
		return c.current
	}
	c.stamp = s
	loaded, err := c.read()
	if err != nil {
		c.log.Warn("keeping the MQTT certificate in use", "err", err)
		return c.current
	}
	c.current = loaded
	c.log.Info("MQTT certificate replaced", "file", c.certFile, "valid_until", loaded.Leaf.NotAfter)
	c.warnOfExpiry(loaded)
	return c.current
}

func (c *certificate) stat() (stamp, error) {
	cert, err := statFile(c.certFile)
	if err != nil {
		return stamp{}, fmt.Errorf("read certificate of --mqtt-tls-cert: %w", err)
	}
	key, err := statFile(c.keyFile)
	if err != nil {
		return stamp{}, fmt.Errorf("read key of --mqtt-tls-key: %w", err)
	}
	return stamp{cert, key}, nil
}

func statFile(name string) (fileStamp, error) {
	info, err := os.Stat(name)
	if err != nil {
		return fileStamp{}, err
	}
	return fileStamp{info.ModTime(), info.Size()}, nil
}

func (c *certificate) read() (*tls.Certificate, error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return nil, fmt.Errorf("read certificate of --mqtt-tls-cert: %w", err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("read key of --mqtt-tls-key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("use certificate %s of --mqtt-tls-cert with key %s of --mqtt-tls-key: %w", c.certFile, c.keyFile, err)
	}
	return &pair, nil
}

func (c *certificate) warnOfExpiry(cert *tls.Certificate) {
	if cert.Leaf != nil && time.Now().After(cert.Leaf.NotAfter) {
		c.log.Warn("the MQTT certificate has expired: clients will refuse it until --mqtt-tls-cert is replaced",
			"file", c.certFile, "expired", cert.Leaf.NotAfter)
	}
}
