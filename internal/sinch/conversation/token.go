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
// and names no Retry-After, so tries that failed are repeated as Sinch's SDK
// does it: at most three times, after a random time of up to 1 s, 4 s, 16 s.
const (
	tokenRetries  = 3
	tokenBackoff  = time.Second
	tokenGrowth   = 4
	tokenTimeout  = 5 * time.Second  // of one call
	renewTimeout  = 30 * time.Second // of all of them
	renewBefore   = time.Minute      // the end of a token
	renewShare    = 4                // but not more than this part of its life
	assumedExpiry = 5 * time.Minute  // where the answer names none
)

// TokenError says that there is no access token, so that nothing has left.
type TokenError struct {
	Status int    // of the token endpoint's answer; zero: it gave none
	Code   string // OAuth2's word for it; may be empty
	Cause  string // in our own words
}

// Error implements error.
func (e *TokenError) Error() string { return "no access token: " + e.Cause }

// outcome of the call that the token was for: surely not sent. An answer that
// names the credentials or the address is trouble of the account.
func (e *TokenError) outcome() sinch.Outcome {
	o := sinch.Outcome{Kind: sinch.NotSent, Code: sinch.ReasonInternal, SinchCode: e.Code, Detail: e.Error()}
	switch e.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		o.Kind, o.Code = sinch.Account, sinch.ReasonAccount
	}
	return o
}

// again reports whether the endpoint may answer better a little later.
func (e *TokenError) again() bool {
	return e.Status == 0 || e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// token is an access token.
type token struct {
	value  string
	renew  time.Time // from when a new one is asked for
	expiry time.Time // from when it cannot be used
}

// tokens is the access token that all callers share (OAuth2 client credentials,
// RFC 6749, 4.4).
type tokens struct {
	url    string
	basic  string
	client *wire.Client
	now    func() time.Time
	pause  func(ctx context.Context, d time.Duration) // sleeps

	renewal singleflight.Group
	mu      sync.Mutex
	held    token
}

func newTokens(o Options, now func() time.Time) *tokens {
	return &tokens{
		url: o.AuthURL, client: o.Client, now: now, pause: sleep,
		// As they are, like Sinch's SDKs: RFC 6749, 2.3.1, would form-encode both
		// first, which changes nothing in the letters that Sinch's keys are made of.
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

// get returns a token that can be used. One renewal serves all callers; nobody
// waits for it while the old token is good, and it goes on when nobody waits any
// more: the next caller needs it as well. The error is a *TokenError.
func (t *tokens) get(ctx context.Context) (string, error) {
	held, now := t.current(), t.now()
	if now.Before(held.renew) {
		return held.value, nil
	}
	renewed := t.renewal.DoChan("", func() (any, error) { return t.renew() })
	if now.Before(held.expiry) {
		return held.value, nil
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
	return t.held
}

func (t *tokens) hold(fresh token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = fresh
}

// drop forgets a token that was refused, unless another one is held by now.
func (t *tokens) drop(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held.value == value {
		t.held = token{}
	}
}

// renew gets a token and holds it.
func (t *tokens) renew() (token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), renewTimeout)
	defer cancel()
	if held := t.current(); t.now().Before(held.renew) { // it came while this caller was on its way
		return held, nil
	}
	ceiling := tokenBackoff
	for tried := 0; ; tried++ {
		fresh, failed := t.ask(ctx)
		if failed == nil {
			t.hold(fresh)
			return fresh, nil
		}
		if tried == tokenRetries || !failed.again() || ctx.Err() != nil {
			return token{}, failed
		}
		t.pause(ctx, rand.N(ceiling)) //nolint:gosec // spreads calls, nothing secret
		ceiling *= tokenGrowth
	}
}

// answeredToken is what is read of the endpoint's answer, good or bad.
type answeredToken struct {
	AccessToken string     `json:"access_token"`
	ExpiresIn   sinch.Text `json:"expires_in"` // seconds
	Error       sinch.Text `json:"error"`
}

// ask makes one call.
func (t *tokens) ask(ctx context.Context) (token, *TokenError) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	asked := t.now()
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
	return token{value: a.AccessToken, renew: asked.Add(life - min(renewBefore, life/renewShare)), expiry: asked.Add(life)}, nil
}

// maxExpiry bounds what is believed, in seconds, so that nothing overflows.
const maxExpiry = 7 * 24 * 60 * 60

// life is how long the token can be used.
func (a answeredToken) life() time.Duration {
	seconds, err := strconv.ParseInt(string(a.ExpiresIn), 10, 64)
	if err != nil || seconds <= 0 {
		return assumedExpiry
	}
	return time.Duration(min(seconds, maxExpiry)) * time.Second
}

// causeOf is why a call got no answer; a token may be asked for again, so that
// it makes no difference whether the call arrived.
func causeOf(err error) string {
	if unknown, ok := errors.AsType[*wire.UnknownError](err); ok {
		return string(unknown.Cause)
	}
	if notSent, ok := errors.AsType[*wire.NotSentError](err); ok {
		return string(notSent.Cause)
	}
	return "failed"
}

// usable reports whether a token can stand in a header (RFC 6750, 2.1).
func usable(value string) bool {
	for i := range len(value) {
		if value[i] <= ' ' || value[i] > '~' {
			return false
		}
	}
	return value != ""
}
