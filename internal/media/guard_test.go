package media

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// TestGuardRefuses: for every form of the host, no request reaches a private address.
func TestGuardRefuses(t *testing.T) {
	t.Parallel()
	server := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was reached") })
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	resolver := startResolver(t, func(string, dnsmessage.Type) string { return "127.0.0.1" })
	f := NewFetcher(Options{MaxBytes: 1 << 20, Timeout: time.Minute, Resolver: resolver})
	t.Cleanup(f.Close)
	for _, host := range []string{
		"127.0.0.1", "127.0.0.2", "localhost", "localhost.", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]",
		"inside.example.com", "127.1", "0x7f000001", "2130706433", "0177.0.0.1",
	} {
		_, code := f.mustCheck(t, "http://"+host+":"+port+"/?"+private)
		if code != CodePrivate && code != CodeUnreachable { // IPv6 may be off
			t.Errorf("%s: %q", host, code)
		}
	}
}

// TestGuardRefusesRedirects: a public host must not lead to a private one.
// 127.0.0.2 stands for the public Internet.
func TestGuardRefusesRedirects(t *testing.T) {
	t.Parallel()
	inside := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was reached") })
	outside := serveOn(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside.URL+"/latest/meta-data?"+private, http.StatusFound)
	})
	if _, code := outsideOnly(t, Options{}).mustCheck(t, outside+"/a.jpg"); code != CodePrivate {
		t.Errorf("got %q", code)
	}
}

// TestGuardRefusesRebinding: a name that resolves to a public address first and to a
// private one the next time. The host ends each connection, so that the redirect
// needs its own.
func TestGuardRefusesRebinding(t *testing.T) {
	t.Parallel()
	port := serveOnBoth(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		http.Redirect(w, r, "/again", http.StatusFound)
	}, func(http.ResponseWriter, *http.Request) { t.Error("it was reached") })
	var requested atomic.Int64
	f := outsideOnly(t, Options{Resolver: startResolver(t, func(_ string, kind dnsmessage.Type) string {
		if kind != dnsmessage.TypeA || requested.Add(1) == 1 {
			return "127.0.0.2"
		}
		return "127.0.0.1"
	})})
	if _, code := f.mustCheck(t, "http://rebind.example.com:"+port+"/?"+private); code != CodePrivate {
		t.Errorf("got %q", code)
	}
	if n := requested.Load(); n != 2 {
		t.Errorf("%d lookups, so no rebinding took place", n)
	}
}

// TestNamesOfAPrivateNetworkStayPrivate: a name of a private network has the same error
// as a name that does not exist.
func TestNamesOfAPrivateNetworkStayPrivate(t *testing.T) {
	t.Parallel()
	f := outsideOnly(t, Options{Resolver: startResolver(t, func(name string, _ dnsmessage.Type) string {
		return map[string]string{
			"trouble.example.com.": "SERVFAIL", "database.example.com.": "10.0.0.7", "metadata.example.com.": "169.254.169.254",
		}[name]
	})})
	for host, want := range map[string]Code{
		"nowhere.example.com": CodePrivate, "database.example.com": CodePrivate, "database.example.com:6379": CodePrivate,
		"metadata.example.com": CodePrivate, "localhost": CodePrivate, "10.0.0.7": CodePrivate,
		"trouble.example.com": CodeUnreachable,
	} {
		if _, code := f.mustCheck(t, "http://"+host+"/?"+private); code != want {
			t.Errorf("%s: %q, want %q", host, code, want)
		}
	}
}

func TestPrivateIsAllowedByOption(t *testing.T) {
	t.Parallel()
	server := serve(t, serveFile("image/jpeg", file(jpegBytes, 100)))
	f := NewFetcher(Options{MaxBytes: 1 << 20, Timeout: time.Minute, AllowPrivate: true})
	t.Cleanup(f.Close)
	if _, code := f.mustCheck(t, server.URL); code != "" {
		t.Error(code)
	}
}

// outsideOnly is a fetcher for which only 127.0.0.2 is public.
func outsideOnly(tb testing.TB, o Options) *Fetcher {
	tb.Helper()
	o.MaxBytes, o.Timeout = 1<<20, time.Minute
	f := newFetcher(o, func(addr netip.Addr) bool { return addr == netip.MustParseAddr("127.0.0.2") })
	tb.Cleanup(f.Close)
	return f
}

// serveOn starts a host on an address; empty: the address is in use.
func serveOn(tb testing.TB, address string, handler http.HandlerFunc) string {
	tb.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return ""
	}
	server := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	tb.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return "http://" + listener.Addr().String()
}

// serveOnBoth serves on one port of the public and of the private address that is free
// on both.
func serveOnBoth(tb testing.TB, outside, inside http.HandlerFunc) (port string) {
	tb.Helper()
	const tries = 20
	for range tries {
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(serveOn(tb, "127.0.0.2:0", outside), "http://"))
		if serveOn(tb, "127.0.0.1:"+port, inside) != "" {
			return port
		}
	}
	tb.Fatal("no port is free on both addresses")
	return ""
}

// startResolver runs a DNS server and returns a resolver that uses it.
func startResolver(tb testing.TB, lookUp lookUp) *net.Resolver {
	tb.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(packet)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if reply := dnsReply(packet[:n], lookUp); err == nil && reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	tb.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return resolverAt(conn.LocalAddr().String())
}
