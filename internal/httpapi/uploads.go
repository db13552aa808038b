package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
)

const (
	mediaParam = "mediaId"
	fileField  = "file" // in the problems of an upload
	// uploadMax is the limit of a file, in bytes, and uploadAround what multipart
	// may put around it.
	uploadMax    = 20 << 20
	uploadAround = 64 << 10
	// uploadTimeout bounds the writing of a file to its store.
	uploadTimeout = 20 * time.Second
)

var (
	// ErrMediaType says that a file is none that an MMS carries or that can be made
	// into one.
	ErrMediaType = errors.New("file of an unsupported type")
	// ErrMediaPixels says that a picture is too large to be decoded.
	ErrMediaPixels = errors.New("picture of too many pixels")
)

// Uploads keeps media of callers.
type Uploads interface {
	// Upload keeps a file, or finds the media that has its bytes. claimed is its
	// content type as the caller says. The error is ErrMediaType,
	// ErrMediaPixels, or one of mediastore.
	Upload(ctx context.Context, scope message.Scope, claimed string, file []byte) (m mediastore.Media, existed bool, err error)
	Get(ctx context.Context, scope message.Scope, id string) (mediastore.Media, error)
	Delete(ctx context.Context, scope message.Scope, id string) error
	// Reserve keeps a media for a message that is sent at next, or now if that is
	// zero. It is mediastore.ErrNotFound for a deleted one.
	Reserve(ctx context.Context, scope message.Scope, id string, next time.Time) error
	Link(m mediastore.Media) string

	// Open finds the media of a link by its last segment.
	Open(ctx context.Context, name string) (mediastore.Media, error)
	// Read returns the bytes of a media, which are in use until release is called.
	Read(ctx context.Context, m mediastore.Media) (data []byte, release func(), err error)
}

// mediaResource is an uploaded media as the caller sees it.
type mediaResource struct {
	ID        string `json:"id"`
	URL       string `json:"url"`
	Type      string `json:"type"`
	Bytes     int64  `json:"bytes"`
	Width     *int   `json:"width"`
	Height    *int   `json:"height"`
	SHA256    string `json:"sha256"`
	ExpiresAt string `json:"expiresAt"`
}

func (a *api) showMedia(m mediastore.Media) mediaResource {
	shown := mediaResource{
		ID: m.ID, URL: a.Uploads.Link(m), Type: m.Type, Bytes: m.Bytes, SHA256: m.SHA256, ExpiresAt: m.ExpiresAt.Format(timeLayout),
	}
	if m.Width > 0 {
		shown.Width, shown.Height = &m.Width, &m.Height
	}
	return shown
}

// invalidFile is the problem of an upload that breaks a rule.
func invalidFile(code message.ProblemCode, text string) error {
	return invalid([]message.FieldError{{Field: fileField, Code: code, Message: text}})
}

func errNoHosting() error {
	return newProblem(codeUnavailable, "This service hosts no media: neither PUBLIC_URL nor SINCH_CALLBACK_URL is set.")
}

func (a *api) uploadMedia(c echo.Context, caller Caller) error {
	if a.Uploads == nil {
		return errNoHosting()
	}
	claimed, file, err := a.readFile(c)
	if err != nil {
		return err
	}
	if query := readQuery(c.Request()); len(query.problems) > 0 {
		return invalid(query.problems)
	}
	if len(file) == 0 {
		return invalidFile(message.ProblemRequired, "the file is empty")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), uploadTimeout)
	defer cancel()
	m, existed, err := a.Uploads.Upload(ctx, caller.Scope, claimed, file)
	switch {
	case errors.Is(err, ErrMediaPixels):
		return invalidFile(message.ProblemTooLong, "the picture has more than 50 megapixels")
	case errors.Is(err, ErrMediaType):
		return newProblem(codeMediaType, "The file is none that an MMS carries, or that can be made into one.")
	case err != nil:
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/v1/media/"+m.ID)
	status := http.StatusCreated
	if existed {
		status = http.StatusOK
	}
	writeJSON(c, status, a.showMedia(m))
	return nil
}

