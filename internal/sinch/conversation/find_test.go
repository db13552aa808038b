package conversation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/conversation"
	"mmsdispatch/internal/sinch/wire"
)

var _ sinch.Finder = (*conversation.Provider)(nil)

const ref = "msg_1a2b-1"

// list is a page with messages of the given references.
func list(next string, refs ...string) answer {
	entries := make([]string, 0, len(refs))
	for _, ref := range refs {
		entries = append(entries, fmt.Sprintf(
			`{"id":%q,"metadata":%q,"direction":"TO_CONTACT","channel_identity":{"channel":"MMS","identity":"12065551212"}}`, "id of "+ref, ref))
	}
	return answer{Status: http.StatusOK, Body: fmt.Sprintf(`{"messages":[%s],"next_page_token":%q}`, strings.Join(entries, ","), next)}
}

// keeping is an app that retains dispatched messages for some days.
func keeping(days int) answer {
	return answer{Status: http.StatusOK, Body: fmt.Sprintf(
		`{"id":"app","dispatch_retention_policy":{"retention_type":"MESSAGE_EXPIRE_POLICY","ttl_days":%d}}`, days)}
}

func TestFind(t *testing.T) {
	t.Parallel()
	const noID = `{"messages":[{"metadata":"msg_1a2b-1"}],"next_page_token":""}`
	cases := map[string]struct {
		answers []answer
		id      string // empty: not found
		failed  error  // the query failed: proves nothing
		calls   int
	}{
		"found":                    {[]answer{list("", ref)}, "id of " + ref, nil, 1},
		"found among others":       {[]answer{list("", "msg_1a2b-2", `{"operator":"310150"}`, ref)}, "id of " + ref, nil, 1},
		"found on the second page": {[]answer{list("2", "a"), list("", ref)}, "id of " + ref, nil, 2},
		"found without retention":  {[]answer{list("", ref), keeping(0)}, "id of " + ref, nil, 1},
		"absent":                   {[]answer{list(""), keeping(1)}, "", nil, 2},
		"only others":              {[]answer{list("2", "a"), list("", "msg_1a2b-11"), keeping(7)}, "", nil, 3},
		"nothing is kept":          {[]answer{list(""), keeping(0)}, "", sinch.ErrNotKept, 2},
		"no policy":                {[]answer{list(""), {Status: 200, Body: `{"id":"app"}`}}, "", sinch.ErrNotKept, 2},
		"app unreadable":           {[]answer{list(""), {Status: 200, Body: `<html>`}}, "", conversation.ErrLookup, 2},
		"unknown app":              {[]answer{list(""), {Status: 200, Body: `{}`}}, "", conversation.ErrLookup, 2},
		"app forbidden":            {[]answer{list(""), {Status: 403}}, "", conversation.ErrLookup, 2},
		"odd policy":               {[]answer{list(""), {Status: 200, Body: `{"id":"app","dispatch_retention_policy":7}`}}, "", conversation.ErrLookup, 2},
		"without an end":           {[]answer{list("again", "a")}, "", conversation.ErrLookup, 100},
		"no list":                  {[]answer{{Status: 200, Body: `{"next_page_token":""}`}}, "", conversation.ErrLookup, 1},
		"null list":                {[]answer{{Status: 200, Body: `{"messages":null}`}}, "", conversation.ErrLookup, 1},
		"HTML":                     {[]answer{{Status: 200, Body: "<html>"}}, "", conversation.ErrLookup, 1},
		"cut":                      {[]answer{{Status: 200, Body: `{"messages":[`}}, "", conversation.ErrLookup, 1},
		"entry without id":         {[]answer{{Status: 200, Body: noID}}, "", conversation.ErrLookup, 1},
		"unauthorized":             {[]answer{{Status: 401}}, "", conversation.ErrLookup, 1},
		"not found":                {[]answer{{Status: 404}}, "", conversation.ErrLookup, 1},
		"too fast":                 {[]answer{{Status: 429}}, "", conversation.ErrLookup, 1},
		"unavailable":              {[]answer{{Status: 503}}, "", conversation.ErrLookup, 1},
		"fails on the second page": {[]answer{list("2", "a"), {Status: 500}}, "", conversation.ErrLookup, 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tc.answers...)
			id, found, err := s.provider(t, conversation.Options{}).Find(t.Context(), aCall())
			if id != tc.id || found != (tc.id != "") || !errors.Is(err, tc.failed) || (err == nil) != (tc.failed == nil) {
				t.Errorf("got %q, %t, %v; want %q, %v", id, found, err, tc.id, tc.failed)
			}
			if n := len(s.Requests()); n != tc.calls {
				t.Errorf("%d calls, want %d", n, tc.calls)
			}
		})
	}
}

