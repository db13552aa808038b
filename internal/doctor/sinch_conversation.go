package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"mmsdispatch/internal/sinch/wire"
)

// checkConversation requests a token and reads the app.
func (e *examination) checkConversation(ctx context.Context, n *findings, base string) {
	token := e.requestToken(ctx, n)
	if token == "" {
		return
	}
	answer, ok := e.call(ctx, n, wire.Request{
		Method: http.MethodGet,
		URL: base + "/v1/projects/" + url.PathEscape(string(e.cfg.Sinch.ProjectID)) +
			"/apps/" + url.PathEscape(string(e.cfg.Sinch.AppID)),
		Header: http.Header{"Authorization": {"Bearer " + token}},
	})
	if !ok {
		return
	}
	var app conversationApp
	if answer.Status != http.StatusOK {
		n.note(host(base), byStatus(answer.Status, "SINCH_PROJECT_ID and SINCH_APP_ID"))
		return
	}
	if err := json.Unmarshal(answer.Body, &app); err != nil || app.Channels == nil {
		n.note(host(base), unexpected(unexpectedFix))
		return
	}
	n.ok(host(base) + " knows the app")
	app.judge(n)
}

// requestToken exchanges the access key for a token; empty: it failed.
func (e *examination) requestToken(ctx context.Context, n *findings) string {
	endpoint := string(e.cfg.Sinch.AuthURL)
	credentials := string(e.cfg.Sinch.KeyID) + ":" + e.cfg.Sinch.KeySecret.Reveal()
	answer, ok := e.call(ctx, n, wire.Request{
		Method: http.MethodPost,
		URL:    endpoint,
		Header: http.Header{
			"Content-Type":  {"application/x-www-form-urlencoded"},
			"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))},
		},
		Body: []byte("grant_type=client_credentials"),
	})
	if !ok {
		return ""
	}
	var got struct {
		Token string `json:"access_token"`
	}
	switch {
	case answer.Status == http.StatusBadRequest: // OAuth's other way to refuse a client (RFC 6749, 5.2)
		n.note(host(endpoint), byStatus(http.StatusUnauthorized, "SINCH_KEY_ID and SINCH_KEY_SECRET"))
	case answer.Status != http.StatusOK:
		n.note(host(endpoint), byStatus(answer.Status, "SINCH_KEY_ID and SINCH_KEY_SECRET"))
	case json.Unmarshal(answer.Body, &got) != nil || got.Token == "":
		n.note(host(endpoint), unexpected("check SINCH_AUTH_URL"))
	default:
		n.ok(host(endpoint) + " accepts the access key")
	}
	return got.Token
}

// conversationApp has the fields of an app that are read
// (developers.sinch.com, Conversation API reference, Get an app).
type conversationApp struct {
	Channels []struct {
		Channel string          `json:"channel"`
		State   json.RawMessage `json:"state"` // {"status": …}
	} `json:"channel_credentials"`
	DispatchRetention struct {
		TTLDays int `json:"ttl_days"`
	} `json:"dispatch_retention_policy"`
}

func (a conversationApp) judge(n *findings) {
	a.judgeChannel(n)
	days := a.DispatchRetention.TTLDays
	if days < 1 {
		n.warn("the app keeps no dispatched messages (dispatch_retention_policy.ttl_days 0): a call of unknown outcome cannot be looked up",
			"set ttl_days of the app's dispatch retention policy to 1 or more")
		return
	}
	n.ok(fmt.Sprintf("the app keeps dispatched messages for %d days, so calls can be looked up", days))
}

func (a conversationApp) judgeChannel(n *findings) {
	for _, c := range a.Channels {
		if c.Channel != "MMS" {
			continue
		}
		var state struct {
			Status string `json:"status"`
		}
		if err := json.Unmarshal(c.State, &state); err != nil || state.Status == "" || strings.EqualFold(state.Status, "ACTIVE") {
			n.ok("the app has the channel MMS")
			return
		}
		n.warn("the app's channel MMS is not active", "look at the channel in Sinch's dashboard, or contact Sinch")
		return
	}
	n.fail("the app has no channel MMS", "set the channel up in Sinch's dashboard, or contact Sinch")
}
