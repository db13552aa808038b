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
		got, err := call(t.Context(), http.MethodGet, url, http.Header{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.status
	}
	if got := status(mainURL + "/sim/stats"); got != http.StatusNotFound {
		t.Errorf("control on the main listener: %d", got)
	}
	if got := status(controlURL + "/sim/stats"); got != http.StatusOK {
		t.Errorf("control: %d", got)
	}
	// A call that hangs does not hold up the end.
	s.SetDefault(behavior(t, "hang"))
	hung := make(chan error, 1)
	go func() {
		_, err := call(context.WithoutCancel(t.Context()), http.MethodPost, mainURL+"/ep/v2/", mmsHeader(), asJSON(t, anMMS()))
		hung <- err
	}()
	eventually(t, "the call is accepted", func() bool { return s.Stats().Accepted == 1 })
	cancel()
	if err := <-over; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := <-hung; err == nil {
		t.Error("the call was answered")
	}
	if _, err := call(t.Context(), http.MethodGet, mainURL+"/", http.Header{}, nil); err == nil {
		t.Error("still listening")
	}
}

func TestRunSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	taken := listen(t)
	defer func() { _ = taken.Close() }()
	for _, o := range []sinchsim.Options{
		{Addr: taken.Addr().String()},
		{Addr: "127.0.0.1:0", ControlAddr: taken.Addr().String()},
	} {
		if err := simtest.New(o).Run(t.Context()); err == nil {
			t.Error("ran on an address that is taken")
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
	eventually(t, "it listens", func() bool { return strings.Count(log.String(), "simulator listens") == 2 })
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

// Logs name no number, reference, text, URL or key, whatever goes wrong.
func TestLogIsSilentAboutPeople(t *testing.T) {
	t.Parallel()
	var log lines
	o := sinchsim.Options{Logger: zerolog.New(&log)}
	o.MMS.CallbackURL, o.MMS.Retries = "http://127.0.0.1:1/dlr?token=hush", 1
	rec := newReceiver(t, http.StatusNotFound, http.StatusNotFound)
	o.Batches.CallbackURL = rec.url + "/hook"
	s := newServer(t, o)
	sendMMS(t, s, anMMS())
	sendMMS(t, s, anMMS().with("to", "12065559001"))
	sendBatch(t, s, aBatch())
	settled(t, s)
	text := log.String()
	for _, want := range []string{"simulated call", "receipt given up", "receipt refused for good"} {
		if !strings.Contains(text, want) {
			t.Errorf("log lacks %q:\n%s", want, text)
		}
	}
	for _, secret := range []string{"2065551212", "2065559001", "28444", "msg_a", "Hello", "media.example.com", "hush", apiKey, token, "/hook"} {
		if strings.Contains(text, secret) {
			t.Errorf("log holds %q:\n%s", secret, text)
		}
	}
}
