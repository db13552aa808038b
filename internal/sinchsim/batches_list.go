package sinchsim

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPageSize = 30
	maxPageSize     = 100
	defaultWindow   = 24 * time.Hour
)

// query is what all lists have in common.
type query struct {
	page, size int
	start, end time.Time // end zero: open
	reference  string
}

func parseQuery(values url.Values, now time.Time) (query, *xmsError) {
	q := query{size: defaultPageSize, start: now.Add(-defaultWindow), reference: values.Get("client_reference")}
	var err error
	if text := values.Get("page"); text != "" {
		if q.page, err = strconv.Atoi(text); err != nil || q.page < 0 {
			return q, badFormat(text, "page")
		}
	}
	if text := values.Get("page_size"); text != "" {
		if q.size, err = strconv.Atoi(text); err != nil || q.size < 1 || q.size > maxPageSize {
			return q, badFormat(text, "page_size")
		}
	}
	if text := values.Get("start_date"); text != "" {
		if q.start, err = parseTime(text); err != nil {
			return q, badFormat(text, "start_date")
		}
	}
	if text := values.Get("end_date"); text != "" {
		if q.end, err = parseTime(text); err != nil {
			return q, badFormat(text, "end_date")
		}
	}
	return q, nil
}

func (q query) covers(at time.Time) bool {
	return !at.Before(q.start) && (q.end.IsZero() || at.Before(q.end))
}

// pageOf cuts the asked page out of all.
func pageOf[T any](q query, all []T) []T {
	if q.page > len(all)/q.size {
		return all[:0]
	}
	from := q.page * q.size
	return all[from:min(from+q.size, len(all))]
}

// batchPage: count is the total, page_size the number in this answer.
type batchPage struct {
	Count    int         `json:"count"`
	Page     int         `json:"page"`
	PageSize int         `json:"page_size"`
	Batches  []batchView `json:"batches"`
}

func (a *batchesAPI) list(w http.ResponseWriter, r *http.Request) {
	call := newCall(APIBatches, operationList)
	values := r.URL.Query()
	q, refused := parseQuery(values, call.At)
	if refused != nil {
		a.sim.recorder.recordLookup(call.answered(refused.label()))
		refused.reply().write(w)
		return
	}
	a.sim.recorder.recordLookup(call.about(q.reference).answered("ok"))
	from := splitList(values.Get("from"))
	found := a.store.find(q.reference, func(b *batch) bool {
		return b.plan == r.PathValue("plan") && a.visible(b, call.At) && q.covers(b.created) &&
			(len(from) == 0 || slices.Contains(from, b.request.From))
	})
	page := batchPage{Count: len(found), Page: q.page, Batches: []batchView{}}
	for _, b := range pageOf(q, found) {
		page.Batches = append(page.Batches, b.view())
	}
	page.PageSize = len(page.Batches)
	reply{status: http.StatusOK, body: encode(page)}.write(w)
}

// visible: nothing promises that a batch can be read right after it was accepted.
func (a *batchesAPI) visible(b *batch, now time.Time) bool {
	return now.Sub(b.created) >= a.sim.opts.Batches.ListDelay
}

func splitList(text string) []string {
	if text == "" {
		return nil
	}
	items := strings.Split(text, ",")
	for i := range items {
		items[i] = bare(strings.TrimSpace(items[i]))
	}
	return items
}

// lookup finds the batch of a request, or answers 404.
func (a *batchesAPI) lookup(w http.ResponseWriter, r *http.Request, operation string) (*batch, bool) {
	call := newCall(APIBatches, operation)
	call.ID = r.PathValue("id")
	b, ok := a.store.get(call.ID)
	if !ok || b.plan != r.PathValue("plan") || !a.visible(b, call.At) {
		a.sim.recorder.recordLookup(call.answered("404"))
		reply{status: http.StatusNotFound}.write(w)
		return nil, false
	}
	a.sim.recorder.recordLookup(call.about(b.request.Reference, b.request.To...).answered("ok"))
	return b, true
}

func (c Call) answered(answer string) Call {
	c.Answer = answer
	return c
}

func (a *batchesAPI) get(w http.ResponseWriter, r *http.Request) {
	if b, ok := a.lookup(w, r, operationGet); ok {
		reply{status: http.StatusOK, body: encode(b.view())}.write(w)
	}
}

// cancel stops what was not dispatched yet.
func (a *batchesAPI) cancel(w http.ResponseWriter, r *http.Request) {
	if b, ok := a.lookup(w, r, "cancel"); ok {
		b.cancel(time.Now())
		reply{status: http.StatusOK, body: encode(b.view())}.write(w)
	}
}

func (a *batchesAPI) feedback(w http.ResponseWriter, r *http.Request) {
	_, _ = readBody(w, r)
	if _, ok := a.lookup(w, r, "feedback"); ok {
		reply{status: http.StatusAccepted}.write(w)
	}
}
