package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/http"
	"strings"
	"time"

	"mmsdispatch/client/openapi"
)

// The types of messages.
type (
	// Message is the state of a message.
	Message = openapi.Message
	// MessageRequest is a message to send.
	MessageRequest = openapi.MessageRequest
	// Status is the state that a message is in.
	Status = openapi.Status
)

// Accepted is a message that the service has taken.
type Accepted struct {
	Message

	// Duplicate reports that a message with the reference had been accepted before, so
	// that this request sent nothing. A retry of the request itself is no duplicate
	// when the reference is one that Send made.
	Duplicate bool
}

// reference is a client reference for a caller who has none.
func reference() string { return "go-" + strings.ToLower(rand.Text()) }

// Send submits a message. Without a ClientReference it gets a random one, so that
// retries never send it twice; a caller who may repeat Send after a restart has to
// name one.
func (c *Client) Send(ctx context.Context, message MessageRequest) (*Accepted, error) {
	named := message.ClientReference != ""
	if !named {
		message.ClientReference = reference()
	}
	res, err := c.api.CreateMessage(Repeatable(ctx), nil, message)
	accepted, err := Read[Accepted](res, err)
	if err != nil {
		return nil, err
	}
	accepted.Duplicate = named && replayed(res)
	return &accepted, nil
}

func replayed(res *http.Response) bool { return res.Header.Get("Idempotent-Replayed") == "true" }

// DryRun returns the message that a request would become, and sends nothing.
func (c *Client) DryRun(ctx context.Context, message MessageRequest) (*openapi.DryRunMessage, error) {
	params := &openapi.CreateMessageParams{DryRun: new(true)}
	return pointer(Read[openapi.DryRunMessage](c.api.CreateMessage(Repeatable(ctx), params, message)))
}

// Get returns a message.
func (c *Client) Get(ctx context.Context, id string) (*Message, error) {
	return pointer(Read[Message](c.api.GetMessage(ctx, id, nil)))
}

// Cancel takes a waiting message back. Canceling twice is no error.
func (c *Client) Cancel(ctx context.Context, id string) (*Message, error) {
	return pointer(Read[Message](c.api.CancelMessage(Repeatable(ctx), id, nil)))
}

// Replay sends a message again that ended without being delivered. One of unknown
// outcome needs Force, because it may arrive twice. A request that was perhaps
// executed is not repeated.
func (c *Client) Replay(ctx context.Context, id string, request openapi.ReplayRequest) (*Message, error) {
	return pointer(Read[Message](c.api.ReplayMessage(ctx, id, nil, request)))
}

// Erase drops the content of a final message; force: also of one of unknown
// outcome.
func (c *Client) Erase(ctx context.Context, id string, force bool) error {
	return done(c.api.EraseMessage(ctx, id, &openapi.EraseMessageParams{Force: set(force)}))
}

// Filter selects messages. What is empty does not restrict them.
type Filter struct {
	ClientReference string
	Status          []Status
	To, From        string
	Reason          []openapi.ReasonCode
	Priority        []openapi.Priority
	BatchID         string
	CreatedAfter    time.Time
	CreatedBefore   time.Time
}

func (f Filter) params(cursor string) *openapi.ListMessagesParams {
	return &openapi.ListMessagesParams{
		BatchID: set(f.BatchID), ClientReference: set(f.ClientReference), CreatedAfter: set(f.CreatedAfter),
		CreatedBefore: set(f.CreatedBefore), Cursor: set(cursor), From: set(f.From), Priority: list(f.Priority),
		Reason: list(f.Reason), Status: list(f.Status), To: set(f.To),
	}
}

// ListPage returns a page of the messages that match a filter, newest first. The
// cursor is the NextCursor of the page before; empty: the first page.
func (c *Client) ListPage(ctx context.Context, filter Filter, cursor string) (*openapi.MessagePage, error) {
	return pointer(Read[openapi.MessagePage](c.api.ListMessages(ctx, filter.params(cursor))))
}

// List goes through the messages that match a filter, newest first, page by page.
// An error ends it. Complete of ListPage says whether older ones may match, too.
func (c *Client) List(ctx context.Context, filter Filter) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for cursor := ""; ; {
			page, err := c.ListPage(ctx, filter, cursor)
			if err != nil {
				yield(Message{}, err)
				return
			}
			for _, message := range page.Data {
				if !yield(message, nil) {
					return
				}
			}
			if page.NextCursor == nil {
				return
			}
			cursor = *page.NextCursor
		}
	}
}

// Final reports whether a message with a status waits for nothing any more. A sent
// message becomes delivered or undelivered where carriers report it.
func Final(status Status) bool {
	switch status {
	case openapi.StatusDelivered, openapi.StatusUndelivered, openapi.StatusFailed, openapi.StatusExpired, openapi.StatusCanceled,
		openapi.StatusUnknown:
		return true
	default:
		return false
	}
}

// Wait returns a message as soon as it is final. It asks every quarter of a second
// at first and every 5 seconds at last, and calls each, which may be nil, with every
// state of the message that it sees. Where carriers send no receipts a message stays
// sent: the context, or an error of each, ends the wait. With an error it returns the
// latest state that it has seen; nil: none.
func (c *Client) Wait(ctx context.Context, id string, each func(*Message) error) (*Message, error) {
	const first, last, grow = 250 * time.Millisecond, 5 * time.Second, 1.5
	var seen *Message
	for interval := first; ; interval = min(last, time.Duration(grow*float64(interval))) {
		message, err := c.Get(ctx, id)
		if err != nil {
			return seen, err
		}
		if seen == nil || message.UpdatedAt.After(seen.UpdatedAt) {
			seen, interval = message, first
			if each != nil {
				err = each(message)
			}
		}
		if err != nil || Final(message.Status) {
			return message, err
		}
		if err := pause(ctx, interval); err != nil {
			return message, err
		}
	}
}

// pointer turns a value with an error into one that is nil with an error.
func pointer[T any](value T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return &value, nil
}

// set returns an optional parameter; nil: its zero value is left out.
func set[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// list returns an optional parameter with several values.
func list[T ~string](values []T) *string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = string(value)
	}
	return set(strings.Join(words, ","))
}
