package conversation_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestConversationIsLookedUp(t *testing.T) {
	t.Parallel()
	for days, kept := range map[int]bool{0: false, 1: true} {
		t.Run(fmt.Sprintf("kept for %d days", days), func(t *testing.T) {
			t.Parallel()
			s, _ := simtest.StartWithReceiver(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{RetentionDays: days}})
			token := s.AccessToken(t)
			var ids []any
			for i := range 3 {
				got := s.Conversation(t, token, http.MethodPost, sendPath, aSend().With("message_metadata", fmt.Sprintf("msg_%d-1", i)))
				ids = append(ids, got.Fields["message_id"])
			}
			s.Conversation(t, token, http.MethodPost, sendPath, to("0000"))
			all := []any{ids[2], ids[1], ids[0]}
			later := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
			const own = "app_id=app1&channel_identity=12065551212&messages_source=DISPATCH_SOURCE"
			for query, want := range map[string][]any{
				own:                          all,
				own + "&page_size=2":         {ids[2], ids[1]},
				own + "&start_time=" + later: nil,
				own + "&end_time=" + later:   all,
				"app_id=app2&messages_source=DISPATCH_SOURCE":                    nil,
				"app_id=app1&channel_identity=12065551212":                       nil,
				own + "&page_size=2&page_token=1":                                {ids[0]},
				"app_id=app1&channel_identity=1&messages_source=DISPATCH_SOURCE": nil,
			} {
				if !kept {
					want = nil
				}
				got := s.Conversation(t, token, http.MethodGet, project+"/messages?"+query, nil)
				var found []any
				messages, ok := got.Fields["messages"].([]any)
				for _, m := range messages {
					found = append(found, m.(map[string]any)["id"])
				}
				if diff := cmp.Diff(want, found); diff != "" || !ok || got.Status != http.StatusOK {
					t.Errorf("%s: %d (-want +got):\n%s", query, got.Status, diff)
				}
				if next := got.Fields["next_page_token"]; (next != "") != (kept && strings.HasSuffix(query, "page_size=2")) {
					t.Errorf("%s: next page %v", query, next)
				}
			}
			path := fmt.Sprintf("%s/messages/%s?messages_source=DISPATCH_SOURCE", project, ids[1])
			got := s.Conversation(t, token, http.MethodGet, path, nil)
			if (got.Status == http.StatusOK) != kept || kept && got.Fields["metadata"] != "msg_1-1" {
				t.Errorf("one: %d %s", got.Status, got.Raw)
			}
			app := s.Conversation(t, token, http.MethodGet, project+"/apps/app1", nil)
			policy, _ := app.Fields["dispatch_retention_policy"].(map[string]any)
			if policy["ttl_days"] != float64(days) || app.Fields["id"] != "app1" {
				t.Errorf("app: %s", app.Raw)
			}
		})
	}
}

func TestConversationLookupsAreChecked(t *testing.T) {
	t.Parallel()
	s := simtest.StartQuick(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{App: "app1", RetentionDays: 1}})
	token := s.AccessToken(t)
	for path, want := range map[string]string{
		"/messages":                              "NOT_FOUND",
		"/messages?app_id=app2":                  "NOT_FOUND",
		"/messages?app_id=app1&page_size=0":      "INVALID_ARGUMENT",
		"/messages?app_id=app1&page_size=1001":   "INVALID_ARGUMENT",
		"/messages?app_id=app1&page_token=x":     "INVALID_ARGUMENT",
		"/messages?app_id=app1&start_time=today": "INVALID_ARGUMENT",
		"/messages?app_id=app1&page_token=9223372036854775807&messages_source=DISPATCH_SOURCE": "",
		"/messages/01FC66621VHDBN119Z8PMV1QPQ?messages_source=DISPATCH_SOURCE":                 "NOT_FOUND",
		"/apps/app2": "NOT_FOUND",
		"/apps/app1": "",
	} {
		if got := s.Conversation(t, token, http.MethodGet, project+path, nil); got.Code() != want {
			t.Errorf("%s: %d %s, want %q", path, got.Status, got.Raw, want)
		}
	}
}

// A message is not listed before the delay has passed.
func TestConversationListDelay(t *testing.T) {
	t.Parallel()
	s := simtest.StartQuick(t, sinchsim.Options{Conversation: sinchsim.ConversationOptions{RetentionDays: 1, ListDelay: time.Hour}})
	token := s.AccessToken(t)
	got := s.Conversation(t, token, http.MethodPost, sendPath, aSend())
	const query = "?app_id=app1&messages_source=DISPATCH_SOURCE"
	if list := s.Conversation(t, token, http.MethodGet, project+"/messages"+query, nil); len(list.Fields["messages"].([]any)) != 0 {
		t.Errorf("%s is listed: %s", got.Raw, list.Raw)
	}
}
