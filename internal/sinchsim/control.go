package sinchsim

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
)

// control is the API that sets the rules of the simulator and reads what it
// recorded.
type control struct{ sim *Simulator }

func newControl(s *Simulator) http.Handler {
	c := control{s}
	mux := http.NewServeMux()
	c.readRoutes(mux)
	c.ruleRoutes(mux)
	mux.HandleFunc("POST /sim/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (c control) readRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/calls", c.calls)
	mux.HandleFunc("GET /sim/accepted", c.accepted)
	mux.HandleFunc("GET /sim/stats", func(w http.ResponseWriter, _ *http.Request) { show(w, c.sim.Stats()) })
	mux.HandleFunc("GET /sim/rules", func(w http.ResponseWriter, _ *http.Request) { show(w, c.sim.Rules()) })
}

const (
	defaultShown = 1000
	maxShown     = 100_000
)

type callsView struct {
	Calls []Call `json:"calls"`
	// Next is the value of after for the next page; 0 at the end.
	Next uint64 `json:"next"`
}

func (c control) calls(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	f := CallFilter{
		API: API(v.Get("api")), Operation: v.Get("operation"),
		Reference: v.Get("reference"), Message: v.Get("message"), Number: v.Get("number"),
	}
	var err error
	f.Limit, err = intParameter(v, "limit", defaultShown, maxShown)
	after, err2 := strconv.ParseUint(cmp.Or(v.Get("after"), "0"), 10, 64)
	accepted, err3 := strconv.ParseBool(cmp.Or(v.Get("accepted"), "false"))
	if err := errors.Join(err, err2, err3); err != nil {
		refuse(w, err)
		return
	}
	f.After = after
	if v.Has("accepted") {
		f.Accepted = &accepted
	}
	view := callsView{Calls: c.sim.Calls(f)}
	if len(view.Calls) == f.Limit {
		view.Next = view.Calls[f.Limit-1].Seq
	}
	show(w, view)
}

func intParameter(v url.Values, name string, absent, most int) (int, error) {
	n, err := strconv.Atoi(cmp.Or(v.Get(name), strconv.Itoa(absent)))
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s must be from 1 to %d", name, most)
	}
	return n, nil
}

type acceptedView struct {
	Accepted uint64  `json:"accepted"` // accepted calls in all
	Messages int     `json:"messages"`
	Doubled  int     `json:"doubled"` // messages with more than one accepted call
	By       CountBy `json:"by"`
	Counts   []count `json:"counts"`
	// Next is the value of after for the next page; empty at the end.
	Next string `json:"next"`
}

type count struct {
	Key   string `json:"key"`
	Calls int    `json:"calls"`
}

func (c control) accepted(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	by, only := ByMessage, ""
	for _, way := range []CountBy{ByMessage, ByReference, ByNumber} {
		if key := v.Get(string(way)); key != "" || v.Get("by") == string(way) {
			by, only = way, key
		}
	}
	if by == ByNumber {
		only = plain(only)
	}
	least, err := intParameter(v, "min", 1, maxShown)
	limit, err2 := intParameter(v, "limit", defaultShown, maxShown)
	if err := errors.Join(err, err2); err != nil {
		refuse(w, err)
		return
	}
	stats := c.sim.Stats()
	view := acceptedView{Accepted: stats.Accepted, Messages: stats.Messages, Doubled: stats.Doubled, By: by}
	view.Counts = c.sim.recorder.tally(by, only, least, v.Get("after"))
	if len(view.Counts) > limit {
		view.Counts = view.Counts[:limit]
		view.Next = view.Counts[limit-1].Key
	}
	show(w, view)
}

// tally lists counts in the order of their keys.
func (b *recorder) tally(by CountBy, only string, least int, after string) []count {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []count{}
	if only != "" {
		if n := b.counts(by)[only]; n >= least {
			all = append(all, count{only, n})
		}
		return all
	}
	for key, n := range b.counts(by) {
		if n >= least && key > after {
			all = append(all, count{key, n})
		}
	}
	slices.SortFunc(all, func(x, y count) int { return cmp.Compare(x.Key, y.Key) })
	return all
}

// show responds with v as JSON.
func show(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", contentJSON)
	_, _ = w.Write(append(Encode(v), '\n'))
}

type controlError struct {
	Error string `json:"error"`
}

func refuse(w http.ResponseWriter, err error) {
	Reply{Status: http.StatusBadRequest, Body: append(Encode(controlError{err.Error()}), '\n')}.Write(w)
}

// order reads the body of a control call; an unknown name is an error.
func order[T any](w http.ResponseWriter, r *http.Request) (T, bool) {
	var v T
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &v, json.RejectUnknownMembers(true))
	}
	if err != nil {
		refuse(w, err)
		return v, false
	}
	return v, true
}
