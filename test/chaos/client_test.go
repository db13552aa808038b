package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// requestTimeout is longer than an api that runs may take.
const requestTimeout = 4 * time.Second

// answer is what an HTTP server said.
type answer struct {
	status int
	body   []byte
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// exchange makes one request, with a body as JSON unless it is nil.
func exchange(ctx context.Context, client *http.Client, method, target string, body any, headers ...string) (answer, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, text}, err
}

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

// call asks one api.
func (s *stack) call(ctx context.Context, api *process, method, path string, body any) (answer, error) {
	return exchange(ctx, s.client, method, api.base+path, body, "Authorization", "Bearer "+s.key)
}

// post hands a message over.
func (s *stack) post(ctx context.Context, api *process, m message) (answer, error) {
	return s.call(ctx, api, http.MethodPost, "/v1/messages", m)
}

// message is what a caller sends.
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
		To: number(), Text: "Your order has left.", MediaURL: "https://media.example.com/photo.jpg",
		Reference: reference, Priority: priority,
	}
}

// number is a number of its own: valid in the United States, and with last
// digits that mean nothing to the simulator. They repeat after a few million.
func number() string {
	n := numbers.Add(1)
	return fmt.Sprintf("+1206%03d%04d", 300+n/7000%600, 1000+n%7000)
}

var numbers atomic.Int64

// get reads a message.
func (s *stack) get(ctx context.Context, api *process, id string) (resource, error) {
	got, err := s.call(ctx, api, http.MethodGet, "/v1/messages/"+id, nil)
	if err != nil {
		return resource{}, err
	}
	var r resource
	if got.status != http.StatusOK {
		return r, fmt.Errorf("message %s: %s", id, got)
	}
	err = json.Unmarshal(got.body, &r)
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
	if got.status != http.StatusOK {
		return nil, fmt.Errorf("reference %s: %s", reference, got)
	}
	err = json.Unmarshal(got.body, &list)
	return list.Data, err
}

// send hands a message over to the first api, which has to accept it.
func (s *stack) send(m message) string {
	s.t.Helper()
	var r resource
	await(s.t, "202", patience, func() (bool, string) {
		got, err := s.post(s.t.Context(), s.apis[0], m)
		if err != nil || (got.status != http.StatusAccepted && got.status != http.StatusOK) {
			return false, fmt.Sprint(got, err)
		}
		if err := json.Unmarshal(got.body, &r); err != nil {
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
	await(s.t, fmt.Sprint(id, " ", states), atMost, func() (bool, string) {
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
