package receipt_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/sinch/receipt"
)

const (
	headerPrefix = "X-Sinch-Webhook-Signature"
	maxAge       = 24 * time.Hour
)

// The vector of Sinch's own SDK (sinch-sdk-node, callbacks-webhook.test.ts).
const (
	vectorSecret = "SMSWebhooksSecret"
	vectorNonce  = "01JHFFHWYY7HSS4FWTMDTQEK8V"
	vectorStamp  = 1736760161
	vectorMAC    = "ZoHei66PPN/kZjw7hFVfGhJOnml3iGNCMWoyQVcE5o0="
	vectorBody   = `{"at":"2025-01-13T09:22:40.914Z","batch_id":"01JHFFHQ0P99JPPNQPJDV7JTBP","client_reference":"a client reference",` +
		`"code":0,"operator_status_at":"2025-01-13T09:22:00Z","recipient":"33662162466","status":"Delivered",` +
		`"type":"recipient_delivery_report_sms"}`
)

func vector() http.Header {
	h := http.Header{}
	h.Set(headerPrefix, vectorMAC)
	h.Set(headerPrefix+"-Timestamp", strconv.Itoa(vectorStamp))
	h.Set(headerPrefix+"-Nonce", vectorNonce)
	h.Set(headerPrefix+"-Algorithm", "HmacSHA256")
	return h
}

// signed is a header made with any secret, nonce and timestamp.
func signed(secret, body, nonce, stamp string) http.Header {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body + "." + nonce + "." + stamp))
	h := http.Header{}
	h.Set(headerPrefix, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	h.Set(headerPrefix+"-Timestamp", stamp)
	h.Set(headerPrefix+"-Nonce", nonce)
	return h
}

func TestVerifyVector(t *testing.T) {
	t.Parallel()
	nonce, err := receipt.Verify(vectorSecret, []byte(vectorBody), vector(), time.Unix(vectorStamp, 0), maxAge)
	if err != nil || nonce != vectorNonce {
		t.Errorf("nonce %q, %v; want %q", nonce, err, vectorNonce)
	}
}

func TestVerifyTampered(t *testing.T) {
	t.Parallel()
	flipped := []byte(vectorBody)
	flipped[10] ^= 1
	for name, change := range map[string]func(secret *string, body *[]byte, h http.Header){
		"another secret":     func(s *string, _ *[]byte, _ http.Header) { *s = "smswebhookssecret" },
		"no secret":          func(s *string, _ *[]byte, _ http.Header) { *s = "" },
		"another body":       func(_ *string, b *[]byte, _ http.Header) { *b = flipped },
		"a line break more":  func(_ *string, b *[]byte, _ http.Header) { *b = []byte(vectorBody + "\n") },
		"another nonce":      func(_ *string, _ *[]byte, h http.Header) { h.Set(headerPrefix+"-Nonce", "01JHFFHWYY7HSS4FWTMDTQEK8W") },
		"no nonce":           func(_ *string, _ *[]byte, h http.Header) { h.Del(headerPrefix + "-Nonce") },
		"another timestamp":  func(_ *string, _ *[]byte, h http.Header) { h.Set(headerPrefix+"-Timestamp", "1736760162") },
		"no timestamp":       func(_ *string, _ *[]byte, h http.Header) { h.Del(headerPrefix + "-Timestamp") },
		"no signature":       func(_ *string, _ *[]byte, h http.Header) { h.Del(headerPrefix) },
		"half a signature":   func(_ *string, _ *[]byte, h http.Header) { h.Set(headerPrefix, vectorMAC[:20]) },
		"without padding":    func(_ *string, _ *[]byte, h http.Header) { h.Set(headerPrefix, strings.TrimRight(vectorMAC, "=")) },
		"not base64":         func(_ *string, _ *[]byte, h http.Header) { h.Set(headerPrefix, "!") },
		"another algorithm":  func(_ *string, _ *[]byte, h http.Header) { h.Set(headerPrefix+"-Algorithm", "none") },
		"parts moved around": func(_ *string, _ *[]byte, h http.Header) { h.Set(headerPrefix+"-Nonce", vectorNonce+".1736760161") },
	} {
		secret, body, h := vectorSecret, []byte(vectorBody), vector()
		change(&secret, &body, h)
		if nonce, err := receipt.Verify(secret, body, h, time.Unix(vectorStamp, 0), maxAge); err == nil || nonce != "" {
			t.Errorf("%s: nonce %q, %v; want a refusal", name, nonce, err)
		}
	}
}

// The key of nobody is not a key: an empty secret signs nothing.
func TestVerifyEmptySecret(t *testing.T) {
	t.Parallel()
	h := signed("", "{}", "n", strconv.Itoa(vectorStamp))
	if _, err := receipt.Verify("", []byte("{}"), h, time.Unix(vectorStamp, 0), maxAge); err == nil {
		t.Error("a signature with the empty key was taken")
	}
}

func TestVerifyAge(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		age  time.Duration
		want bool
	}{
		"now":            {0, true},
		"as old as may":  {maxAge, true},
		"too old":        {maxAge + time.Second, false},
		"as new as may":  {-receipt.Ahead, true},
		"too far ahead":  {-receipt.Ahead - time.Second, false},
		"a year ahead":   {-365 * 24 * time.Hour, false},
		"ten years past": {10 * 365 * 24 * time.Hour, false},
	} {
		_, err := receipt.Verify(vectorSecret, []byte(vectorBody), vector(), time.Unix(vectorStamp, 0).Add(tc.age), maxAge)
		if (err == nil) != tc.want {
			t.Errorf("%s: %v, want valid %t", name, err, tc.want)
		}
	}
}

// Rightly signed, but not with a time.
func TestVerifyOddTimestamp(t *testing.T) {
	t.Parallel()
	for _, stamp := range []string{
		"", "now", "1736760161.5", "0x677", " 1736760161", "-1736760161", "9223372036854775807", "17367601610000000000000",
	} {
		h := signed("s", "{}", "n", stamp)
		if _, err := receipt.Verify("s", []byte("{}"), h, time.Unix(vectorStamp, 0), maxAge); err == nil {
			t.Errorf("timestamp %q was taken", stamp)
		}
	}
}
