// Package certificate keeps the certificate of a TLS listener current: the
// files are read again while the process runs, so that renewing them needs no
// restart.
package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// interval is the time between two readings of the files.
const interval = 10 * time.Second

// Certificate is a certificate chain and its private key, read from two PEM
// files.
type Certificate struct {
	certFile, keyFile string
	log               zerolog.Logger

	current atomic.Pointer[tls.Certificate]
	seen    [2][]byte // content of both files at the last reading
}

// Load reads both files. The error names the file, and holds nothing of its
// content.
func Load(certFile, keyFile string, log zerolog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Config is for a server: TLS 1.2 or newer with the cipher suites that package
// tls prefers, and HTTP/2 where the client offers it.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}

// Follow reads the files again every 10 s until ctx ends.
func (c *Certificate) Follow(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	c.follow(ctx, ticker.C)
}

func (c *Certificate) follow(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		changed, err := c.reload()
		switch {
		case err != nil:
			c.log.Error().Err(err).Msg("certificate not reloaded; the previous one is served")
		case changed:
			c.log.Info().Time("expires", c.current.Load().Leaf.NotAfter).Msg("certificate reloaded")
		}
	}
}

// reload compares contents, since a file that is replaced by a link may keep an
// older time of change. A pair that does not fit is tried again once a file
// changes: the two are written one after the other.
func (c *Certificate) reload() (changed bool, err error) {
	cert, err := os.ReadFile(c.certFile)
	if err != nil {
		return false, fmt.Errorf("read certificate: %w", err)
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return false, fmt.Errorf("read private key: %w", err)
	}
	if bytes.Equal(cert, c.seen[0]) && bytes.Equal(key, c.seen[1]) {
		return false, nil
	}
	c.seen = [2][]byte{cert, key}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("use %s with %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&pair)
	return true, nil
}
