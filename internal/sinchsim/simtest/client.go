package simtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mmsdispatch/internal/sinchsim"
)

// Answer is a response as the client gets it.
type Answer struct {
	Status int
	Header http.Header
	Raw    []byte
	Fields map[string]any // of a JSON object; nil for any other body
}

// Code returns the name of an error of the Conversation API.
func (a Answer) Code() string {
	detail, _ := a.Fields["error"].(map[string]any)
	name, _ := detail["status"].(string)
	return name
}

// Call makes one request over its own connection.
func Call(ctx context.Context, method, url string, header http.Header, body []byte) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	req.Header = header
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	a := Answer{Status: res.StatusCode, Header: res.Header, Raw: raw}
	if json.Unmarshal(raw, &a.Fields) != nil {
		a.Fields = nil
	}
	return a, err
}

// Serve makes one request without a network. The path of target may be invalid.
func Serve(h http.Handler, method, target string, header http.Header, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// SendMMS makes a request of the MMS API.
func (s *Server) SendMMS(t *testing.T, v any) Answer {
	t.Helper()
	return s.do(t, http.MethodPost, MMSPath, MMSHeader(), JSON(t, v))
}

// Batches makes a request of the SMS REST API, with a body unless v is nil.
func (s *Server) Batches(t *testing.T, method, path string, v any) Answer {
	t.Helper()
	return s.do(t, method, "/xms/v1/"+Plan+path, BearerHeader(Token), bodyOf(t, v))
}

// SendBatch sends a batch.
func (s *Server) SendBatch(t *testing.T, v any) Answer {
	t.Helper()
	return s.Batches(t, http.MethodPost, "/batches", v)
}

// Conversation makes a request of the Conversation API, with a body unless v is nil.
func (s *Server) Conversation(t *testing.T, token, method, path string, v any) Answer {
	t.Helper()
	return s.do(t, method, path, BearerHeader(token), bodyOf(t, v))
}

// Control makes a request of the control API.
func (s *Server) Control(t *testing.T, method, path, body string) Answer {
	t.Helper()
	return s.do(t, method, "/sim"+path, http.Header{}, []byte(body))
}

// RequestToken makes a request of the token endpoint; an empty id sends no credentials.
func (s *Server) RequestToken(t *testing.T, id, secret, form string) Answer {
	t.Helper()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if id != "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
	}
	return s.do(t, http.MethodPost, "/oauth2/token", header, []byte(form))
}

// AccessToken returns an access token for the Conversation API.
func (s *Server) AccessToken(t *testing.T) string {
	t.Helper()
	got := s.RequestToken(t, "key", "secret", "grant_type=client_credentials")
	value, _ := got.Fields["access_token"].(string)
	if got.Status != http.StatusOK || value == "" {
		t.Fatalf("token: %d %s", got.Status, got.Raw)
	}
	return value
}

func (s *Server) do(t *testing.T, method, path string, header http.Header, body []byte) Answer {
	t.Helper()
	a, err := Call(t.Context(), method, s.URL+path, header, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// JSON encodes v.
func JSON(tb testing.TB, v any) []byte {
	tb.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

func bodyOf(t *testing.T, v any) []byte {
	t.Helper()
	if v == nil {
		return nil
	}
	return JSON(t, v)
}

// CheckRecordReadable checks that the control API lists the recorded calls as valid JSON.
func CheckRecordReadable(t *testing.T, s *sinchsim.Simulator) {
	t.Helper()
	w := Serve(s.Handler(), http.MethodGet, "/sim/calls", http.Header{}, "")
	var view struct {
		Calls []json.RawMessage `json:"calls"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil || len(view.Calls) == 0 {
		t.Fatalf("recorded calls: %v, %q", err, w.Body)
	}
}
