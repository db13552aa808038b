package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Media looks at the media of a message before it is taken.
type Media interface {
	// Check says of each URL what is wrong with it for good; empty: nothing, or
	// nothing was found out before ctx ended.
	Check(ctx context.Context, scope message.Scope, urls []string) []string
}

// mediaTimeout is how long a caller waits for the hosts of its media. A slower
// one is the worker's to wait for.
const mediaTimeout = 3 * time.Second

// checkMedia refuses a new message with media that cannot be sent. One that is
// known by its reference is answered as ever: its media may be gone by now.
func (a *api) checkMedia(c echo.Context, who Caller, draft message.Draft) error {
	if a.Media == nil || len(draft.Late) > 0 {
		return nil
	}
	// Asked first also without a reference: a caller must not wait for its media
	// only to hear that Redis is down.
	known, err := a.knows(c, who, draft.Content.ClientReference)
	if known || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), mediaTimeout)
	defer cancel()
	var wrong []message.FieldError
	for i, text := range a.Media.Check(ctx, who.Scope, draft.Content.Media) {
		if text != "" {
			wrong = append(wrong, message.FieldError{Field: draft.MediaField(i), Code: message.ProblemInvalid, Message: text})
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	a.rejected(draft)
	return invalid(wrong)
}

// knows reports whether a message has the reference.
func (a *api) knows(c echo.Context, who Caller, ref string) (bool, error) {
	ctx, cancel := a.bounded(c)
	defer cancel()
	_, err := a.Ledger.ByReference(ctx, who.Scope, ref)
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
