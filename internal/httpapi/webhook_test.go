package httpapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/jobs/receipts"
	"mmsdispatch/internal/message"
)

// Receipts of each shape, as Sinch writes them.
const (
	mmsReceipt = `{"origin":"MMS_MT","code":"N102","sent-as":"MMS","status":"Delivered","from":"28444","to":"12065551212",` +
		`"tracking-id":"TU1T","client-reference":"REF","timestamp":"2026-03-01T12:00:05Z","new-field":{"x":1}}`
	batchReceipt = `{"type":"recipient_delivery_report_mms","batch_id":"01FC","recipient":"12065551212","code":0,"status":"Delivered",` +
		`"at":"2026-03-01T12:00:05.000Z","client_reference":"REF"}`
	summaryReceipt = `{"type":"delivery_report_mms","batch_id":"01FC","client_reference":"REF","total_message_count":2,` +
		`"statuses":[{"code":0,"status":"Delivered","count":1},{"code":415,"status":"Rejected","count":1}]}`
	conversationReceipt = `{"app_id":"01E","project_id":"p",` +
		`"message_delivery_report":{"message_id":"01EQ","status":"DELIVERED","metadata":"REF"}}`
	inboundMessage = `{"origin":"MMS_MO","code":"N401","from":"12065551212","to":"28444","keyword":"STOP"}`
)

const dlr = "/webhooks/sinch/dlr"

// hook posts to a webhook as Sinch does: without an API key.
func hook(path, body string) request { return request{method: http.MethodPost, path: path, body: body} }

// signed adds the headers of a signature.
func (r request) signed(secret, nonce string, at time.Time) request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(r.body + "." + nonce + "." + stamp))
	return r.with("X-Sinch-Webhook-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil))).
		with("X-Sinch-Webhook-Signature-Timestamp", stamp).with("X-Sinch-Webhook-Signature-Nonce", nonce).
		with("X-Sinch-Webhook-Signature-Algorithm", "HmacSHA256")
}

