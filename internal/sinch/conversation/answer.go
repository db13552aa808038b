package conversation

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// answer has the fields of a response that are read; all others are ignored. Errors
// have the form of gRPC or, from newer gateways, as problems (RFC 9457).
type answer struct {
	MessageID sinch.Text `json:"message_id"`
	Error     struct {
		Status sinch.Text `json:"status"`
	} `json:"error"`
	Type sinch.Text `json:"type"`
}

// decode ignores the error of a member that has another type than expected, so that
// the other members are still read.
func decode(body []byte) answer {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return answer{}
	}
	var a answer
	_ = json.Unmarshal(members["message_id"], &a.MessageID)
	_ = json.Unmarshal(members["error"], &a.Error)
	_ = json.Unmarshal(members["type"], &a.Type)
	return a
}

// noType is the type of a problem with no meaning beyond its status (RFC 9457,
// 4.2.1).
const noType = "about:blank"

// word is Sinch's name of the error: gRPC's status, or the last part of the
// problem's type (…/errors/registry/too-many-requests).
func (a answer) word() string {
	if word := a.Error.Status.Code(); word != "" {
		return word
	}
	kind := a.Type.ID()
	if kind == noType {
		return ""
	}
	return sinch.Text(kind[strings.LastIndexAny(kind, "/:#")+1:]).Code()
}

// read derives the outcome of a response. Only 200 with an id is acceptance. Only
// 400 needs Sinch's error name, since gateways respond with 400 as well; for the
// other statuses it is recorded only.
func read(res wire.Response, now time.Time) sinch.Outcome {
	a := decode(res.Body)
	word := a.word()
	switch {
	case res.Status == http.StatusOK && a.MessageID.ID() != "":
		return sinch.Outcome{Kind: sinch.Accepted, SinchID: a.MessageID.ID()}
	case res.Status == http.StatusOK:
		return wire.Unreadable(res)
	case res.Status == http.StatusBadRequest && word != "":
		return outcome(word)
	}
	o := wire.ByStatus(res, now)
	o.SinchCode = word
	return o
}
