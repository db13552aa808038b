package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/replay"
)

// Caller is the tenant and kind that a key belongs to, with the key's scopes and
// rate.
type Caller struct {
	Scope message.Scope
	KeyID string  // names the key in logs; the key cannot be derived from it
	Send  bool    // the key allows POST, PUT and DELETE
	Read  bool    // the key allows GET and HEAD
	Rate  float64 // of the key, in requests a second; 0: that of the service
	Quota ledger.Quota
}

// may reports whether the key's scopes allow a method.
func (c Caller) may(method string) bool {
	if method == http.MethodGet || method == http.MethodHead {
		return c.Read
	}
	return c.Send
}

// ErrUnknownKey is returned for a key that does not exist, has expired or was
// revoked.
var ErrUnknownKey = errors.New("unknown key")

// Keys looks API keys up.
type Keys interface {
	// Identify returns the caller of a key, or ErrUnknownKey.
	Identify(ctx context.Context, key string) (Caller, error)
}

// credential returns the one key of a request, from Authorization or X-Api-Key.
// Two different keys are refused.
func credential(h http.Header) (string, error) {
	keys := slices.Clone(h.Values("X-Api-Key"))
	for _, value := range h.Values(echo.HeaderAuthorization) {
		scheme, key, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", errNoKey()
		}
		keys = append(keys, strings.TrimLeft(key, " "))
	}
	switch {
	case slices.ContainsFunc(keys, func(k string) bool { return k != keys[0] }):
		return "", newProblem(codeUnauthorized, "The request carries keys that disagree; send one.")
	case len(keys) == 0 || keys[0] == "":
		return "", errNoKey()
	default:
		return keys[0], nil
	}
}

func errNoKey() error {
	return newProblem(codeUnauthorized, "A key is needed: Authorization: Bearer KEY, or X-API-Key: KEY.")
}

// privateHandler serves a request with a valid key.
type privateHandler func(c echo.Context, caller Caller) error

// private checks, in this order, the key, its scopes, the form of the id or number
// in the path, and the rate.
func (a *api) private(next privateHandler) echo.HandlerFunc {
	return func(c echo.Context) error {
		caller, err := a.identify(c)
		if err != nil {
			return err
		}
		callOf(c).caller = caller
		if method := c.Request().Method; !caller.may(method) {
			return newProblem(codeForbidden, "This key does not allow "+shortMethod(method)+" requests.")
		}
		if err := a.checkPath(c); err != nil {
			return err
		}
		if err := a.limit(c, caller); err != nil {
			return err
		}
		return next(c, caller)
	}
}

// batchParam is a parameter of paths, keyHeader a request header.
const (
	batchParam = "batchId"
	keyHeader  = "Idempotency-Key"
)

// checkPath refuses a path parameter that is not a valid id or number.
func (a *api) checkPath(c echo.Context) error {
	for _, name := range c.ParamNames() {
		switch name {
		case numberParam:
			if _, ok := a.number(c); !ok {
				return newProblem(codeNotFound, "The path holds no valid phone number (write + as %2B).")
			}
		case "id":
			if _, err := message.ParseID(c.Param(name)); err != nil {
				return ledger.ErrNotFound
			}
		case mediaParam:
			if _, err := mediastore.ParseID(c.Param(name)); err != nil {
				return mediastore.ErrNotFound
			}
		case replayParam:
			if !replay.ValidID(c.Param(name)) {
				return replay.ErrNotFound
			}
		case batchParam:
			if _, err := message.ParseBatchID(c.Param(name)); err != nil {
				return errNoBatch()
			}
		}
	}
	return nil
}

func (a *api) identify(c echo.Context) (Caller, error) {
	key, err := credential(c.Request().Header)
	if err != nil {
		return Caller{}, err
	}
	caller, err := a.Keys.Identify(c.Request().Context(), key)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return Caller{}, newProblem(codeUnauthorized, "The key is not valid.")
	case err != nil:
		return Caller{}, errors.Join(newProblem(codeUnavailable, "The key cannot be checked now."), err)
	default:
		return caller, nil
	}
}
