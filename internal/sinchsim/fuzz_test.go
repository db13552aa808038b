package sinchsim_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

// A refused control call changes nothing; after an accepted one the rules are
// readable.
func FuzzControl(f *testing.F) {
	f.Add("/default", `"E113"`)
	f.Add("/numbers/+1", `{"times":1,"behavior":{"answer":"http","status":503,"headers":{"A":"b"}}}`)
	f.Add("/latency", `"normal:1s,2s"`)
	f.Add("/rate", `{"perSecond":1e300,"burst":1}`)
	f.Fuzz(func(t *testing.T, path, body string) {
		s := simtest.Quiet()
		read := func() string {
			return simtest.Serve(s.Handler(), http.MethodGet, "/sim/rules", http.Header{}, "").Body.String()
		}
		before := read()
		w := simtest.Serve(s.Handler(), http.MethodPut, "/sim"+path, http.Header{}, body)
		after := read()
		if !json.Valid([]byte(after)) || len(after) < len(`{"default":{}}`) {
			t.Fatalf("rules %q", after)
		}
		if w.Code != http.StatusNoContent && before != after {
			t.Errorf("status %d changed the rules to %s", w.Code, after)
		}
	})
}

func FuzzParseBehavior(f *testing.F) {
	for _, short := range []string{"ok", "slow:1s", "E110", "503", "hang_before", "none", "unknown_group"} {
		f.Add(short)
	}
	f.Fuzz(func(t *testing.T, short string) {
		b, err := sinchsim.ParseBehavior(short)
		if err != nil {
			return
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var again sinchsim.Behavior
		if err := json.Unmarshal(text, &again); err != nil {
			t.Errorf("%q becomes %s, which cannot be read: %v", short, text, err)
		}
	})
}
