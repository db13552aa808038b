package media

import (
	"context"
	"io"
	"net/http"
)

// Download is a complete file.
type Download struct {
	ContentType string // the host's Content-Type
	Data        []byte
	// Plain reports whether Sinch can fetch it as well: the host sends the length and
	// the true type.
	Plain bool
}

// Download fetches a complete file of any type, of at most MaxBytes. Its host need not
// send length or type. The error is an *Error, or that of ctx when it was canceled.
func (f *Fetcher) Download(ctx context.Context, address string) (Download, error) {
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	res, err := f.get(ctx, address)
	if err != nil {
		return Download{}, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode != http.StatusOK:
		return Download{}, &Error{Code: codeOfStatus(res.StatusCode)}
	case res.ContentLength > f.opts.MaxBytes:
		return Download{}, &Error{Code: CodeTooLarge}
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, f.opts.MaxBytes+1))
	switch {
	case err != nil:
		return Download{}, causeOf(ctx, err)
	case int64(len(data)) > f.opts.MaxBytes:
		return Download{}, &Error{Code: CodeTooLarge}
	case len(data) == 0:
		return Download{}, &Error{Code: CodeEmpty}
	}
	claimed, known := formatOf(res.Header.Get("Content-Type"))
	return Download{
		ContentType: res.Header.Get("Content-Type"), Data: data,
		Plain: known && res.ContentLength > 0 && len(res.TransferEncoding) == 0 && claimed.begins(data[:min(len(data), firstBytes)]),
	}, nil
}
