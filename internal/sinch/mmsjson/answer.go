package mmsjson

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// answer is what is read of an answer; everything else in it is ignored.
type answer struct {
	Status     sinch.Text `json:"status"`
	TrackingID sinch.Text `json:"tracking-id"`
	MMSID      sinch.Text `json:"mms-id"`
	ErrorCode  sinch.Text `json:"error-code"`
}

func (a answer) success() bool { return strings.EqualFold(string(a.Status), "success") }

// read finds the outcome in an answer. The body decides before the HTTP status,
// of which Sinch documents only 200:
//
//   - An error code says what became of the message, whatever the status.
//   - Success counts with status 200 alone; with another, or together with an
//     error code, the answer contradicts itself and nothing is known. Success
//     without a tracking id is still Sinch's word: receipts join by our
//     reference.
//   - Failure without a code may stand for E503, after which nothing is known.
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

// parse takes an answer apart; what is no answer is an empty one.
func parse(body []byte) answer {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return answer{}
	}
	return a
}
