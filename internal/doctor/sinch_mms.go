package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// mmsVerdicts is what the MMS API's error codes say about the set-up
// (developers.sinch.com, MMS API reference, status codes). A code that is not
// here comes from looking at the action, which only a good key leads to.
var mmsVerdicts = map[string]verdict{
	"E100": {Warn, "does not take the call for one (E100): nothing is known of the key", strangerFix},
	"E103": {Fail, "has blocked the account (E103)", "ask Sinch"},
	"E104": {Fail, "does not accept the API key (E104)", "check SINCH_API_TOKEN: it is the x-api-key of the MMS account"},
	"E105": {Fail, "has not enabled the API for the account (E105)", "ask Sinch"},
	"E106": {Warn, "demands a lower rate (E106)", "run the doctor again later; check SINCH_RATE"},
	"E112": {Fail, "does not accept calls from this machine's address (E112)", "have Sinch add the address that calls leave from"},
	"E113": {Warn, "demands a lower rate (E113)", "run the doctor again later; check SINCH_RATE"},
	"E503": {Warn, "is in trouble itself (E503)", "see Sinch's status page and run the doctor again"},
	"E713": {Fail, "has a billing problem with the account (E713)", "ask Sinch"},
}

// mmsProbe names an action that there is not, and neither recipient nor
// content. The API answers E107 to a good key, E104 to a bad one.
const mmsProbe = `{"action":"mmsdispatch-doctor"}`

// askMMS asks the MMS API, which has nothing to look up.
func (e *examination) askMMS(ctx context.Context, n *findings, base string) {
	answer, ok := e.ask(ctx, n, wire.Request{
		Method: http.MethodPost,
		URL:    base + "/ep/v2/",
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"},
			"X-Api-Key":    {e.cfg.Sinch.APIToken.Reveal()},
		},
		Body: []byte(mmsProbe),
	})
	if ok {
		n.note(host(base), mmsVerdict(answer))
	}
}

func mmsVerdict(answer wire.Response) verdict {
	var said struct {
		Status sinch.Text `json:"status"`
		Code   sinch.Text `json:"error-code"`
	}
	if err := json.Unmarshal(answer.Body, &said); err != nil {
		said.Code = ""
	}
	code := said.Code.Code()
	if v, known := mmsVerdicts[code]; known {
		return v
	}
	switch {
	case strings.HasPrefix(code, "E"):
		return verdict{OK, "takes the API key (" + code + " to an action that there is not). Whether it takes SINCH_MMS_CAMPAIGN_ID and " +
			"SINCH_NUMBER, only a message shows", ""}
	case answer.Status != http.StatusOK:
		return byStatus(answer.Status, "SINCH_API_TOKEN")
	default:
		return stranger(strangerFix)
	}
}
