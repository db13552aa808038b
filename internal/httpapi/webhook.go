package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/sinch/receipt"
)

// WebhookOptions configure how a receipt proves that Sinch sent it. Every
// configured check that applies to its shape must pass.
type WebhookOptions struct {
	Token    string        // in ?token=, for any shape
	Secret   string        // of the HMAC signature, for batches and conversation
	User     string        // basic authentication, for batches
	Password string        //
	MaxAge   time.Duration // of a signature
	Insecure bool          // accept shapes without a configured check
}

// check is one way to authenticate a receipt.
type check string

const (
	checkToken     check = "token"
	checkSignature check = "signature"
	checkBasic     check = "basic"
	checkNone      check = "none" // nothing is configured
)

// checks returns the checks for a shape. A body of unknown shape, or none, must
// pass the check that covers most shapes.
func (o WebhookOptions) checks(shape receipt.Shape) []check {
	var checks []check
	if o.Token != "" {
		checks = append(checks, checkToken)
	}
	unknown := shape == receipt.ShapeUnknown && len(checks) == 0
	if o.Secret != "" && (shape == receipt.ShapeBatches || shape == receipt.ShapeConversation || unknown) {
		checks = append(checks, checkSignature)
		unknown = false
	}
	if o.User != "" && (shape == receipt.ShapeBatches || unknown) {
		checks = append(checks, checkBasic)
	}
	return checks
}

// refusedError names the check that a receipt failed.
type refusedError struct{ check check }

// Error implements error.
func (e refusedError) Error() string { return "receipt fails the check " + string(e.check) }

// admit authenticates a receipt. The nonce is empty for an unsigned one.
func (o WebhookOptions) admit(r *http.Request, body []byte, shape receipt.Shape, now time.Time) (nonce string, err error) {
	checks := o.checks(shape)
	if len(checks) == 0 && !o.Insecure {
		return "", refusedError{checkNone}
	}
	for _, next := range checks {
		passes := false
		switch next {
		case checkToken:
			passes = o.tokenFits(r)
		case checkSignature:
			nonce, err = receipt.Verify(o.Secret, body, r.Header, now, o.MaxAge)
			passes = err == nil
		case checkBasic:
			user, password, _ := r.BasicAuth()
			passes = same(user, o.User) && same(password, o.Password)
		case checkNone:
		}
		if !passes {
			return "", refusedError{next}
		}
	}
	return nonce, nil
}

// tokenFits compares the token of the query. A repeated token never fits: the
// choice between several would be arbitrary.
func (o WebhookOptions) tokenFits(r *http.Request) bool {
	given := r.URL.Query()["token"]
	return len(given) == 1 && same(given[0], o.Token)
}

// same compares in constant time, so that neither the secret nor its length can
// be measured.
func same(given, secret string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// webhooksPath is before the paths of the routes for Sinch.
const webhooksPath = "/webhooks/sinch/"

// webhook handles the posts of Sinch: receipts and inbound messages of all its
// APIs, on either route.
type webhook struct {
	api     *api
	encoded sync.Once // the hint at a token that is not URL-encoded was logged
}

// receive responds 200 once everything in the body is recorded and 503 when it
// cannot be: Sinch never repeats a callback after a 4xx other than 429.
func (h *webhook) receive(c echo.Context) error {
	r, opts := c.Request(), h.api.Webhook
	if opts.Token != "" && !opts.tokenFits(r) { // before anything is read
		h.hintAtEncoding(r)
		return h.refuse(c, receipt.ShapeUnknown, refusedError{checkToken})
	}
	body, over, err := h.api.readBody(c)
	switch {
	case err != nil:
		return err
	case over:
		return tooLarge(bodyMax)
	}
	shape, receipts, unreadable := receipt.Parse(body)
	nonce, err := opts.admit(r, body, shape, h.api.NowFunc())
	if err != nil {
		return h.refuse(c, shape, err)
	}
	if unreadable != nil {
		h.api.Metrics.Receipt(string(shape), "unreadable")
		return newProblem(codeInvalidJSON, "The body is not a JSON object.")
	}
	if err := h.record(r.Context(), shape, receipts, nonce); err != nil {
		h.api.Metrics.Receipt(string(shape), "unavailable")
		return errors.Join(newProblem(codeUnavailable, "The receipt cannot be recorded now; send it again."), err)
	}
	writeJSON(c, http.StatusOK, struct{}{})
	return nil
}

func (h *webhook) refuse(c echo.Context, shape receipt.Shape, err error) error {
	failed, _ := errors.AsType[refusedError](err)
	h.api.Metrics.WebhookRefused(string(shape), string(failed.check))
	if failed.check == checkBasic {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Basic realm="webhooks"`)
	}
	return newProblem(codeUnauthorized, "The receipt does not prove that Sinch sent it.")
}

// record applies the receipts, unless their nonce was used before. The nonce is
// stored last, so that a receipt that failed half-way is applied when Sinch
// repeats it.
func (h *webhook) record(ctx context.Context, shape receipt.Shape, receipts []receipt.Receipt, nonce string) error {
	ctx = context.WithoutCancel(ctx)
	if nonce != "" {
		seen, err := h.seen(ctx, nonce)
		if err != nil {
			return err
		}
		if seen {
			h.api.Metrics.Receipt(string(shape), "repeated")
			return nil
		}
	}
	if len(receipts) == 0 {
		h.api.Metrics.Receipt(string(shape), "ignored")
	}
	for _, one := range receipts {
		if err := h.apply(ctx, one); err != nil {
			return err
		}
	}
	if nonce == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.api.StorageTimeout)
	defer cancel()
	return h.api.Nonces.Put(ctx, nonce)
}

func (h *webhook) apply(ctx context.Context, one receipt.Receipt) error {
	ctx, cancel := context.WithTimeout(ctx, h.api.StorageTimeout)
	defer cancel()
	if one.Kind == receipt.KindInbound {
		result, err := h.api.handleInbound(ctx, one)
		if err == nil {
			h.api.Metrics.Receipt(string(one.Shape), result)
		}
		return err
	}
	result, err := h.api.Receipts.Apply(ctx, one)
	if err != nil {
		return err
	}
	h.api.Metrics.Receipt(string(one.Shape), string(result))
	return nil
}

// seen reports whether a nonce was used before.
func (h *webhook) seen(ctx context.Context, nonce string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, h.api.StorageTimeout)
	defer cancel()
	return h.api.Nonces.Seen(ctx, nonce)
}
