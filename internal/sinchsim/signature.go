package sinchsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"
)

// The headers of a signed callback.
const (
	headerSignature = "X-Sinch-Webhook-Signature"
	headerTimestamp = "X-Sinch-Webhook-Signature-Timestamp"
	headerNonce     = "X-Sinch-Webhook-Signature-Nonce"
	headerAlgorithm = "X-Sinch-Webhook-Signature-Algorithm"
)

// Sign is Sinch's webhook signature: base64 of HMAC-SHA256 with the secret over
// body, nonce and timestamp (Unix seconds), joined by dots.
func Sign(secret string, body []byte, nonce, timestamp string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	mac.Write([]byte("." + nonce + "." + timestamp))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Signer adds the configured credentials to callbacks: basic auth, and a signature
// with a new nonce for every try.
func (o BatchesOptions) Signer(d *RNG) func(http.Header, []byte) {
	return func(h http.Header, body []byte) {
		if o.User != "" || o.Password != "" {
			credentials := base64.StdEncoding.EncodeToString([]byte(o.User + ":" + o.Password))
			h.Set("Authorization", "Basic "+credentials)
		}
		signCallback(h, o.Secret, body, d)
	}
}

// Signer adds the signature to callbacks, as the SMS REST API does.
func (o ConversationOptions) Signer(d *RNG) func(http.Header, []byte) {
	return func(h http.Header, body []byte) { signCallback(h, o.Secret, body, d) }
}

// signCallback signs with a new nonce; without a secret it does nothing.
func signCallback(h http.Header, secret string, body []byte, d *RNG) {
	if secret == "" {
		return
	}
	now := time.Now()
	nonce, timestamp := NewULID(now, d.Next()), strconv.FormatInt(now.Unix(), 10)
	h.Set(headerAlgorithm, "HmacSHA256")
	h.Set(headerNonce, nonce)
	h.Set(headerTimestamp, timestamp)
	h.Set(headerSignature, Sign(secret, body, nonce, timestamp))
}
