package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"mmsdispatch/internal/certificate/certificatetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// following reads the files of a pair at each tick it sends.
func following(t *testing.T, pair certificatetest.Pair, log *bytes.Buffer) (c *Certificate, tick func()) {
	t.Helper()
	c, err := Load(pair.CertFile, pair.KeyFile, zerolog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ticks := make(chan time.Time)
	var done sync.WaitGroup
	done.Go(func() { c.follow(ctx, ticks) })
	t.Cleanup(func() { end(); done.Wait() })
	return c, func() {
		ticks <- time.Time{} // begins a reading
		ticks <- time.Time{} // the reading before it has ended
	}
}

func served(t *testing.T, c *Certificate) string {
	t.Helper()
	cert, err := c.Config().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf.SerialNumber.String()
}

func TestChangedFilesAreServed(t *testing.T) {
	t.Parallel()
	pair := certificatetest.New(t)
	c, tick := following(t, pair, &bytes.Buffer{})
	if got, want := served(t, c), pair.Certificate(t).SerialNumber.String(); got != want {
		t.Fatalf("at first: %s, want %s", got, want)
	}
	want := pair.Renew(t).SerialNumber.String()
	tick()
	if got := served(t, c); got != want {
		t.Errorf("after the change: %s, want %s", got, want)
	}
}

// The certificate in use stays while the files do not fit together, and one line
// says so.
func TestUnusableFilesAreNotServed(t *testing.T) {
	t.Parallel()
	pair, other := certificatetest.New(t), certificatetest.New(t)
	var log bytes.Buffer
	c, tick := following(t, pair, &log)
	want := served(t, c)
	foreign, err := os.ReadFile(other.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pair.KeyFile, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	tick()
	if got := served(t, c); got != want {
		t.Errorf("served %s, want %s", got, want)
	}
	if n := strings.Count(log.String(), "not reloaded"); n != 1 || strings.Contains(log.String(), "PRIVATE") {
		t.Errorf("%d lines: %s", n, log.String())
	}
	want = pair.Renew(t).SerialNumber.String()
	tick()
	if got := served(t, c); got != want {
		t.Errorf("after the files fit again: %s, want %s", got, want)
	}
}

func TestConfigIsModern(t *testing.T) {
	t.Parallel()
	c, _ := following(t, certificatetest.New(t), &bytes.Buffer{})
	if config := c.Config(); config.MinVersion != tls.VersionTLS12 || config.NextProtos[0] != "h2" {
		t.Errorf("TLS %x, protocols %v", config.MinVersion, config.NextProtos)
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	t.Parallel()
	pair := certificatetest.New(t)
	if err := os.Remove(pair.KeyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(pair.CertFile, pair.KeyFile, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), pair.KeyFile) {
		t.Errorf("error: %v", err)
	}
}
