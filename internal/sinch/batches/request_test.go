package batches_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/batches"
	"mmsdispatch/internal/sinch/sinchtest"
)

// Complete requests, as in Sinch's documentation.
func TestGoldenRequests(t *testing.T) {
	t.Parallel()
	full := photo()
	full.Subject, full.Text = "Your order", "Hi ${name}, & bye"
	full.ExpiresAt = now.Add(time.Hour).In(time.FixedZone("", 2*60*60))
	cases := map[string]struct {
		options batches.Options
		message sinch.Message
	}{
		"least": {batches.Options{}, photo()},
		"full":  {batches.Options{CallbackURL: "https://hooks.example.com/webhooks/sinch/dlr?token=x"}, full},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sinchtest.CheckGolden(t, name, sent(t, tc.options, tc.message))
		})
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{Status: 201, Body: created})
	s.provider(t, batches.Options{Plan: "plan/1", Token: "token-secret"}).Send(t.Context(), photo())
	req := s.Requests()[0]
	if req.Method != http.MethodPost || req.RequestURI != "/xms/v1/plan%2F1/batches" {
		t.Errorf("%s %s", req.Method, req.RequestURI)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer token-secret", "Content-Type": "application/json", "Idempotency-Key": "", "X-Api-Key": "",
	} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(string(req.Body), "token-secret") {
		t.Error("the token is in the body")
	}
}

// This API accepts one media URL, or a text alone; any other number makes no call.
func TestNumberOfMedia(t *testing.T) {
	t.Parallel()
	s := serve(t, answer{Status: 201, Body: created})
	p := s.provider(t, batches.Options{})
	for _, n := range []int{0, 2, 8} {
		m := photo()
		m.Media = make([]sinch.Media, n)
		if n == 0 {
			m.Text = ""
		}
		if got := p.Send(t.Context(), m); got.Kind != sinch.Refused || got.Code != sinch.ReasonContent {
			t.Errorf("%d media: %+v", n, got)
		}
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// Sinch refuses an expiry beyond three days permanently, so a later one is reduced
// to a little less, which allows for clock skew.
func TestExpiry(t *testing.T) {
	t.Parallel()
	const threeDays = 72 * time.Hour
	cases := map[string]struct {
		at   time.Time
		want time.Time // zero: omitted; a reduced one need not be exact
		cut  bool
	}{
		"none":       {},
		"soon":       {at: now.Add(time.Minute), want: now.Add(time.Minute)},
		"two days":   {at: now.Add(48 * time.Hour), want: now.Add(48 * time.Hour)},
		"three days": {at: now.Add(threeDays), want: now.Add(threeDays), cut: true},
		"a month":    {at: now.Add(30 * 24 * time.Hour), want: now.Add(threeDays), cut: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := photo()
			m.ExpiresAt = tc.at
			expiry, has := sent(t, batches.Options{}, m)["expire_at"]
			if tc.want.IsZero() {
				if has {
					t.Errorf("expire_at is %v, want none", expiry)
				}
				return
			}
			text, _ := expiry.(string)
			got, err := time.Parse(time.RFC3339, text)
			if err != nil || !strings.HasSuffix(text, "Z") {
				t.Fatalf("expire_at is %v: %v", expiry, err)
			}
			if early := tc.want.Sub(got); (!tc.cut && early != 0) || (tc.cut && (early <= 0 || early > 2*time.Minute)) {
				t.Errorf("expire_at is %s, %s before %s", got, early, tc.want)
			}
		})
	}
}

// The text ${key} arrives as ${key}. Without a value for it Sinch fails the message.
func TestParameters(t *testing.T) {
	t.Parallel()
	itself := func(keys ...string) map[string]any {
		all := make(map[string]any)
		for _, key := range keys {
			all[key] = map[string]any{"default": "${" + key + "}"}
		}
		return all
	}
	cases := map[string]struct {
		text string
		want map[string]any
	}{
		"none":            {"Hello", nil},
		"dollar":          {"only $5 {really}", nil},
		"open":            {"${name", nil},
		"empty":           {"${}", nil},
		"space":           {"${first name}", nil},
		"one":             {"Hi ${name}", itself("name")},
		"the same twice":  {"${a} and ${a}", itself("a")},
		"several":         {"${a}${b.c}${d-e}${F_9}", itself("a", "b.c", "d-e", "F_9")},
		"inside another":  {"${${a}}", itself("a")},
		"sixteen letters": {"${abcdefghijklmnop}", itself("abcdefghijklmnop")},
		"seventeen":       {"${abcdefghijklmnopq}", nil},
		"named default":   {"${default}", itself("default")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := photo()
			m.Text = tc.text
			req := sent(t, batches.Options{}, m)
			got, _ := req["parameters"].(map[string]any)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
			body, _ := req["body"].(map[string]any)
			if body["message"] != tc.text {
				t.Errorf("text is %q, want %q", body["message"], tc.text)
			}
		})
	}
}

// A request with several recipients differs from one with a single recipient only
// in its recipients.
func TestRequestWithSeveralRecipients(t *testing.T) {
	t.Parallel()
	m := photo()
	m.Ref, m.Text = "call_abc", "Hi ${name}"
	many := make([]string, 1000)
	for i := range many {
		many[i] = "+1206555" + strconv.Itoa(1000+i)
	}
	for _, to := range [][]string{many[:1], many[:2], many} {
		s := serve(t, answer{Status: http.StatusCreated, Body: created})
		p := s.provider(t, batches.Options{CallbackURL: "https://example.com/dlr"})
		if got := p.SendMany(t.Context(), m, to); got.Kind != sinch.Accepted {
			t.Fatalf("%d recipients: %+v", len(to), got)
		}
		var req struct {
			To         []string                     `json:"to"`
			Reference  string                       `json:"client_reference"`
			Report     string                       `json:"delivery_report"`
			Parameters map[string]map[string]string `json:"parameters"`
		}
		if err := json.Unmarshal(s.Requests()[0].Body, &req); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(req.To, to) || req.Reference != m.Ref || req.Report != "per_recipient" || req.Parameters["name"]["default"] != "${name}" {
			t.Errorf("%d recipients: %d in the call, reference %q, report %q, parameters %v",
				len(to), len(req.To), req.Reference, req.Report, req.Parameters)
		}
	}
	if most := batches.New(batches.Options{}).MaxRecipients(); most != len(many) {
		t.Errorf("at most %d recipients", most)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	const local = "http://127.0.0.1:1"
	cases := map[string]struct {
		options batches.Options
		want    sinch.Origin
	}{
		"default": {
			batches.Options{Plan: "p"},
			sinch.Origin{API: sinch.APIBatches, BaseURL: "https://us.sms.api.sinch.com", Account: "p"},
		},
		"region":   {batches.Options{Region: "eu"}, sinch.Origin{API: sinch.APIBatches, BaseURL: "https://eu.sms.api.sinch.com"}},
		"override": {batches.Options{BaseURL: local + "/", Region: "eu"}, sinch.Origin{API: sinch.APIBatches, BaseURL: local}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := batches.New(tc.options).Origin(); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// A text alone goes out as SMS, whose body is the text.
func TestTextAlone(t *testing.T) {
	t.Parallel()
	m := photo()
	m.Media, m.Subject = nil, "left out"
	got := sent(t, batches.Options{CallbackURL: "https://example.com/dlr"}, m)
	if got["type"] != "mt_text" || got["body"] != m.Text || got["delivery_report"] != "per_recipient" {
		t.Errorf("%v", got)
	}
}