func (r request) basic(user, password string) request {
	return r.with("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

func webhookWith(opts httpapi.WebhookOptions) func(*httpapi.Options) {
	if opts.MaxAge == 0 {
		opts.MaxAge = time.Hour
	}
	return func(o *httpapi.Options) { o.Webhook = opts }
}

// TestWhichChecksApply covers each combination of configured checks and shapes.
func TestWhichChecksApply(t *testing.T) {
	t.Parallel()
	const token, secret = "?token=hook-token", "hmac-secret"
	onlyToken := httpapi.WebhookOptions{Token: "hook-token"}
	onlyHMAC := httpapi.WebhookOptions{Secret: secret}
	onlyBasic := httpapi.WebhookOptions{User: "sinch", Password: "pw"}
	all := httpapi.WebhookOptions{Token: "hook-token", Secret: secret, User: "sinch", Password: "pw"}
	insecure := httpapi.WebhookOptions{Insecure: true}
	insecureHMAC := httpapi.WebhookOptions{Insecure: true, Secret: secret}
	tests := []struct {
		name               string
		opts               httpapi.WebhookOptions
		body               string
		token, hmac, basic bool // checks that the receipt passes
		refused            string
	}{
		{"nothing configured: mms", httpapi.WebhookOptions{}, mmsReceipt, false, false, false, "mms none"},
		{"nothing configured: batches", httpapi.WebhookOptions{}, batchReceipt, true, true, true, "batches none"},
		{"nothing configured: conversation", httpapi.WebhookOptions{}, conversationReceipt, false, false, false, "conversation none"},
		{"nothing configured: garbage", httpapi.WebhookOptions{}, `{`, false, false, false, "unknown none"},
		{"insecure: mms", insecure, mmsReceipt, false, false, false, ""},
		{"insecure: batches", insecure, batchReceipt, false, false, false, ""},
		{"insecure, yet HMAC fits", insecureHMAC, batchReceipt, false, false, false, "batches signature"},
		{"insecure, HMAC does not fit", insecureHMAC, mmsReceipt, false, false, false, ""},
		{"token: mms", onlyToken, mmsReceipt, true, false, false, ""},
		{"token: mms without", onlyToken, mmsReceipt, false, true, true, "unknown token"},
		{"token: batches", onlyToken, batchReceipt, true, false, false, ""},
		{"token: batches without", onlyToken, batchReceipt, false, true, true, "unknown token"},
		{"token: conversation", onlyToken, conversationReceipt, true, false, false, ""},
		{"HMAC: mms has no check", onlyHMAC, mmsReceipt, false, true, false, "mms none"},
		{"HMAC: batches", onlyHMAC, batchReceipt, false, true, false, ""},
		{"HMAC: batches without", onlyHMAC, batchReceipt, true, false, true, "batches signature"},
		{"HMAC: conversation", onlyHMAC, conversationReceipt, false, true, false, ""},
		{"HMAC: conversation without", onlyHMAC, conversationReceipt, false, false, false, "conversation signature"},
		{"basic: batches", onlyBasic, batchReceipt, false, false, true, ""},
		{"basic: batches without", onlyBasic, batchReceipt, true, true, false, "batches basic"},
		{"basic: conversation has no check", onlyBasic, conversationReceipt, false, false, true, "conversation none"},
		{"all: mms needs the token", all, mmsReceipt, true, false, false, ""},
		{"all: batches", all, batchReceipt, true, true, true, ""},
		{"all: batches without HMAC", all, batchReceipt, true, false, true, "batches signature"},
		{"all: batches without basic", all, batchReceipt, true, true, false, "batches basic"},
		{"all: batches without token", all, batchReceipt, false, true, true, "unknown token"},
		{"all: conversation", all, conversationReceipt, true, true, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, webhookWith(tt.opts))
			r := hook(dlr, tt.body)
			if tt.token {
				r.path += token
			}
			if tt.hmac {
				r = r.signed(secret, "n1", b.now)
			}
			if tt.basic {
				r = r.basic("sinch", "pw")
			}
			got := b.do(t, r)
			if tt.refused == "" {
				if got.status != http.StatusOK || string(got.body) != `{}` {
					t.Errorf("%d %s, want 200 {}", got.status, got.body)
				}
				return
			}
			got.refused(t, http.StatusUnauthorized, "unauthorized")
			if b.metrics.get("refused "+tt.refused) != 1 || b.receipt.count() > 0 {
				t.Errorf("counted %v; %d receipts let in", b.metrics.counts, b.receipt.count())
			}
		})
	}
}

// A repeated token is refused, also when one of them is right.
func TestRepeatedTokens(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Token: "sesame"}))
	for query, want := range map[string]int{
		"token=sesame":              http.StatusOK,
		"a=b&token=sesame":          http.StatusOK,
		"token=sesame&token=x":      http.StatusUnauthorized,
		"token=x&token=sesame":      http.StatusUnauthorized,
		"token=sesame&token=sesame": http.StatusUnauthorized,
		"token=sesame&token":        http.StatusUnauthorized,
		"token=sesame&%74oken=x":    http.StatusUnauthorized,
		"token=":                    http.StatusUnauthorized,
		"":                          http.StatusUnauthorized,
	} {
		for _, route := range []string{dlr, inboundPath} {
			if got := b.do(t, hook(route+"?"+query, mmsReceipt)); got.status != want {
				t.Errorf("%s?%s: %d, want %d", route, query, got.status, want)
			}
		}
	}
}

func TestUnreadableReceipts(t *testing.T) {
	t.Parallel()
	const secret = "hmac-secret"
	for name, tt := range map[string]struct {
		opts httpapi.WebhookOptions
		pass func(request, time.Time) request
	}{
		"token": {httpapi.WebhookOptions{Token: "t", Secret: secret}, func(r request, _ time.Time) request {
			r.path += "?token=t"
			return r
		}},
		"HMAC":     {httpapi.WebhookOptions{Secret: secret}, func(r request, at time.Time) request { return r.signed(secret, "n", at) }},
		"basic":    {httpapi.WebhookOptions{User: "u", Password: "p"}, func(r request, _ time.Time) request { return r.basic("u", "p") }},
		"insecure": {httpapi.WebhookOptions{Insecure: true}, func(r request, _ time.Time) request { return r }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, webhookWith(tt.opts))
			for _, body := range []string{``, `{`, `[]`, `code=N102`, "\x00"} {
				b.do(t, tt.pass(hook(dlr, body), b.now)).refused(t, http.StatusBadRequest, "invalid_json")
				if !tt.opts.Insecure {
					b.do(t, hook(dlr, body)).refused(t, http.StatusUnauthorized, "unauthorized")
				}
			}
			b.do(t, tt.pass(hook(dlr, `{}`), b.now)).ok(t, http.StatusOK)
			b.do(t, tt.pass(hook(dlr, `{"hello":"world"}`), b.now)).ok(t, http.StatusOK)
		})
	}
}

