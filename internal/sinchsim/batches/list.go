package batches

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/sinchsim"
)

const (
	defaultPageSize = 30
	maxPageSize     = 100
	defaultWindow   = 24 * time.Hour
)

func parseQuery(values url.Values, now time.Time) (sinchsim.Query, *refusal) {
	q := sinchsim.Query{Size: defaultPageSize, Start: now.Add(-defaultWindow), Reference: values.Get("client_reference")}
	var err error
	if text := values.Get("page"); text != "" {
		if q.Page, err = strconv.Atoi(text); err != nil || q.Page < 0 {
			return q, badFormat(text, "page")
		}
	}
	if text := values.Get("page_size"); text != "" {
		if q.Size, err = strconv.Atoi(text); err != nil || q.Size < 1 || q.Size > maxPageSize {
			return q, badFormat(text, "page_size")
		}
	}
	if text := values.Get("start_date"); text != "" {
		if q.Start, err = parseTime(text); err != nil {
			return q, badFormat(text, "start_date")
		}
	}
	if text := values.Get("end_date"); text != "" {
		if q.End, err = parseTime(text); err != nil {
			return q, badFormat(text, "end_date")
		}
	}
	return q, nil
}

// batchPage: count is the total, page_size the number in this answer.
type batchPage struct {
	Count    int         `json:"count"`
	Page     int         `json:"page"`
	PageSize int         `json:"page_size"`
	Batches  []batchView `json:"batches"`
}

func (a *api) list(w http.ResponseWriter, r *http.Request) {
	call := sinchsim.NewCall(sinchsim.APIBatches, sinchsim.OperationList)
	values := r.URL.Query()
	q, refused := parseQuery(values, call.At)
	if refused != nil {
		a.sim.RecordLookup(call.Answered(refused.label()))
		refused.reply().Write(w)
		return
	}
	a.sim.RecordLookup(call.About(q.Reference).Answered("ok"))
	from := splitList(values.Get("from"))
	found := a.store.Find(q.Reference, func(b *batch) bool {
		return b.plan == r.PathValue("plan") && a.visible(b, call.At) && q.Covers(b.created) &&
			(len(from) == 0 || slices.Contains(from, b.request.From))
	})
	page := batchPage{Count: len(found), Page: q.Page, Batches: []batchView{}}
	for _, b := range sinchsim.PageOf(q, found) {
		page.Batches = append(page.Batches, b.view())
	}
	page.PageSize = len(page.Batches)
	sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(page)}.Write(w)
}

// visible: Sinch does not document that a batch can be read right after its acceptance.
func (a *api) visible(b *batch, now time.Time) bool {
	return now.Sub(b.created) >= a.sim.Options().Batches.ListDelay
}

func splitList(text string) []string {
	if text == "" {
		return nil
	}
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = sinchsim.Bare(strings.TrimSpace(items[i]))
	}
	return items
}

// lookup returns the batch of a request, or responds with 404.
func (a *api) lookup(w http.ResponseWriter, r *http.Request, operation string) (*batch, bool) {
	call := sinchsim.NewCall(sinchsim.APIBatches, operation)
	call.ID = r.PathValue("id")
	b, ok := a.store.Get(call.ID)
	if !ok || b.plan != r.PathValue("plan") || !a.visible(b, call.At) {
		a.sim.RecordLookup(call.Answered("404"))
		sinchsim.Reply{Status: http.StatusNotFound}.Write(w)
		return nil, false
	}
	a.sim.RecordLookup(call.About(b.request.Reference, b.request.To...).Answered("ok"))
	return b, true
}

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	if b, ok := a.lookup(w, r, sinchsim.OperationGet); ok {
		sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(b.view())}.Write(w)
	}
}

// cancel stops the recipients that were not dispatched yet.
func (a *api) cancel(w http.ResponseWriter, r *http.Request) {
	if b, ok := a.lookup(w, r, "cancel"); ok {
		b.cancel(time.Now())
		sinchsim.Reply{Status: http.StatusOK, Body: sinchsim.Encode(b.view())}.Write(w)
	}
}

func (a *api) feedback(w http.ResponseWriter, r *http.Request) {
	_, _ = sinchsim.ReadBody(w, r)
	if _, ok := a.lookup(w, r, "feedback"); ok {
		sinchsim.Reply{Status: http.StatusAccepted}.Write(w)
	}
}
