package batches_test

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
	"mmsdispatch/internal/sinch/batches"
	"mmsdispatch/internal/sinch/wire"
)

var _ sinch.Finder = (*batches.Provider)(nil)

// list is a page with batches of the given references.
func list(count int, refs ...string) answer {
	entries := make([]string, 0, len(refs))
	for _, ref := range refs {
		entries = append(entries, fmt.Sprintf(`{"id":"id of %s","client_reference":%q,"to":["12065551212"]}`, ref, ref))
	}
	return answer{Status: http.StatusOK, Body: fmt.Sprintf(`{"count":%d,"page":0,"page_size":%d,"batches":[%s]}`,
		count, len(refs), strings.Join(entries, ","))}
}

func others(n int) []string {
	refs := make([]string, 0, n)
	for i := range n {
		refs = append(refs, fmt.Sprintf("msg_other-%d", i))
	}
	return refs
}

func TestFind(t *testing.T) {
	t.Parallel()
	const (
		ref  = "msg_1a2b-1"
		noID = `{"count":1,"batches":[{"client_reference":"msg_1a2b-1"}]}`
	)
	cases := map[string]struct {
		answers []answer
		id      string // empty: not found
		failed  bool   // the query failed: proves nothing
		pages   int
	}{
		"found":                      {[]answer{list(1, ref)}, "id of " + ref, false, 1},
		"found among others":         {[]answer{list(3, "msg_1a2b-2", "msg_1a2b-11", ref)}, "id of " + ref, false, 1},
		"found on the second page":   {[]answer{list(101, others(100)...), list(101, ref)}, "id of " + ref, false, 2},
		"found on small pages":       {[]answer{list(3, "a"), list(3, "b"), list(3, ref)}, "id of " + ref, false, 3},
		"absent":                     {[]answer{list(0)}, "", false, 1},
		"only others":                {[]answer{list(1, "msg_1a2b-11")}, "", false, 1},
		"only others on small pages": {[]answer{list(2, "a"), list(2, "b"), list(2)}, "", false, 2},
		"no reference":               {[]answer{{Status: 200, Body: `{"count":1,"batches":[{"id":"x"}]}`}}, "", false, 1},
		"shorter than its count":     {[]answer{list(2, "a"), list(2)}, "", true, 2},
		"empty in spite of a count":  {[]answer{list(1)}, "", true, 1},
		"without an end":             {[]answer{list(1<<30, "a")}, "", true, 100},
		"no list":                    {[]answer{{Status: 200, Body: `{"count":0}`}}, "", true, 1},
		"null list":                  {[]answer{{Status: 200, Body: `{"count":0,"batches":null}`}}, "", true, 1},
		"HTML":                       {[]answer{{Status: 200, Body: "<html>"}}, "", true, 1},
		"cut":                        {[]answer{{Status: 200, Body: `{"count":0,"batches":[`}}, "", true, 1},
		"entry without id":           {[]answer{{Status: 200, Body: noID}}, "", true, 1},
		"unauthorized":               {[]answer{{Status: 401}}, "", true, 1},
		"not found":                  {[]answer{{Status: 404}}, "", true, 1},
		"too fast":                   {[]answer{{Status: 429}}, "", true, 1},
		"unavailable":                {[]answer{{Status: 503}}, "", true, 1},
		"moved":                      {[]answer{{Status: 302, Header: http.Header{"Location": {"/"}}}}, "", true, 1},
		"fails on the second page":   {[]answer{list(101, others(100)...), {Status: 500}}, "", true, 2},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tc.answers...)
			id, found, err := s.provider(t, batches.Options{Plan: "plan"}).Find(t.Context(), sinch.Call{Ref: ref, Begun: now})
			if id != tc.id || found != (tc.id != "") || (err != nil) != tc.failed {
				t.Errorf("got %q, %t, %v; want %q, failed %t", id, found, err, tc.id, tc.failed)
			}
			if n := len(s.Requests()); n != tc.pages {
				t.Errorf("%d pages were requested, want %d", n, tc.pages)
			}
		})
	}
}

func TestFindRequests(t *testing.T) {
	t.Parallel()
	s := serve(t, list(2, "a"), list(2, "b"))
	begun := time.Date(2026, 10, 30, 8, 1, 30, 250e6, time.FixedZone("", 2*60*60))
	p := s.provider(t, batches.Options{Plan: "plan", Token: "token-secret"})
	if _, found, err := p.Find(t.Context(), sinch.Call{Ref: "msg_1a2b-1", Begun: begun}); found || err != nil {
		t.Fatalf("found %t, %v", found, err)
	}
	for n, req := range s.Requests() {
		want := url.Values{
			"client_reference": {"msg_1a2b-1"}, "start_date": {"2026-10-29T06:01:30.250Z"},
			"page": {fmt.Sprint(n)}, "page_size": {"100"},
		}
		if diff := cmp.Diff(want, req.URL.Query()); diff != "" {
			t.Errorf("page %d (-want +got):\n%s", n, diff)
		}
		if req.Method != http.MethodGet || req.URL.Path != "/xms/v1/plan/batches" {
			t.Errorf("page %d: %s %s", n, req.Method, req.URL.Path)
		}
		if got := req.Header.Get("Authorization"); got != "Bearer token-secret" {
			t.Errorf("page %d: authorization %q", n, got)
		}
	}
}

// Absence proves nothing when the clocks differ; a batch that is found does.
func TestFindWithClocksThatDiffer(t *testing.T) {
	t.Parallel()
	const ref = "msg_1a2b-1"
	for name, tc := range map[string]struct {
		skew   time.Duration
		listed []string
		found  bool
		fails  bool
	}{
		"a little, absent": {15 * time.Second, nil, false, false},
		"ahead, absent":    {2 * time.Minute, nil, false, true},
		"behind, absent":   {-2 * time.Minute, []string{"other"}, false, true},
		"ahead, found":     {2 * time.Minute, []string{ref}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := list(len(tc.listed), tc.listed...)
			a.Header = http.Header{"Date": {time.Now().Add(tc.skew).UTC().Format(http.TimeFormat)}}
			_, found, err := serve(t, a).provider(t, batches.Options{}).Find(t.Context(), sinch.Call{Ref: ref, Begun: now})
			skewed, ok := errors.AsType[*sinch.SkewError](err)
			if found != tc.found || ok != tc.fails || ok != (err != nil) {
				t.Fatalf("found %t, %v; want %t, skewed %t", found, err, tc.found, tc.fails)
			}
			if ok && (skewed.Skew > 0) != (tc.skew > 0) {
				t.Errorf("skew %s, want about %s", skewed.Skew, tc.skew)
			}
		})
	}
}

// Errors of a lookup are logged: they contain neither its address nor credentials.
func TestFindErrors(t *testing.T) {
	t.Parallel()
	client := wire.New(wire.Options{})
	t.Cleanup(client.Close)
	p := batches.New(batches.Options{BaseURL: "http://127.0.0.1:1", Plan: "plan-secret", Token: "token-secret", Client: client})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{"refused": t.Context(), "canceled": over} {
		_, found, err := p.Find(ctx, sinch.Call{Ref: "msg_1a2b-1", Begun: now})
		if err == nil || found {
			t.Fatalf("%s: found %t, %v", name, found, err)
		}
		for _, secret := range []string{"secret", "127.0.0.1", "msg_1a2b"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %q is in %q", name, secret, err)
			}
		}
	}
}
