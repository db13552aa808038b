package conversation

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"mmsdispatch/internal/sinchsim"
)

// tokenIssuer issues access tokens and verifies them without storing them: a token is
// the time of its issue and a signature.
type tokenIssuer struct {
	rng     *sinchsim.RNG
	secret  []byte
	life    time.Duration
	limiter *rate.Limiter

	mu     sync.Mutex
	cutoff time.Time // tokens from before have expired
}

func newTokenIssuer(o sinchsim.ConversationOptions, d *sinchsim.RNG) *tokenIssuer {
	return &tokenIssuer{
		rng: d, secret: []byte(d.Run), life: o.TokenLife, limiter: rate.NewLimiter(rate.Limit(o.TokenRate), o.TokenBurst),
	}
}

func (m *tokenIssuer) issue(now time.Time) string {
	stamp := strconv.FormatInt(now.UnixNano(), 36) + "-" + sinchsim.NewULID(now, m.rng.Next())
	return stamp + "." + m.sign(stamp)
}

func (m *tokenIssuer) sign(stamp string) string {
	mac := hmac.New(sha256.New, m.secret)
	mac.Write([]byte(stamp))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// refusal returns the reason why a token is refused; empty: it is valid.
func (m *tokenIssuer) refusal(token string, now time.Time) string {
	stamp, signature, _ := strings.Cut(token, ".")
	issued, _, _ := strings.Cut(stamp, "-")
	nanos, err := strconv.ParseInt(issued, 36, 64)
	if err != nil || signature != m.sign(stamp) {
		return "The access token is not valid"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := time.Unix(0, nanos); now.Sub(at) >= m.life || at.Before(m.cutoff) {
		return "The access token has expired"
	}
	return ""
}

func (m *tokenIssuer) expire(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cutoff = now
}

// ExpireTokens makes all issued tokens expire.
func (a *api) ExpireTokens() { a.tokens.expire(time.Now()) }

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

type tokenRefusal struct {
	Error string `json:"error"`
}

// token is the token endpoint (OAuth2, client credentials).
func (a *api) token(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIConversation, "token")
	status, refusal := a.checkToken(w, r)
	call.Answer = strconv.Itoa(status)
	a.sim.RecordOther(call)
	switch {
	case status == http.StatusOK:
		sinchsim.Reply{Status: status, Body: sinchsim.Encode(tokenAnswer{
			AccessToken: a.tokens.issue(call.At), TokenType: "bearer", ExpiresIn: int64(a.tokens.life / time.Second),
		})}.Write(w)
	case refusal == "":
		sinchsim.Reply{Status: status}.Write(w)
	default:
		sinchsim.Reply{Status: status, Body: sinchsim.Encode(tokenRefusal{refusal})}.Write(w)
	}
}

// checkToken checks a request for a token: its rate first, then its credentials.
func (a *api) checkToken(w http.ResponseWriter, r *http.Request) (status int, refusal string) {
	body, _ := sinchsim.ReadBody(w, r)
	if !a.tokens.limiter.Allow() {
		return http.StatusTooManyRequests, ""
	}
	o := a.sim.Options().Conversation
	id, secret, _ := r.BasicAuth()
	if !matches(id, o.KeyID) || !matches(secret, o.KeySecret) {
		return http.StatusUnauthorized, "invalid_client"
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("grant_type") != "client_credentials" {
		return http.StatusBadRequest, "unsupported_grant_type"
	}
	return http.StatusOK, ""
}

// matches compares a credential with the configured one; an empty one accepts any.
func matches(given, known string) bool { return given != "" && (known == "" || given == known) }
