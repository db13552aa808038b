package mms

import (
	"context"
	"net/http"
	"time"
)

const mediaTimeout = 10 * time.Second

// mediaCheck fetches media as Sinch does, which requires a Content-Length.
type mediaCheck struct{ client *http.Client }

func newMediaCheck() *mediaCheck {
	return &mediaCheck{&http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: mediaTimeout}}
}

func (c *mediaCheck) close() { c.client.CloseIdleConnections() }

// slides returns the code of the first media that cannot be copied.
func (c *mediaCheck) slides(ctx context.Context, slides []slide) *refusal {
	for i := range slides {
		for _, p := range slides[i].media() {
			if !c.copies(ctx, p.media.URL) {
				return failure(p.copyCode)
			}
		}
	}
	return nil
}

func (c *mediaCheck) copies(ctx context.Context, address string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return false
	}
	res, err := c.client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK && res.ContentLength >= 0
}