func aCall() sinch.Call {
	return sinch.Call{Ref: ref, To: "+12065551212", Begun: now.Add(-time.Minute)}
}

// Retention bounds how long absence proves anything, and is read once a minute.
func TestRetention(t *testing.T) {
	t.Parallel()
	s := serve(t, list(""), keeping(2), list(""), list(""), keeping(3))
	clock := now
	p := s.provider(t, conversation.Options{}).At(func() time.Time { return clock })
	find := func(age time.Duration, want error) {
		t.Helper()
		_, found, err := p.Find(t.Context(), sinch.Call{Ref: ref, To: "+12065551212", Begun: clock.Add(-age)})
		if found || !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%s old: found %t, %v; want %v", age, found, err, want)
		}
	}
	find(47*time.Hour, nil)
	find(48*time.Hour, sinch.ErrNotKept)
	clock = clock.Add(time.Minute)
	find(49*time.Hour, nil)
	if n := len(s.Requests()); n != 5 {
		t.Errorf("%d calls, want 3 lists and 2 apps", n)
	}
}

func TestFindRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, list("page/2", "a"), list("", "b"), keeping(1))
	begun := time.Date(2026, 11, 1, 8, 1, 30, 250e6, time.FixedZone("", 2*60*60))
	p := s.provider(t, conversation.Options{})
	if _, found, err := p.Find(t.Context(), sinch.Call{Ref: ref, To: "+12065551212", Begun: begun}); found || err != nil {
		t.Fatalf("found %t, %v", found, err)
	}
	got := s.Requests()
	for n, req := range got[:2] {
		want := url.Values{
			"app_id": {"app"}, "channel_identity": {"12065551212"}, "messages_source": {"DISPATCH_SOURCE"},
			"start_time": {"2026-10-31T06:01:30.250Z"}, "page_size": {"100"},
		}
		if n == 1 {
			want.Set("page_token", "page/2")
		}
		if diff := cmp.Diff(want, req.URL.Query()); diff != "" {
			t.Errorf("page %d (-want +got):\n%s", n, diff)
		}
		if req.Method != http.MethodGet || req.URL.Path != "/v1/projects/project/messages" {
			t.Errorf("page %d: %s %s", n, req.Method, req.URL.Path)
		}
	}
	if app := got[2]; app.Method != http.MethodGet || app.RequestURI != "/v1/projects/project/apps/app" {
		t.Errorf("%s %s", app.Method, app.RequestURI)
	}
	for _, req := range got {
		if got := req.Header.Get("Authorization"); got != "Bearer token-1" {
			t.Errorf("authorization %q", got)
		}
	}
}

// Absence proves nothing when the clocks differ; a message that is found does.
func TestFindWithClocksThatDiffer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		skew  time.Duration
		refs  []string
		found bool
		fails bool
	}{
		"a little, absent": {-15 * time.Second, nil, false, false},
		"ahead, absent":    {2 * time.Minute, []string{"other"}, false, true},
		"behind, absent":   {-2 * time.Minute, nil, false, true},
		"behind, found":    {-2 * time.Minute, []string{ref}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := list("", tc.refs...)
			a.Header = http.Header{"Date": {time.Now().Add(tc.skew).UTC().Format(http.TimeFormat)}}
			_, found, err := serve(t, a, keeping(1)).provider(t, conversation.Options{}).Find(t.Context(), aCall())
			if _, ok := errors.AsType[*sinch.SkewError](err); found != tc.found || ok != tc.fails || ok != (err != nil) {
				t.Errorf("found %t, %v; want %t, skewed %t", found, err, tc.found, tc.fails)
			}
		})
	}
}

// Errors of a lookup are logged: they contain neither its address nor credentials.
func TestFindErrors(t *testing.T) {
	t.Parallel()
	client := wire.New(wire.Options{})
	t.Cleanup(client.Close)
	p := conversation.New(conversation.Options{
		BaseURL: "http://127.0.0.1:1", AuthURL: "http://127.0.0.1:1/secret", ProjectID: "project-secret", AppID: "app-secret",
		KeyID: "key-secret", KeySecret: "key-secret", Client: client,
	}).Pausing(func(context.Context, time.Duration) {})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{"refused": t.Context(), "canceled": over} {
		_, found, err := p.Find(ctx, aCall())
		if !errors.Is(err, conversation.ErrLookup) || found {
			t.Fatalf("%s: found %t, %v", name, found, err)
		}
		for _, secret := range []string{"secret", "127.0.0.1", "msg_1a2b", "1206"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %q is in %q", name, secret, err)
			}
		}
	}
}
