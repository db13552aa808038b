package simtest

import (
	"maps"
	"net/http"
	"regexp"
	"testing"

	"mmsdispatch/internal/sinchsim"
)

// Credentials and addresses of requests.
const (
	APIKey  = "key-1"
	Token   = "token-1"
	Plan    = "plan1"
	MMSPath = "/ep/v2/"
)

// Fields are a request body as JSON.
type Fields map[string]any

// With returns a copy with a changed field; nil removes the field.
func (f Fields) With(key string, value any) Fields {
	c := maps.Clone(f)
	if value == nil {
		delete(c, key)
		return c
	}
	c[key] = value
	return c
}

// MMS returns a valid request of the MMS API.
func MMS() Fields {
	return Fields{
		"action": "sendmms", "service-id": "c-1", "to": "12065551212", "from": "28444",
		"message-subject": "Hi", "disable-fallback-sms": true, "client-reference": "msg_a-1",
		"slide": []any{Fields{"message-text": "Hello", "image": Fields{"url": "https://media.example.com/a.jpg"}}},
	}
}

// Batch returns a valid batch.
func Batch() Fields {
	return Fields{
		"type": "mt_media", "to": []any{"+12065551212"}, "from": "+12015555555", "delivery_report": "per_recipient",
		"client_reference": "msg_a-1", "body": Fields{"url": "https://media.example.com/a.jpg", "message": "Hello"},
	}
}

// MMSHeader returns the header of a request of the MMS API.
func MMSHeader() http.Header {
	return http.Header{"Content-Type": {"application/json; charset=utf-8"}, "X-Api-Key": {APIKey}}
}

// BearerHeader returns the header of a request with a bearer token.
func BearerHeader(token string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
}

// Behavior parses the short form of a behaviour.
func Behavior(t *testing.T, short string) sinchsim.Behavior {
	t.Helper()
	b, err := sinchsim.ParseBehavior(short)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	ulid      = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
	timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
)

// IsULID reports whether text has the form of an id of the SMS REST and Conversation APIs.
func IsULID(text string) bool { return ulid.MatchString(text) }

// IsTime reports whether text is a time in the format of those APIs.
func IsTime(text string) bool { return timestamp.MatchString(text) }
