package batches

import (
	"encoding/json"
	"net/http"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// answer has the fields of a response that are read; all others are ignored.
type answer struct {
	ID   sinch.Text `json:"id"`
	Code sinch.Text `json:"code"`
}

// read derives the outcome of a response. Only 201 with an id is acceptance, and
// only 400 and 403 promise a code (SMS API reference, status codes). A lookup
// decides about the other answers. Those include 500: Sinch documents that nothing
// was processed, but gateways answer 500 as well.
func read(res wire.Response, now time.Time) sinch.Outcome {
	var a answer
	if err := json.Unmarshal(res.Body, &a); err != nil {
		a = answer{}
	}
	code := a.Code.Code()
	switch {
	case res.Status == http.StatusCreated && a.ID.ID() != "":
		return sinch.Outcome{Kind: sinch.Accepted, SinchID: a.ID.ID()}
	case res.Status == http.StatusCreated:
		return wire.Unreadable(res)
	case res.Status == http.StatusBadRequest && code != "":
		return outcome(code, sinch.ReasonContent)
	case res.Status == http.StatusForbidden && code != "":
		return outcome(code, sinch.ReasonInternal)
	}
	o := wire.ByStatus(res, now)
	o.SinchCode = code
	return o
}
