package sinchtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinch"
)

// Sent sends a message, which the server must accept by a single request, and
// returns the body of the request.
func Sent(tb testing.TB, s *Server, p sinch.Provider, m sinch.Message) map[string]any {
	tb.Helper()
	if got := p.Send(tb.Context(), m); got.Kind != sinch.Accepted {
		tb.Fatalf("outcome %+v", got)
	}
	if len(s.Requests()) != 1 {
		tb.Fatalf("%d requests, want 1", len(s.Requests()))
	}
	return Decode(tb, s.Requests()[0].Body)
}

// Decode decodes a JSON object.
func Decode(tb testing.TB, data []byte) map[string]any {
	tb.Helper()
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatalf("%s: %v", data, err)
	}
	return v
}

// CheckGolden compares the body of a request with testdata/name.json.
func CheckGolden(tb testing.TB, name string, got map[string]any) {
	tb.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name+".json")) //nolint:gosec // the test names the file
	if err != nil {
		tb.Fatal(err)
	}
	if diff := cmp.Diff(Decode(tb, want), got); diff != "" {
		tb.Errorf("request (-want +got):\n%s", diff)
	}
}

// CheckBounds checks that every field of an outcome is bounded, and that it has a
// reason unless the message was accepted.
func CheckBounds(tb testing.TB, o sinch.Outcome) {
	tb.Helper()
	const longestID = 256
	if o.Kind != sinch.Accepted && (o.Code == "" || o.Detail == "") {
		tb.Errorf("no reason: %+v", o)
	}
	if o.SinchCode != sinch.Text(o.SinchCode).Code() || len(o.SinchID) > longestID {
		tb.Errorf("unbounded: code %q, id of %d bytes", o.SinchCode, len(o.SinchID))
	}
}
