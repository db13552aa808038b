package client

import (
	"context"
	"io"
	"time"

	"github.com/oapi-codegen/runtime/types"

	"mmsdispatch/client/openapi"
)

// OptOut keeps messages from a number. sender restricts it to one of the service's
// numbers; empty: all of them.
func (c *Client) OptOut(ctx context.Context, number, sender, reason string) (*openapi.Suppression, error) {
	return pointer(Read[openapi.Suppression](
		c.api.PutSuppression(ctx, number, nil, openapi.SuppressionRequest{Reason: reason, Sender: sender})))
}

// OptIn ends an opt-out of OptOut.
func (c *Client) OptIn(ctx context.Context, number, sender string) error {
	return done(c.api.DeleteSuppression(ctx, number, &openapi.DeleteSuppressionParams{Sender: set(sender)}))
}

// SetCallback sets the URL that events are posted to. The first time the answer has
// the secret for NewReceiver.
func (c *Client) SetCallback(ctx context.Context, callback openapi.CallbackRequest) (*openapi.Callback, error) {
	return pointer(Read[openapi.Callback](c.api.PutCallback(ctx, nil, callback)))
}

// Upload stores a file for messages, which name it by its ID or URL. The same file
// again is the same media.
func (c *Client) Upload(ctx context.Context, contentType string, file io.Reader) (*openapi.Media, error) {
	return pointer(Read[openapi.Media](c.api.UploadMediaWithBody(Repeatable(ctx), nil, contentType, file)))
}

// Usage returns the counts of each UTC day between two, of the last 30 days when
// both are zero.
func (c *Client) Usage(ctx context.Context, from, to time.Time) (*openapi.Usage, error) {
	return pointer(Read[openapi.Usage](c.api.GetUsage(ctx, &openapi.GetUsageParams{From: day(from), To: day(to)})))
}

func day(at time.Time) *types.Date {
	if at.IsZero() {
		return nil
	}
	return &types.Date{Time: at}
}
