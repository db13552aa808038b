package batches_test

import (
	"encoding/json"
	"testing"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/batches"
)

// For every page of the list: a batch is found only by its reference and with its
// id, and absence is proved only by a complete list.
func FuzzFind(f *testing.F) {
	const ref = "msg_1a2b-1"
	for _, seed := range []string{
		list(1, ref).Body, list(0).Body, list(2, "a").Body, `{"count":1,"batches":null}`, `{"count":-1,"batches":[]}`,
		`{"count":"0","batches":[]}`, `{"batches":[{"id":7,"client_reference":"msg_1a2b-1"}]}`, `{"batches":[null]}`, `[]`, `null`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := serve(t, answer{Status: 200, Body: string(body)}, answer{Status: 500})
		id, found, err := s.provider(t, batches.Options{Plan: "plan"}).Find(t.Context(), sinch.Call{Ref: ref, Begun: now})
		switch {
		case found != (id != ""), found && err != nil, len(id) > 256:
			t.Errorf("id %q, found %t, %v", id, found, err)
		case !found && err == nil && !json.Valid(body):
			t.Errorf("%q proves absence", body)
		}
	})
}
