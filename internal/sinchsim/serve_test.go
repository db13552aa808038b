package sinchsim_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestServeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	main, control := listen(t), listen(t)
	s := simtest.New(sinchsim.Options{ControlAddr: "elsewhere"})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- s.Serve(ctx, main, control) }()

	mainURL, controlURL := "http://"+main.Addr().String(), "http://"+control.Addr().String()
	status := func(url string) int {
		got, err := simtest.Call(t.Context(), http.MethodGet, url, http.Header{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Status
	}
	if got := status(mainURL + "/sim/stats"); got != http.StatusNotFound {
		t.Errorf("control on the main listener: %d", got)
	}
	if got := status(controlURL + "/sim/stats"); got != http.StatusOK {
		t.Errorf("control: %d", got)
	}
	// A hanging call does not delay the end.
	s.SetDefault(simtest.Behavior(t, "hang"))
	hung := make(chan error, 1)
	go func() {
		_, err := simtest.Call(context.WithoutCancel(t.Context()), http.MethodPost, mainURL+simtest.MMSPath, simtest.MMSHeader(), simtest.JSON(t, simtest.MMS()))
		hung <- err
	}()
	simtest.Eventually(t, "the call is accepted", func() bool { return s.Stats().Accepted == 1 })
	cancel()
	if err := <-over; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := <-hung; err == nil {
		t.Error("the call was answered")
	}
	if _, err := simtest.Call(t.Context(), http.MethodGet, mainURL+"/", http.Header{}, nil); err == nil {
		t.Error("still listening")
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	inUse := listen(t)
	defer func() { _ = inUse.Close() }()
	for _, o := range []sinchsim.Options{
		{Addr: inUse.Addr().String()},
		{Addr: "127.0.0.1:0", ControlAddr: inUse.Addr().String()},
	} {
		if err := simtest.New(o).Run(t.Context()); err == nil {
			t.Error("ran on an address in use")
		}
	}
	stopped := simtest.New(sinchsim.Options{Addr: "127.0.0.1:0"})
	if err := stopped.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := stopped.Run(t.Context()); err == nil {
		t.Error("ran after it was stopped")
	}
}

func TestRunUntilCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var log lines
	s := simtest.New(sinchsim.Options{Addr: "127.0.0.1:0", ControlAddr: "127.0.0.1:0", Logger: zerolog.New(&log)})
	over := make(chan error, 1)
	go func() { over <- s.Run(ctx) }()
	simtest.Eventually(t, "it listens", func() bool { return strings.Count(log.String(), "simulator listens") == 2 })
	cancel()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Logs contain no number, reference, text, URL or key, also of failures.
func TestLogHasNoPersonalData(t *testing.T) {
	t.Parallel()
	var log lines
	o := sinchsim.Options{Logger: zerolog.New(&log)}
	o.MMS.CallbackURL, o.MMS.Retries = "http://127.0.0.1:1/dlr?token=hush", 1
	rec := simtest.NewReceiver(t, http.StatusNotFound, http.StatusNotFound)
	o.Batches.CallbackURL = rec.URL + "/hook"
	s := simtest.StartQuick(t, o)
	s.SendMMS(t, simtest.MMS())
	s.SendMMS(t, simtest.MMS().With("to", "12065559001"))
	s.SendBatch(t, simtest.Batch())
	s.AwaitReceipts(t)
	text := log.String()
	for _, want := range []string{"simulated call", "receipt dropped after the last retry", "receipt refused permanently"} {
		if !strings.Contains(text, want) {
			t.Errorf("log lacks %q:\n%s", want, text)
		}
	}
	for _, secret := range []string{"2065551212", "2065559001", "28444", "msg_a", "Hello", "media.example.com", "hush", simtest.APIKey, simtest.Token, "/hook"} {
		if strings.Contains(text, secret) {
			t.Errorf("log contains %q:\n%s", secret, text)
		}
	}
}
