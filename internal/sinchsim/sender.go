package sinchsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxDrained is the maximum of a response that is read to keep the connection.
const maxDrained = 64 << 10

// CallbackSender delivers receipts to the receiver.
type CallbackSender struct {
	deliver func(ctx context.Context, r Receipt) error // in process; nil: over HTTP
	client  *http.Client
	sign    func(header http.Header, body []byte) // may be nil
}

// NewCallbackSender keeps at most width connections to a receiver, as Sinch does.
func NewCallbackSender(deliver func(context.Context, Receipt) error, width int, sign func(http.Header, []byte)) *CallbackSender {
	return &CallbackSender{
		deliver: deliver,
		sign:    sign,
		client: &http.Client{
			Transport:     &http.Transport{MaxConnsPerHost: width, MaxIdleConnsPerHost: width},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *CallbackSender) post(ctx context.Context, r Receipt) (int, error) {
	if c.deliver != nil {
		if err := c.deliver(ctx, r); err != nil {
			return 0, err
		}
		return http.StatusOK, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return 0, errors.New("callback url cannot be used")
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if c.sign != nil {
		c.sign(req.Header, r.Body)
	}
	res, err := c.client.Do(req)
	if err != nil {
		// The error omits the URL, which may contain a token.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return 0, fmt.Errorf("post receipt: %w", err)
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxDrained)
	_ = res.Body.Close()
	return res.StatusCode, nil
}

// Close closes idle connections.
func (c *CallbackSender) Close() { c.client.CloseIdleConnections() }
