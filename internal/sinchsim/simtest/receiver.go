package simtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// patience bounds the wait for an event that has to happen.
const patience = time.Minute

// Receiver accepts receipts over HTTP with scripted statuses.
type Receiver struct {
	URL      string
	Receipts chan Postback
}

// Postback is a received receipt.
type Postback struct {
	Header http.Header
	Query  string
	Raw    []byte
	Fields map[string]any
}

// NewReceiver responds to the n-th receipt with statuses[n], to all others with 200.
func NewReceiver(t *testing.T, statuses ...int) *Receiver {
	t.Helper()
	rec := &Receiver{Receipts: make(chan Postback, 1000)}
	next := make(chan int, len(statuses))
	for _, status := range statuses {
		next <- status
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		p := Postback{Header: r.Header, Query: r.URL.RawQuery, Raw: raw}
		if err := json.Unmarshal(raw, &p.Fields); err != nil {
			t.Errorf("receipt is not JSON: %v", err)
		}
		status := http.StatusOK
		select {
		case status = <-next:
		default:
		}
		w.WriteHeader(status)
		rec.Receipts <- p
	}))
	t.Cleanup(server.Close)
	rec.URL = server.URL
	return rec
}

// Next waits for a receipt.
func (r *Receiver) Next(t *testing.T) Postback {
	t.Helper()
	select {
	case p := <-r.Receipts:
		return p
	case <-time.After(patience):
		t.Fatal("no receipt came")
		return Postback{}
	}
}

// Codes waits for n receipts and returns their codes.
func (r *Receiver) Codes(t *testing.T, n int) []any {
	t.Helper()
	var codes []any
	for range n {
		codes = append(codes, r.Next(t).Fields["code"])
	}
	return codes
}

// Eventually polls until done reports true.
func Eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}
