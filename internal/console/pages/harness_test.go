package pages_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"mmsdispatch/internal/admin"
	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/console/pages"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/pgtest"
	"mmsdispatch/internal/redistest"
	"mmsdispatch/internal/replay"
	"mmsdispatch/internal/status"
	"mmsdispatch/internal/suppression"
	"mmsdispatch/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(redistest.Main(m))) }

// The content that no page shows unless it is revealed.
const (
	number     = "+12065551212"
	secretText = "Your test result is ready"
	secretURL  = "https://example.com/secret-picture.jpg?token=abc"
)

var acme = message.Scope{Tenant: "acme"}

// console is the console behind the admin listener, over a Redis of its own.
type console struct {
	tb     testing.TB
	rdb    *redis.Client
	ledger *ledger.Ledger
	stores pages.Options
	base   string
	client *http.Client
}

// setup starts a console with the users viewer, operator and admin, whose passwords
// are their names.
func setup(t *testing.T, change func(*pages.Options)) *console {
	t.Helper()
	return setupOver(t, redistest.Shared(t).Client(t), change)
}

// setupOver is setup over a Redis that the test stops.
func setupOver(t *testing.T, rdb *redis.Client, change func(*pages.Options)) *console {
	t.Helper()
	records, err := ledger.New(rdb, ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	metrics := telemetry.NewMetrics(telemetry.Build{})
	optOuts, err := suppression.NewStore(suppression.Options{Redis: rdb, Metrics: metrics.OptOuts})
	if err != nil {
		t.Fatal(err)
	}
	callbacks, err := callback.NewStore(rdb, time.Now, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	keys := apikey.NewStore(rdb)
	opts := pages.Options{
		Redis: rdb, Ledger: records, Callbacks: callbacks, OptOuts: optOuts, Keys: keys,
		Rules: message.NewRules(message.RuleOptions{DefaultRegion: "US", Destinations: []string{"*"}, Sender: "+12065550100"}),
		Status: &status.Reader{
			Redis: rdb, Ledger: records, Callbacks: callbacks, Rate: 10, Now: time.Now,
			Scopes: status.Scopes{Redis: rdb, Keys: keys, Configured: []message.Scope{acme}},
		},
		Tasks: queue.New(rdb, time.Minute), Replays: replay.NewStore(rdb, records, time.Hour), Senders: []pages.Sender{{Number: "+12065550100", PerSecond: 2.5, Daily: 2000}},
		Now: time.Now, Write: true, Log: zerolog.Nop(),
	}
	if change != nil {
		change(&opts)
	}
	h, err := pages.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := admin.New(admin.Options{
		Addr: "127.0.0.1:0", Users: users(t), Log: zerolog.Nop(), Metrics: prometheus.NewRegistry(),
		Ready: admin.NewReadiness(zerolog.Nop(), nil), Console: h, Failed: func(err error) { t.Error(err) },
	})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := &console{
		tb: t, rdb: rdb, ledger: records, stores: opts, base: "http://" + server.Addr().String(),
		client: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	t.Cleanup(func() {
		h.Close()
		c.client.CloseIdleConnections()
		if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return c
}

func users(t *testing.T) []admin.User {
	t.Helper()
	var users []admin.User
	for _, name := range []string{"viewer", "operator", "admin"} {
		hash, err := bcrypt.GenerateFromPassword([]byte(name), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, admin.User{Name: name, Role: admin.ParseRole(name), Hash: string(hash)})
	}
	return users
}

// answer is what a page has answered.
type answer struct {
	code   int
	body   string
	header http.Header
}

func (c *console) do(user, method, path string, form url.Values, header ...string) answer {
	c.tb.Helper()
	request, err := http.NewRequestWithContext(c.tb.Context(), method, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.tb.Fatal(err)
	}
	if user != "" {
		request.SetBasicAuth(user, user)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.client.Do(request)
	if err != nil {
		c.tb.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.tb.Fatal(err)
	}
	return answer{code: response.StatusCode, body: string(body), header: response.Header}
}

func (c *console) get(user, path string) answer {
	c.tb.Helper()
	return c.do(user, http.MethodGet, path, nil)
}

// page gets a page and checks what holds for every page.
func (c *console) page(user, path string) answer {
	c.tb.Helper()
	a := c.get(user, path)
	if a.code != http.StatusOK {
		c.tb.Fatalf("%s: %d\n%s", path, a.code, a.body)
	}
	if strings.Count(a.body, "<h1") != 1 || strings.Count(a.body, "<title>") != 1 {
		c.tb.Errorf("%s has not one title and one h1", path)
	}
	policy := a.header.Get("Content-Security-Policy")
	if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") || a.header.Get("Cache-Control") != "no-store" {
		c.tb.Errorf("%s: headers %v", path, a.header)
	}
	if inline := regexp.MustCompile(`<script>|<script [^s]| style="| on[a-z]+="|(?:src|href)="(?:https?:)?//`).FindString(a.body); inline != "" {
		c.tb.Errorf("%s has %q", path, inline)
	}
	for _, secret := range []string{number[1:], "5551212", secretText, "secret-picture"} {
		if strings.Contains(a.body, secret) {
			c.tb.Errorf("%s shows %q", path, secret)
		}
	}
	return a
}

// confirm follows a control of a page to its confirmation, fills in the reason and
// sends the form.
func (c *console) confirm(user, path, reason string) answer {
	c.tb.Helper()
	asked := c.page(user, path)
	if !strings.Contains(asked.body, `name="reason"`) || !strings.Contains(asked.body, "What will happen") {
		c.tb.Fatalf("%s is no confirmation:\n%s", path, asked.body)
	}
	form := url.Values{"reason": {reason}}
	if strings.Contains(asked.body, `name="rate"`) {
		form.Set("rate", "5")
	}
	hidden := regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
	for _, field := range hidden.FindAllStringSubmatch(asked.body, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	return c.do(user, http.MethodPost, path, form)
}

func wantAll(tb testing.TB, text string, parts ...string) {
	tb.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			tb.Errorf("no %q in:\n%s", part, text)
		}
	}
}
