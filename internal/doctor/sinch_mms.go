package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// mmsVerdicts are the meanings of the MMS API's error codes for the set-up
// (developers.sinch.com, MMS API reference, status codes). Any other code is about the
// action, which is checked after the key.
var mmsVerdicts = map[string]verdict{
	"E100": {Warn, "does not accept the call (E100): the key is not checked", unexpectedFix},
	"E103": {Fail, "has blocked the account (E103)", "contact Sinch"},
	"E104": {Fail, "does not accept the API key (E104)", "check SINCH_API_TOKEN: it is the x-api-key of the MMS account"},
	"E105": {Fail, "has not enabled the API for the account (E105)", "contact Sinch"},
	"E106": {Warn, "demands a lower rate (E106)", "run the doctor again later; check SINCH_RATE"},
	"E112": {Fail, "does not accept calls from this machine's address (E112)", "have Sinch add the address that calls leave from"},
	"E113": {Warn, "demands a lower rate (E113)", "run the doctor again later; check SINCH_RATE"},
	"E503": {Warn, "has an internal error (E503)", "see Sinch's status page and run the doctor again"},
	"E713": {Fail, "has a billing problem with the account (E713)", "contact Sinch"},
}

// mmsProbe has an unknown action, and neither recipient nor content. The API responds
// with E107 to a valid key, with E104 to an invalid one.
const mmsProbe = `{"action":"mmsdispatch-doctor"}`

// checkMMS probes the MMS API, which has no operation that reads.
func (e *examination) checkMMS(ctx context.Context, n *findings, base string) {
	answer, ok := e.call(ctx, n, wire.Request{
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
	var body struct {
		Status sinch.Text `json:"status"`
		Code   sinch.Text `json:"error-code"`
	}
	if err := json.Unmarshal(answer.Body, &body); err != nil {
		body.Code = ""
	}
	code := body.Code.Code()
	if v, known := mmsVerdicts[code]; known {
		return v
	}
	switch {
	case strings.HasPrefix(code, "E"):
		return verdict{OK, "accepts the API key (" + code + " to an unknown action). Whether it accepts SINCH_MMS_CAMPAIGN_ID and " +
			"SINCH_NUMBER, only a message shows", ""}
	case answer.Status != http.StatusOK:
		return byStatus(answer.Status, "SINCH_API_TOKEN")
	default:
		return unexpected(unexpectedFix)
	}
}
