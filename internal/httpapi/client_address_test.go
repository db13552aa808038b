package httpapi_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"mmsdispatch/internal/httpapi"
)

// The peer of every test is 127.0.0.1.
func TestForwardedForIsBelievedOfTrustedProxies(t *testing.T) {
	t.Parallel()
	const local, proxy = "127.0.0.0/8", "10.0.0.0/8"
	for name, c := range map[string]struct {
		trusted   []string
		forwarded []string
		want      string
	}{
		"no header":                   {[]string{local}, nil, "127.0.0.1"},
		"no trusted proxy":            {nil, []string{"203.0.113.7"}, "127.0.0.1"},
		"peer is none of the proxies": {[]string{proxy}, []string{"203.0.113.7"}, "127.0.0.1"},
		"behind one proxy":            {[]string{local}, []string{"203.0.113.7"}, "203.0.113.7"},
		"what the caller made up":     {[]string{local}, []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"in a header of its own":      {[]string{local}, []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		"behind two proxies":          {[]string{local, proxy}, []string{"203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		"two proxies, one trusted":    {[]string{local}, []string{"203.0.113.7, 10.1.2.3"}, "10.1.2.3"},
		"a private caller":            {[]string{local}, []string{"192.168.0.9"}, "192.168.0.9"},
		"IPv6":                        {[]string{local}, []string{"2001:db8::7"}, "2001:db8::7"},
		"no address":                  {[]string{local}, []string{"+12065551212"}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(o *httpapi.Options) {
				for _, network := range c.trusted {
					o.TrustedProxies = append(o.TrustedProxies, netip.MustParsePrefix(network))
				}
			})
			r := get("/health")
			r.header = http.Header{"X-Forwarded-For": c.forwarded}
			b.do(t, r).ok(t, http.StatusOK)
			eventually(t, "the log line", func() bool { return strings.Contains(b.log.String(), `"message":"request"`) })
			if want := fmt.Sprintf(`"client":%q`, c.want); !strings.Contains(b.log.String(), want) {
				t.Errorf("want %s in %s", want, b.log.String())
			}
		})
	}
}

func TestRequestsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	b := setup(t, func(o *httpapi.Options) {
		o.MaxRequests = 1
		o.Ready = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-leave
			_, _ = w.Write([]byte(`{}`))
		})
	})
	first := make(chan struct{})
	go func() {
		defer close(first)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/readyz", http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		response, err := b.client.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		_ = response.Body.Close()
	}()
	<-entered
	b.do(t, get("/v1/messages")).refused(t, http.StatusServiceUnavailable, "backpressure")
	eventually(t, "one request in flight", func() bool { return b.metrics.inFlight.Load() == 1 })
	close(leave)
	<-first
	eventually(t, "room again", func() bool { return b.do(t, get("/v1/messages")).status == http.StatusOK })
	eventually(t, "no request in flight", func() bool { return b.metrics.inFlight.Load() == 0 })
}
