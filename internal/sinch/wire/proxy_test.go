package wire_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"

	"mmsdispatch/internal/sinch/wire"
)

// A proxy that opens no tunnel to Sinch got no byte of the call.
func TestProxyThatRefuses(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"credentials": "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
		"bad gateway": "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
		"nothing":     "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := listen(t, func(p *peer, c net.Conn) {
				if req, err := p.readRequest(bufio.NewReader(c)); err == nil && req.Method == http.MethodConnect {
					_, _ = io.WriteString(c, answer)
				}
			})
			way := &url.URL{Scheme: "http", Host: proxy.addr}
			c := client(t, wire.Options{Proxy: func(*http.Request) (*url.URL, error) { return way, nil }})
			if _, err := c.Do(t.Context(), call("https://sinch.invalid/", "x")); verdict(err) != "not sent" {
				t.Errorf("%s (%v), want not sent", verdict(err), err)
			}
			if got := proxy.requests(); got != 1 {
				t.Errorf("the proxy got %d requests, want once", got)
			}
		})
	}
}
