package receipt_test

import (
	"bytes"
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

// signed returns a header signed with the given secret, nonce and timestamp.
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

// The vectors of the Conversation API in Sinch's SDKs (sinch-sdk-java,
// SinchEventsServiceTest; sinch-sdk-dotnet, WebhooksAuthValidation.json): the
// second one is signed with its line breaks.
const (
	conversationSecret = "foo_secret1234"
	conversationNonce  = "01FJA8B4A7BM43YGWSG9GBV067"
	conversationStamp  = 1634579353
	oneLine            = `{"app_id":"","accepted_time":"2021-10-18T17:49:13.813615Z","project_id":"e2df3a34-a71b-4448-9db5-a8d2baad28e4",` +
		`"contact_create_notification":{"contact":{"id":"01FJA8B466Y0R2GNXD78MD9SM1","channel_identities":[{"channel":"SMS",` +
		`"identity":"48123456789","app_id":""}],"display_name":"New Test Contact","email":"new.contact@email.com","external_id":"",` +
		`"metadata":"","language":"EN_US"}},"message_metadata":""}`
	severalLines = `{
    "app_id": "01W4FFL35P4NC4K35CONVAPP01",
    "event_time": "2024-06-06T14:42:42.379863404Z",
    "project_id": "tinyfrog-jump-high-over-lilypadbasin",
    "event": {
        "direction": "TO_APP",
        "contact_event": {
            "composing_event": {}
        },
        "id": "01W4FFL35P4NC4K35EVENT0001",
        "conversation_id": "01W4FFL35P4NC4K35CONVERS01",
        "contact_id": "01W4FFL35P4NC4K35CONTACT01",
        "channel_identity": {
            "channel": "RCS",
            "identity": "12015555555",
            "app_id": ""
        },
        "accept_time": "2024-06-06T14:42:42.429455346Z",
        "processing_mode": "CONVERSATION"
    },
    "message_metadata": "",
    "correlation_id": ""
}
`
)

func TestVerifyConversationVectors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body, mac, algorithm string
		valid                bool
	}{
		"one line":             {oneLine, "6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE=", "HmacSHA256", true},
		"no algorithm named":   {oneLine, "6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE=", "", true},
		"several lines":        {severalLines, "wKmZBGo4Cf+y9cZoPHhiVw6ziKeubLGqN4OdG8jlaPo=", "HmacSHA256", true},
		"without the last one": {strings.TrimSpace(severalLines), "wKmZBGo4Cf+y9cZoPHhiVw6ziKeubLGqN4OdG8jlaPo=", "HmacSHA256", false},
		"lines of Windows": {
			strings.ReplaceAll(severalLines, "\n", "\r\n"), "wKmZBGo4Cf+y9cZoPHhiVw6ziKeubLGqN4OdG8jlaPo=", "HmacSHA256", false,
		},
	} {
		h := http.Header{}
		h.Set(headerPrefix, tc.mac)
		h.Set(headerPrefix+"-Timestamp", strconv.Itoa(conversationStamp))
		h.Set(headerPrefix+"-Nonce", conversationNonce)
		h.Set(headerPrefix+"-Algorithm", tc.algorithm)
		nonce, err := receipt.Verify(conversationSecret, []byte(tc.body), h, time.Unix(conversationStamp, 0), maxAge)
		if (err == nil) != tc.valid || (err == nil) != (nonce == conversationNonce) {
			t.Errorf("%s: nonce %q, %v; want valid %t", name, nonce, err, tc.valid)
		}
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

// An empty secret is no key: it verifies no signature.
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

// A valid signature over an invalid timestamp.
func TestVerifyOddTimestamp(t *testing.T) {
	t.Parallel()
	for _, stamp := range []string{
		"", "now", "1736760161.5", "0x677", " 1736760161", "-1736760161", "9223372036854775807", "17367601610000000000000",
	} {
		h := signed("s", "{}", "n", stamp)
		if _, err := receipt.Verify("s", []byte("{}"), h, time.Unix(vectorStamp, 0), maxAge); err == nil {
			t.Errorf("timestamp %q was accepted", stamp)
		}
	}
}

// For all headers: no panic, and only the signature of the secret is valid.
func FuzzVerify(f *testing.F) {
	const secret = "secret"
	now := time.Unix(1_736_760_161, 0)
	f.Add([]byte(`{"a":1}`), "nonce", "1736760161", "HmacSHA256", "", true)
	f.Add([]byte(``), "", "-1", "", "====", false)
	f.Add([]byte(`x`), "n", "99999999999999999999", "hmacsha256", "AA==", false)
	f.Add([]byte(`x`), "n.1", " 1736760161", "sha1", "", true)
	f.Fuzz(func(t *testing.T, body []byte, nonce, stamp, algorithm, signature string, signed bool) {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(string(body) + "." + nonce + "." + stamp))
		right := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		if signed {
			signature = right
		}
		header := http.Header{}
		for name, value := range map[string]string{"": signature, "-Timestamp": stamp, "-Nonce": nonce, "-Algorithm": algorithm} {
			header.Set("X-Sinch-Webhook-Signature"+name, value)
		}
		got, err := receipt.Verify(secret, body, header, now, time.Hour)
		switch {
		case err == nil && (got != nonce || nonce == ""):
			t.Errorf("nonce %q, want %q", got, nonce)
		case err == nil && !sameBytes(signature, right):
			t.Errorf("signature %q is valid, want %q", signature, right)
		}
	})
}

// sameBytes reports whether two texts are base64 of the same bytes.
func sameBytes(a, b string) bool {
	x, errX := base64.StdEncoding.DecodeString(a)
	y, errY := base64.StdEncoding.DecodeString(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