func TestSignatureAge(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Secret: "s", MaxAge: time.Hour}))
	for age, ok := range map[time.Duration]bool{
		0: true, 59 * time.Minute: true, 61 * time.Minute: false, -4 * time.Minute: true, -6 * time.Minute: false,
	} {
		got := b.do(t, hook(dlr, batchReceipt).signed("s", "nonce "+age.String(), b.now.Add(-age)))
		if (got.status == http.StatusOK) != ok {
			t.Errorf("%s old: %d", age, got.status)
		}
	}
	b.do(t, hook(dlr, batchReceipt).signed("other", "n", b.now)).refused(t, http.StatusUnauthorized, "unauthorized")
	tampered := hook(dlr, batchReceipt).signed("s", "n", b.now)
	tampered.body = strings.Replace(tampered.body, "01FC", "01FD", 1)
	b.do(t, tampered).refused(t, http.StatusUnauthorized, "unauthorized")
}

func TestNonces(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Secret: "s"}))
	r := hook(dlr, batchReceipt).signed("s", "n1", b.now)

	b.receipt.mu.Lock()
	b.receipt.err = errRedis
	b.receipt.mu.Unlock()
	got := b.do(t, r)
	got.refused(t, http.StatusServiceUnavailable, "unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.receipt.mu.Lock()
	b.receipt.err = nil
	b.receipt.mu.Unlock()
	b.do(t, r).ok(t, http.StatusOK) // the nonce of a failed receipt was not stored
	b.do(t, r).ok(t, http.StatusOK) // the nonce of an applied one was
	if n := b.receipt.count(); n != 1 {
		t.Errorf("recorded %d times, want once", n)
	}
	if b.metrics.get("receipt batches repeated") != 1 {
		t.Error("not counted")
	}
	b.do(t, hook(dlr, batchReceipt).signed("s", "n2", b.now)).ok(t, http.StatusOK)
	if n := b.receipt.count(); n != 2 {
		t.Errorf("recorded %d times, want twice", n)
	}
	b.nonces.mu.Lock()
	b.nonces.err = errors.New("redis is down")
	b.nonces.mu.Unlock()
	b.do(t, hook(dlr, batchReceipt).signed("s", "n3", b.now)).refused(t, http.StatusServiceUnavailable, "unavailable")
}

func TestReceiptsAreTakenApart(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Insecure: true}))
	for _, path := range []string{dlr, "/webhooks/sinch/inbound"} {
		for _, body := range []string{mmsReceipt, batchReceipt, summaryReceipt, inboundMessage} {
			b.do(t, hook(path, body).with("Content-Type", "text/plain")).ok(t, http.StatusOK)
		}
	}
	if n := b.receipt.count(); n != 8 { // the summary has two, and an inbound message is no receipt
		t.Errorf("%d receipts, want 8", n)
	}
	first := b.receipt.got[0]
	if first.Ref != "REF" || first.State != message.ReceiptDelivered || first.SinchID != "TU1T" {
		t.Errorf("first %+v", first)
	}
	if b.metrics.get("receipt mms applied") != 2 || b.metrics.get("receipt mms inbound_stop") != 2 {
		t.Errorf("counted %v", b.metrics.counts)
	}
}

func TestReceiptsOfUnknownMessages(t *testing.T) {
	t.Parallel()
	b := setup(t, webhookWith(httpapi.WebhookOptions{Insecure: true}))
	b.receipt.result = receipts.Unknown
	b.do(t, hook(dlr, mmsReceipt)).ok(t, http.StatusOK)
	if b.metrics.get("receipt mms unknown_message") != 1 {
		t.Errorf("counted %v", b.metrics.counts)
	}
}
