package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/mediastore"
)

const (
	linkParam = "link"
	// hostedMaxAge bounds for how long caches may answer in place of the service:
	// a deleted media lives on in them.
	hostedMaxAge = time.Hour
	// hostedTimeout bounds the reading of a media from its store.
	hostedTimeout = 10 * time.Second
)

// hostMedia answers a link: to Sinch and to the caller's browsers, without
// credentials. No content can run script there: its type is one of a list, never
// sniffed, and opens in a sandbox.
func (a *api) hostMedia(c echo.Context) error {
	if a.Uploads == nil {
		return echo.ErrNotFound
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	m, err := a.Uploads.Open(ctx, c.Param(linkParam))
	if errors.Is(err, mediastore.ErrNotFound) {
		return echo.ErrNotFound
	}
	if err != nil {
		return err
	}
	content := &lazyContent{size: m.Bytes, load: func() (data []byte, release func(), err error) {
		ctx, cancel := context.WithTimeout(c.Request().Context(), hostedTimeout)
		defer cancel()
		return a.Uploads.Read(ctx, m)
	}}
	defer content.close()
	if c.Request().Method != http.MethodHead {
		if err := content.fill(); err != nil { // before anything is answered
			return err
		}
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, m.Type)
	h.Set("ETag", `"`+m.SHA256+`"`)
	age := min(hostedMaxAge, max(0, time.Until(m.ExpiresAt)))
	h.Set(echo.HeaderCacheControl, "public, immutable, max-age="+strconv.Itoa(int(age.Seconds())))
	h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; sandbox; frame-ancestors 'none'")
	h.Set(echo.HeaderContentDisposition, disposition(m.Type))
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, content)
	return nil
}

// disposition shows pictures, sounds and films, and saves what else a browser would
// hand to another program.
func disposition(contentType string) string {
	kind, _, _ := strings.Cut(contentType, "/")
	switch kind {
	case "image", "audio", "video":
		return "inline"
	default:
		return "attachment"
	}
}

// lazyContent is read only for answers that have a body.
type lazyContent struct {
	bytes.Reader

	size    int64
	load    func() (data []byte, release func(), err error)
	release func()
}

// fill has the bytes loaded.
func (l *lazyContent) fill() error {
	data, release, err := l.load()
	if err != nil {
		return err
	}
	l.release = release
	l.Reset(data)
	return nil
}

// Seek implements io.Seeker. The size is known without the bytes.
func (l *lazyContent) Seek(offset int64, whence int) (int64, error) {
	if l.release == nil {
		if whence == io.SeekEnd {
			return l.size + offset, nil
		}
		return offset, nil
	}
	return l.Reader.Seek(offset, whence) //nolint:wrapcheck // an io.Seeker
}

func (l *lazyContent) close() {
	if l.release != nil {
		l.release()
	}
}
