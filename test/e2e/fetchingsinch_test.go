package e2e_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fetchingSinch simulates the MMS API and fetches the media of every call, as Sinch
// does: by a plain GET whose response needs length and type.
type fetchingSinch struct {
	*httptest.Server

	mu      sync.Mutex
	fetched map[string][]fetchedMedia // by recipient, without +
}

// fetchedMedia is what a link gave.
type fetchedMedia struct {
	url, contentType string
	data             []byte
	problem          string // the reason why Sinch could not fetch it
}

func startFetchingSinch(t *testing.T) *fetchingSinch {
	t.Helper()
	f := &fetchingSinch{fetched: map[string][]fetchedMedia{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

// callsTo has the stack call it.
func callsTo(f *fetchingSinch) option { return with("SINCH_BASE_URL", f.URL) }

func (f *fetchingSinch) serve(w http.ResponseWriter, r *http.Request) {
	var call struct {
		To    string `json:"to"`
		Slide []map[string]json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, slide := range call.Slide {
		for _, part := range slide {
			var media struct{ URL string }
			if json.Unmarshal(part, &media) == nil && media.URL != "" {
				got := fetch(media.URL)
				f.mu.Lock()
				f.fetched[call.To] = append(f.fetched[call.To], got)
				f.mu.Unlock()
			}
		}
	}
	fmt.Fprintf(w, `{"status":"Success","to":%q,"tracking-id":"T-%s"}`, call.To, rand.Text())
}

func fetch(url string) fetchedMedia {
	got := fetchedMedia{url: url}
	res, err := http.Get(url) //nolint:forbidigo // a test
	if err != nil {
		got.problem = err.Error()
		return got
	}
	defer res.Body.Close()
	got.data, err = io.ReadAll(res.Body)
	got.contentType = res.Header.Get("Content-Type")
	switch {
	case err != nil:
		got.problem = err.Error()
	case res.StatusCode != http.StatusOK:
		got.problem = res.Status
	case res.ContentLength != int64(len(got.data)):
		got.problem = "no Content-Length"
	case !strings.HasPrefix(http.DetectContentType(got.data), got.contentType):
		got.problem = got.contentType + " is " + http.DetectContentType(got.data)
	}
	return got
}

// of are the media that Sinch fetched for a number.
func (f *fetchingSinch) of(t *testing.T, to string) []fetchedMedia {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.fetched[strings.TrimPrefix(to, "+")]
	for _, one := range all {
		if one.problem != "" {
			t.Errorf("Sinch could not fetch a media of %s: %s", to, one.problem)
		}
	}
	return all
}
