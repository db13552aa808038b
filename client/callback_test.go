package client

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secret      = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	otherSecret = "whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// signed returns a callback as the service posts it.
func signed(t *testing.T, secret, body string, at time.Time) *http.Request {
	t.Helper()
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := hook.Sign("dlv_1", at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/mms", strings.NewReader(body))
	req.Header.Set("Webhook-Id", "dlv_1")
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("Webhook-Signature", signature)
	return req
}

func TestReceiver(t *testing.T) {
	t.Parallel()
	const body = `{"type":"message.delivered","timestamp":"2026-03-01T12:00:00.000Z","data":{"id":"msg_1","status":"delivered"},"sequence":4}`
	receiver, err := NewReceiver(otherSecret, secret)
	if err != nil {
		t.Fatal(err)
	}
	event, err := receiver.Event(signed(t, secret, body, time.Now()))
	if err != nil || event.ID != "dlv_1" || event.Type != "message.delivered" || event.Sequence != 4 || event.Timestamp.Year() != 2026 {
		t.Fatalf("%+v, %v", event, err)
	}
	if message, err := event.Message(); err != nil || message.ID != "msg_1" {
		t.Errorf("%+v, %v", message, err)
	}
	tampered := signed(t, secret, body, time.Now())
	tampered.Body = http.NoBody
	for name, req := range map[string]*http.Request{
		"other secret": signed(t, "whsec_BBBB9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body, time.Now()),
		"old":          signed(t, secret, body, time.Now().Add(-time.Hour)),
		"other body":   tampered,
		"unsigned":     httptest.NewRequest(http.MethodPost, "/mms", strings.NewReader(body)),
	} {
		if event, err := receiver.Event(req); !errors.Is(err, ErrSignature) || event != nil {
			t.Errorf("%s: %+v, %v", name, event, err)
		}
	}
	if _, err := receiver.Event(signed(t, secret, strings.Repeat(" ", maxEvent+1), time.Now())); err == nil || errors.Is(err, ErrSignature) {
		t.Errorf("too large: %v", err)
	}
	if _, err := receiver.Event(signed(t, secret, "no JSON", time.Now())); err == nil || errors.Is(err, ErrSignature) {
		t.Errorf("no JSON: %v", err)
	}
}

func TestReceiverNeedsSecrets(t *testing.T) {
	t.Parallel()
	if _, err := NewReceiver(); err == nil {
		t.Error("no secret is accepted")
	}
	if _, err := NewReceiver("whsec_?" + secret); err == nil || strings.Contains(err.Error(), secret[6:]) {
		t.Errorf("a wrong secret: %v", err)
	}
}

// TestEventData: each kind of event has its data.
func TestEventData(t *testing.T) {
	t.Parallel()
	event := Event{Type: "x", Data: []byte(`{"id":"inb_1","number":"+12065551212","status":"done","text":"Hi"}`)}
	inbound, err := event.Inbound()
	if err != nil || inbound.ID != "inb_1" || *inbound.Text != "Hi" {
		t.Errorf("%+v, %v", inbound, err)
	}
	if optOut, err := event.OptOut(); err != nil || optOut.Number != "+12065551212" {
		t.Errorf("%+v, %v", optOut, err)
	}
	if batch, err := event.Batch(); err != nil || batch.Status != "done" {
		t.Errorf("%+v, %v", batch, err)
	}
	event.Data = []byte(`[]`)
	if _, err := event.Message(); err == nil {
		t.Error("a list is no message")
	}
}