// readFile reads an upload: the whole body, or the one file of a multipart body.
func (a *api) readFile(c echo.Context) (claimed string, file []byte, err error) {
	header := c.Request().Header
	claimed = header.Get(echo.HeaderContentType)
	kind, parameters, failed := mime.ParseMediaType(claimed)
	if header.Get(echo.HeaderContentEncoding) != "" || claimed != "" && failed != nil {
		return "", nil, newProblem(codeMediaType,
			"The body must be a file with its content type, or multipart/form-data, and not compressed.")
	}
	isForm, limit := kind == echo.MIMEMultipartForm, int64(uploadMax)
	if isForm {
		limit += uploadAround
	}
	body, over, err := a.readBodyAt(c, limit, func(n int64) int64 { return 2 * n })
	switch {
	case err != nil:
		return "", nil, err
	case over:
		return "", nil, tooLarge(uploadMax)
	case !isForm:
		return claimed, body, nil
	}
	claimed, file, err = onlyFile(body, parameters["boundary"])
	if len(file) > uploadMax {
		return "", nil, tooLarge(uploadMax)
	}
	return claimed, file, err
}

// onlyFile takes the one file out of a multipart body.
func onlyFile(body []byte, boundary string) (claimed string, file []byte, err error) {
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	found := false
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) && found {
			return claimed, file, nil
		}
		if err != nil {
			return "", nil, invalidFile(message.ProblemRequired, "a multipart body with one file is required")
		}
		if part.FileName() == "" || found {
			return "", nil, invalidFile(message.ProblemTooMany, "one file and nothing else is taken")
		}
		found, claimed = true, part.Header.Get(echo.HeaderContentType)
		if file, err = io.ReadAll(part); err != nil {
			return "", nil, newProblem(codeInvalidJSON, "The body could not be read to its end.")
		}
	}
}

func (a *api) getMedia(c echo.Context, caller Caller) error {
	if query := readQuery(c.Request()); len(query.problems) > 0 {
		return invalid(query.problems)
	}
	if a.Uploads == nil {
		return mediastore.ErrNotFound
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	m, err := a.Uploads.Get(ctx, caller.Scope, c.Param(mediaParam))
	if err != nil {
		return err
	}
	writeJSON(c, http.StatusOK, a.showMedia(m))
	return nil
}

func (a *api) deleteMedia(c echo.Context, caller Caller) error {
	if err := a.readNothing(c); err != nil {
		return err
	}
	if a.Uploads == nil {
		return mediastore.ErrNotFound
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	if err := a.Uploads.Delete(ctx, caller.Scope, c.Param(mediaParam)); err != nil {
		return err
	}
	c.Response().WriteHeader(http.StatusNoContent)
	return nil
}

// reserveMedia keeps the uploads that a new message names, and refuses it if there
// are none such. A message that is known by its reference is answered as ever.
func (a *api) reserveMedia(c echo.Context, caller Caller, draft message.Draft) error {
	if !slices.ContainsFunc(draft.Content.Media, message.IsMediaID) || len(draft.Late) > 0 {
		return nil
	}
	if known, err := a.exists(c, caller, draft.Content.ClientReference); known || err != nil {
		return err
	}
	ctx, cancel := a.bounded(c)
	defer cancel()
	wrong, err := newReservation(a.Uploads, caller.Scope).reserve(ctx, draft)
	if err != nil || len(wrong) == 0 {
		return err
	}
	a.rejected(draft)
	return invalid(wrong)
}

// reservation keeps uploads for messages, each upload once for all messages that
// need it no longer.
type reservation struct {
	uploads Uploads
	scope   message.Scope
	known   map[string]reserved
}

type reserved struct {
	until   time.Time // the latest sendAt it is kept for
	unknown bool
}

func newReservation(uploads Uploads, scope message.Scope) *reservation {
	return &reservation{uploads: uploads, scope: scope, known: make(map[string]reserved)}
}

// reserve returns what is wrong with the uploads of a message.
func (r *reservation) reserve(ctx context.Context, draft message.Draft) (wrong []message.FieldError, err error) {
	for i, entry := range draft.Content.Media {
		if !message.IsMediaID(entry) {
			continue
		}
		unknown, err := r.keep(ctx, entry, draft.Content.SendAt)
		if err != nil {
			return nil, err
		}
		if unknown {
			wrong = append(wrong, message.UnknownMedia(draft.MediaField(i)))
		}
	}
	return wrong, nil
}

func (r *reservation) keep(ctx context.Context, id string, next time.Time) (unknown bool, err error) {
	before, ok := r.known[id]
	if ok && (before.unknown || !next.After(before.until)) {
		return before.unknown, nil
	}
	err = mediastore.ErrNotFound
	if r.uploads != nil {
		err = r.uploads.Reserve(ctx, r.scope, id, next)
	}
	unknown = errors.Is(err, mediastore.ErrNotFound)
	if err != nil && !unknown {
		return false, err
	}
	r.known[id] = reserved{until: next, unknown: unknown}
	return unknown, nil
}
