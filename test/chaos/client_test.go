package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"mmsdispatch/test/harness"
)

// requestTimeout is longer than a running api needs for any response.
const requestTimeout = 4 * time.Second

// resource is a message as the api shows it.
type resource struct {
	ID       string  `json:"id"`
	Status   string  `json:"status"`
	Attempts int     `json:"attempts"`
	SinchID  *string `json:"sinchId"`
	Timeline []struct {
		Status string `json:"status"`
		Detail string `json:"detail"`
	} `json:"timeline"`
}

func (r resource) String() string {
	return fmt.Sprintf("%s %s after %d attempts: %v", r.ID, r.Status, r.Attempts, r.Timeline)
}

// call makes a request of one api.
func (s *stack) call(ctx context.Context, api *process, method, path string, body any) (harness.Answer, error) {
	return s.client.Do(ctx, method, api.base+path, body, harness.Bearer(s.key))
}

// post sends a message to one api.
func (s *stack) post(ctx context.Context, api *process, m message) (harness.Answer, error) {
	return s.call(ctx, api, http.MethodPost, "/v1/messages", m)
}

// message is a request body of POST /v1/messages.
type message struct {
	To        string `json:"to"`
	Text      string `json:"text"`
	MediaURL  string `json:"mediaUrl"`
	Reference string `json:"clientReference"`
	Priority  string `json:"priority"`
}

// newMessage makes a message for a number of its own.
func newMessage(reference, priority string) message {
	return message{
		To: numberPool.Next(), Text: "Your order has left.", MediaURL: "https://media.example.com/photo.jpg",
		Reference: reference, Priority: priority,
	}
}

// get reads a message.
func (s *stack) get(ctx context.Context, api *process, id string) (resource, error) {
	got, err := s.call(ctx, api, http.MethodGet, "/v1/messages/"+id, nil)
	if err != nil {
		return resource{}, err
	}
	var r resource
	if got.Status != http.StatusOK {
		return r, fmt.Errorf("message %s: %s", id, got)
	}
	err = json.Unmarshal(got.Body, &r)
	return r, err
}

// find looks a message up by its reference.
func (s *stack) find(ctx context.Context, api *process, reference string) ([]resource, error) {
	got, err := s.call(ctx, api, http.MethodGet, "/v1/messages?clientReference="+url.QueryEscape(reference), nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Data []resource `json:"data"`
	}
	if got.Status != http.StatusOK {
		return nil, fmt.Errorf("reference %s: %s", reference, got)
	}
	err = json.Unmarshal(got.Body, &list)
	return list.Data, err
}

// send sends a message to the first api until it is accepted.
func (s *stack) send(m message) string {
	s.t.Helper()
	var r resource
	harness.Await(s.t, "202", harness.Patience, func() (bool, string) {
		got, err := s.post(s.t.Context(), s.apis[0], m)
		if err != nil || (got.Status != http.StatusAccepted && got.Status != http.StatusOK) {
			return false, fmt.Sprint(got, err)
		}
		if err := json.Unmarshal(got.Body, &r); err != nil {
			s.t.Fatal(err)
		}
		return true, ""
	})
	return r.ID
}

// awaitStatus waits until the first api shows a message in one of some states.
func (s *stack) awaitStatus(id string, atMost time.Duration, states ...string) resource {
	s.t.Helper()
	var r resource
	harness.Await(s.t, fmt.Sprint(id, " ", states), atMost, func() (bool, string) {
		var err error
		r, err = s.get(s.t.Context(), s.apis[0], id)
		for _, state := range states {
			if err == nil && r.Status == state {
				return true, ""
			}
		}
		return false, fmt.Sprint(r, err)
	})
	return r
}
