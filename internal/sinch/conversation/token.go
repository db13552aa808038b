package conversation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// Tokens. The token endpoint has a limit of its own (30 at once, 10 a second)
// and sends no Retry-After, so failed requests are repeated as in Sinch's SDK: at
// most three times, after a random delay of up to 1 s, 4 s, 16 s.
const (
	tokenRetries  = 3
	tokenBackoff  = time.Second
	tokenGrowth   = 4
	tokenTimeout  = 5 * time.Second  // of one call
	renewTimeout  = 30 * time.Second // of all of them
	renewBefore   = time.Minute      // the end of a token
	renewShare    = 4                // but at most this part of its lifetime
	assumedExpiry = 5 * time.Minute  // without an expiry in the response
)

// TokenError means that there is no access token, so the call was not sent.
type TokenError struct {
	Status int    // of the token endpoint's response; zero: no response
	Code   string // OAuth2's error code; may be empty
	Cause  string // contains no text of the response
}

// Error implements error.
func (e *TokenError) Error() string { return "no access token: " + e.Cause }

// outcome is the outcome of the call that needed the token: not sent. A response
// about the credentials or the address counts as an account problem.
func (e *TokenError) outcome() sinch.Outcome {
	o := sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal, SinchCode: e.Code, Detail: e.Error()}
	switch e.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		o.Kind, o.Code = sinch.Account, sinch.ReasonAccount
	}
	return o
}

// retryable reports whether a later request may succeed.
func (e *TokenError) retryable() bool {
	return e.Status == 0 || e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// token is an access token.
type token struct {
	value  string
	renew  time.Time // from when a new one is requested
	expiry time.Time // from when it cannot be used
}

// tokens caches the access token for all callers (OAuth2 client credentials,
// RFC 6749, 4.4). The token source of golang.org/x/oauth2 keeps a lock during a
// renewal, so that a call would wait for a token beyond its deadline.
type tokens struct {
	url    string
	basic  string
	client *wire.Client
	now    func() time.Time
	pause  func(ctx context.Context, d time.Duration) // sleeps

	renewal singleflight.Group
	mu      sync.Mutex
	cached  token
}

func newTokens(o Options, now func() time.Time) *tokens {
	return &tokens{
		url: o.AuthURL, client: o.Client, now: now, pause: sleep,
		// Not form-encoded, like Sinch's SDKs. RFC 6749, 2.3.1, requires it, but it
		// does not change the characters of Sinch's keys.
		basic: "Basic " + base64.StdEncoding.EncodeToString([]byte(o.KeyID+":"+o.KeySecret)),
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// get returns a valid token. One renewal serves all callers. They wait for it only
// once the old token has expired, and it goes on without them, since the next
// call needs the token as well. The error is a *TokenError.
func (t *tokens) get(ctx context.Context) (string, error) {
	cached, now := t.current(), t.now()
	if now.Before(cached.renew) {
		return cached.value, nil
	}
	renewed := t.renewal.DoChan("", func() (any, error) { return t.renew() })
	if now.Before(cached.expiry) {
		return cached.value, nil
	}
	select {
	case got := <-renewed:
		fresh, _ := got.Val.(token)
		return fresh.value, got.Err
	case <-ctx.Done():
		return "", &TokenError{Cause: "not in time"}
	}
}

func (t *tokens) current() token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cached
}

func (t *tokens) put(fresh token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cached = fresh
}

// evict removes a token that was refused, unless another one has replaced it.
func (t *tokens) evict(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cached.value == value {
		t.cached = token{}
	}
}

// renew requests a token and caches it.
func (t *tokens) renew() (token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), renewTimeout)
	defer cancel()
	if cached := t.current(); t.now().Before(cached.renew) { // renewed since get read it
		return cached, nil
	}
	ceiling := tokenBackoff
	for tried := 0; ; tried++ {
		fresh, failed := t.request(ctx)
		if failed == nil {
			t.put(fresh)
			return fresh, nil
		}
		if tried == tokenRetries || !failed.retryable() || ctx.Err() != nil {
			return token{}, failed
		}
		t.pause(ctx, rand.N(ceiling)) //nolint:gosec // spreads calls, nothing secret
		ceiling *= tokenGrowth
	}
}

// answeredToken has the fields of the endpoint's response that are read.
type answeredToken struct {
	AccessToken string     `json:"access_token"`
	ExpiresIn   sinch.Text `json:"expires_in"` // seconds
	Error       sinch.Text `json:"error"`
}

// request makes one call to the token endpoint.
func (t *tokens) request(ctx context.Context) (token, *TokenError) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	requested := t.now()
	res, err := t.client.Do(ctx, wire.Request{
		Method: http.MethodPost, URL: t.url, Body: []byte("grant_type=client_credentials"),
		Header: http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "Authorization": {t.basic},
		},
	})
	if err != nil {
		return token{}, &TokenError{Cause: causeOf(err)}
	}
	var a answeredToken
	if err := json.Unmarshal(res.Body, &a); err != nil {
		a = answeredToken{Error: a.Error}
	}
	if res.Status != http.StatusOK {
		return token{}, &TokenError{Status: res.Status, Code: a.Error.Code(), Cause: fmt.Sprintf("HTTP %d", res.Status)}
	}
	if !usable(a.AccessToken) {
		return token{}, &TokenError{Cause: "unreadable answer"}
	}
	life := a.life()
	return token{value: a.AccessToken, renew: requested.Add(life - min(renewBefore, life/renewShare)), expiry: requested.Add(life)}, nil
}

// maxExpiry bounds the expiry, in seconds, so that no time overflows.
const maxExpiry = 7 * 24 * 60 * 60

// life is the lifetime of the token.
func (a answeredToken) life() time.Duration {
	seconds, err := strconv.ParseInt(string(a.ExpiresIn), 10, 64)
	if err != nil || seconds <= 0 {
		return assumedExpiry
	}
	return time.Duration(min(seconds, maxExpiry)) * time.Second
}

// causeOf is the reason of a missing response. A token can be requested again, so
// it does not matter whether the request arrived.
func causeOf(err error) string {
	if unknown, ok := errors.AsType[*wire.UnknownError](err); ok {
		return string(unknown.Cause)
	}
	if notSent, ok := errors.AsType[*wire.NotSentError](err); ok {
		return string(notSent.Cause)
	}
	return "failed"
}

// usable reports whether a token is valid in a header (RFC 6750, 2.1).
func usable(value string) bool {
	for i := range len(value) {
		if value[i] <= ' ' || value[i] > '~' {
			return false
		}
	}
	return value != ""
}
