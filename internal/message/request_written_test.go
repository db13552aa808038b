package message

import (
	"encoding/json"
	"testing"
	"time"
)

// written is a content as a caller would write it.
func written(tb testing.TB, c Content) []byte {
	tb.Helper()
	body := map[string]any{"to": c.To, "media": c.Media, "priority": c.Priority}
	for name, value := range map[string]string{
		"from": c.From, "subject": c.Subject, "text": c.Text, "clientReference": c.ClientReference,
		"fallbackText": c.FallbackText, "callbackUrl": c.CallbackURL,
	} {
		if value != "" {
			body[name] = value
		}
	}
	for name, at := range map[string]time.Time{"sendAt": c.SendAt, "expiresAt": c.ExpiresAt} {
		if !at.IsZero() {
			body[name] = at.Format(time.RFC3339Nano)
		}
	}
	if len(c.Metadata) > 0 {
		body["metadata"] = c.Metadata
	}
	raw, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}
