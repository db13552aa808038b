package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"mmsdispatch/client/openapi"
)

// maxEvent bounds the body of a callback, in bytes.
const maxEvent = 1 << 20

// ErrSignature is the error for a callback that the service has not signed, or that
// is older than five minutes.
var ErrSignature = errors.New("the callback is not signed by the service")

// Receiver verifies the callbacks of a service.
type Receiver struct {
	hooks []*standardwebhooks.Webhook
}

// NewReceiver returns a receiver of callbacks that are signed with one of these
// secrets (whsec_…). The service signs with the old and the new secret for 24 hours
// after a rotation, so that one is enough.
func NewReceiver(secrets ...string) (*Receiver, error) {
	if len(secrets) == 0 {
		return nil, errors.New("there is no callback secret")
	}
	r := &Receiver{}
	for _, secret := range secrets {
		hook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return nil, errors.New("a callback secret is whsec_ and base64")
		}
		r.hooks = append(r.hooks, hook)
	}
	return r, nil
}

// Event is a verified callback.
type Event struct {
	// ID is the same in every delivery of an event: handle one ID once.
	ID string `json:"-"`
	// Type is the name of the event, such as message.delivered.
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	// Sequence grows with every change of a message: an event with a smaller one than
	// that of an event before is late.
	Sequence int64 `json:"sequence"`
	// Data is what the event is about: Message, Inbound, OptOut or Batch reads it.
	Data json.RawMessage `json:"data"`
}

// Event verifies a request and returns its event. It reads the body.
func (r *Receiver) Event(req *http.Request) (*Event, error) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxEvent+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the callback: %w", err)
	case len(body) > maxEvent:
		return nil, errors.New("the callback is larger than 1 MiB")
	}
	return r.Verify(body, req.Header)
}

// Verify returns the event of a body that was received with a header.
func (r *Receiver) Verify(body []byte, header http.Header) (*Event, error) {
	for _, hook := range r.hooks {
		if hook.Verify(body, header) != nil {
			continue
		}
		event := &Event{ID: header.Get(standardwebhooks.HeaderWebhookID)}
		if err := json.Unmarshal(body, event); err != nil {
			return nil, fmt.Errorf("read the callback: %w", err)
		}
		return event, nil
	}
	return nil, ErrSignature
}

// Message is the message of an event message.…, as of the change, without its
// content.
func (e *Event) Message() (*Message, error) { return dataOf[Message](e) }

// Inbound is the message from a phone of an event message.received.
func (e *Event) Inbound() (*openapi.Inbound, error) { return dataOf[openapi.Inbound](e) }

// OptOut is the opt-out of an event optout.added or optout.removed.
func (e *Event) OptOut() (*openapi.Suppression, error) { return dataOf[openapi.Suppression](e) }

// Batch is the batch of an event batch.done.
func (e *Event) Batch() (*Batch, error) { return dataOf[Batch](e) }

func dataOf[T any](e *Event) (*T, error) {
	var value T
	if err := json.Unmarshal(e.Data, &value); err != nil {
		return nil, fmt.Errorf("read the data of %s: %w", e.Type, err)
	}
	return &value, nil
}
