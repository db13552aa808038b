package mmsjson

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// answer has the fields of a response that are read; all others are ignored.
type answer struct {
	Status     sinch.Text `json:"status"`
	TrackingID sinch.Text `json:"tracking-id"`
	MMSID      sinch.Text `json:"mms-id"`
	ErrorCode  sinch.Text `json:"error-code"`
}

func (a answer) success() bool { return strings.EqualFold(string(a.Status), "success") }

// read derives the outcome of a response. The body decides before the HTTP status,
// of which Sinch documents only 200:
//
//   - An error code decides, independent of the status.
//   - Success counts with status 200 only; with another status, or with an error
//     code, the response contradicts itself and the outcome is unknown. Success
//     without a tracking id counts: receipts are matched by the reference.
//   - Failure without a code may stand for E503, whose outcome is unknown.
func read(res wire.Response, now time.Time) sinch.Outcome {
	a := parse(res.Body)
	code := a.ErrorCode.Code()
	switch {
	case a.success() && (code != "" || res.Status != http.StatusOK):
		o := wire.Unknown("the answer says both success and failure")
		o.SinchCode = code
		return o
	case code != "":
		return outcome(code)
	case res.Status != http.StatusOK:
		return wire.ByStatus(res, now)
	case a.success():
		return sinch.Outcome{Kind: sinch.Accepted, SinchID: a.TrackingID.ID()}
	case strings.EqualFold(string(a.Status), "failure"):
		return wire.Unknown("failure without an error code")
	default:
		return wire.Unreadable(res)
	}
}

// parse decodes a response; one that cannot be decoded is empty.
func parse(body []byte) answer {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return answer{}
	}
	return a
}
