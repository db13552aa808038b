package receipt

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed receipt (developers.sinch.com, Conversation
// callbacks; the SMS API signs the same way since 2025).
const (
	headerSignature = "X-Sinch-Webhook-Signature"
	headerTimestamp = "X-Sinch-Webhook-Signature-Timestamp"
	headerNonce     = "X-Sinch-Webhook-Signature-Nonce"
	headerAlgorithm = "X-Sinch-Webhook-Signature-Algorithm"
	algorithm       = "HmacSHA256"
)

// Ahead is the tolerated clock skew of a signature from the future.
const Ahead = 5 * time.Minute

// timestampBits bounds the Unix seconds of a signature, so that no arithmetic
// with them can overflow; they suffice for 17,000 years.
const timestampBits = 40

// ErrSignature means that the signature is missing, wrong, too old or too new.
var ErrSignature = errors.New("signature is not valid")

// Verify checks the signature over the raw body and returns its nonce. It may
// be at most maxAge old. The caller has to store the nonce: the signature
// alone does not prevent a replay.
func Verify(secret string, body []byte, header http.Header, now time.Time, maxAge time.Duration) (nonce string, err error) {
	nonce, stamp := header.Get(headerNonce), header.Get(headerTimestamp)
	if name := header.Get(headerAlgorithm); secret == "" || nonce == "" || (name != "" && !strings.EqualFold(name, algorithm)) {
		return "", ErrSignature
	}
	given, err := base64.StdEncoding.DecodeString(header.Get(headerSignature))
	if err != nil || !hmac.Equal(given, sign(secret, body, nonce, stamp)) {
		return "", ErrSignature
	}
	seconds, err := strconv.ParseInt(stamp, 10, timestampBits)
	if err != nil {
		return "", ErrSignature
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > maxAge || age < -Ahead {
		return "", ErrSignature
	}
	return nonce, nil
}

// sign is HMAC-SHA256 over "body.nonce.timestamp".
func sign(secret string, body []byte, nonce, stamp string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	mac.Write([]byte("." + nonce + "." + stamp))
	return mac.Sum(nil)
}
