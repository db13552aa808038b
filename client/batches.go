package client

import (
	"context"

	"mmsdispatch/client/openapi"
)

// The types of batches.
type (
	// Batch is the state of a batch.
	Batch = openapi.Batch
	// BatchRequest is a batch of at most 10,000 messages to send.
	BatchRequest = openapi.BatchRequest
	// BatchItem is a message of a batch, or the defaults of its messages.
	BatchItem = openapi.BatchItem
	// BatchAnswer says what became of each message of a request.
	BatchAnswer = openapi.BatchAnswer
)

// SendBatch submits many messages at once. Each is accepted or rejected on its own:
// the answer has the result of each. Without a ClientReference the batch gets a
// random one, so that retries never send a message twice. After a retry the
// messages that the first try accepted are duplicates.
func (c *Client) SendBatch(ctx context.Context, batch BatchRequest) (*BatchAnswer, error) {
	if batch.ClientReference == "" {
		batch.ClientReference = reference()
	}
	return pointer(Read[BatchAnswer](c.api.CreateBatch(Repeatable(ctx), nil, batch)))
}

// GetBatch returns a batch.
func (c *Client) GetBatch(ctx context.Context, id string) (*Batch, error) {
	return pointer(Read[Batch](c.api.GetBatch(ctx, id, nil)))
}

// CancelBatch takes back what has not begun.
func (c *Client) CancelBatch(ctx context.Context, id string) (*Batch, error) {
	return pointer(Read[Batch](c.api.CancelBatch(Repeatable(ctx), id, nil)))
}

// PauseBatch keeps queued what has not begun, until ResumeBatch.
func (c *Client) PauseBatch(ctx context.Context, id string) (*Batch, error) {
	return pointer(Read[Batch](c.api.PauseBatch(Repeatable(ctx), id, nil)))
}

// ResumeBatch ends a pause of PauseBatch.
func (c *Client) ResumeBatch(ctx context.Context, id string) (*Batch, error) {
	return pointer(Read[Batch](c.api.ResumeBatch(Repeatable(ctx), id, nil)))
}

// ReplayMany sends many messages again in the background, and returns its progress,
// for GetReplay to follow. A request that was perhaps executed is not repeated.
func (c *Client) ReplayMany(ctx context.Context, request openapi.ReplaysRequest) (*openapi.Replay, error) {
	return pointer(Read[openapi.Replay](c.api.CreateReplay(ctx, nil, request)))
}

// GetReplay returns the progress of ReplayMany.
func (c *Client) GetReplay(ctx context.Context, id string) (*openapi.Replay, error) {
	return pointer(Read[openapi.Replay](c.api.GetReplay(ctx, id, nil)))
}
