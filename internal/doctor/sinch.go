package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/sinch/wire"
)

// sinch checks the credentials at the API in use, by calls that cannot send a
// message.
func (e *examination) sinch(ctx context.Context, n *findings) {
	if !e.needs(n, "SINCH_API", "SINCH_BASE_URL", "SINCH_REGION", "SINCH_AUTH_URL", "SINCH_SERVICE_PLAN_ID", "SINCH_API_TOKEN",
		"SINCH_PROJECT_ID", "SINCH_APP_ID", "SINCH_KEY_ID", "SINCH_KEY_SECRET") {
		return
	}
	api := sinch.API(e.cfg.Sinch.API)
	if api == sinch.APISimulator {
		n.ok("SINCH_API is simulator: no calls to Sinch")
		return
	}
	if !e.runs(config.Worker) {
		n.ok("not checked: only workers call Sinch")
		return
	}
	base := sinch.BaseURL(string(e.cfg.Sinch.BaseURL), api, e.cfg.Sinch.Region)
	switch api {
	case sinch.APIMMS:
		e.checkMMS(ctx, n, base)
	case sinch.APIBatches:
		e.checkBatches(ctx, n, base)
	case sinch.APIConversation:
		e.checkConversation(ctx, n, base)
	case sinch.APISimulator:
	}
}

// call makes a call; a missing response is a finding.
func (e *examination) call(ctx context.Context, n *findings, r wire.Request) (wire.Response, bool) {
	r.Header.Set("Accept", "application/json")
	answer, err := e.client.Do(ctx, r)
	if err == nil {
		if answer.Header.Get("Date") != "" {
			e.dated, e.skew = true, answer.Skew()
		}
		return answer, true
	}
	cause := wire.CauseProtocol
	if notSent, ok := errors.AsType[*wire.NotSentError](err); ok {
		cause = notSent.Cause
	} else if unknown, ok := errors.AsType[*wire.UnknownError](err); ok {
		cause = unknown.Cause
	}
	n.fail(host(r.URL)+" does not respond: "+string(cause), "check SINCH_BASE_URL, name resolution, firewall and HTTPS_PROXY")
	return wire.Response{}, false
}

// sinchClock compares Redis' clock with that of the answers of Sinch.
func (e *examination) sinchClock(_ context.Context, n *findings) {
	switch {
	case e.rdb == nil:
		n.warn(notChecked, redisFirst)
		return
	case !e.dated:
		n.ok("not compared: Sinch has given no answer")
		return
	}
	ahead := e.ahead - e.skew
	judgeProcess(n, fmt.Sprintf("Redis' clock is %.0f s %s Sinch's", ahead.Abs().Seconds(), direction(ahead)), ahead)
}

// host is the part of a URL that may be shown.
func host(of string) string {
	u, err := url.Parse(of)
	if err != nil {
		return "Sinch"
	}
	return u.Host
}

// verdict is the finding about a response of Sinch.
type verdict struct {
	level Level
	text  string
	fix   string
}

// note adds a verdict to the findings.
func (n *findings) note(where string, v verdict) { n.add(v.level, where+" "+v.text, v.fix) }

const unexpectedFix = "check SINCH_BASE_URL: a proxy or another service answers there"

// unexpected is the verdict on a response that is not Sinch's.
func unexpected(fix string) verdict {
	return verdict{Fail, "sends a response that is not Sinch's", fix}
}

// byStatus judges an answer by its HTTP status alone.
func byStatus(status int, credentials string) verdict {
	text := fmt.Sprintf("answers HTTP %d", status)
	switch {
	case status == http.StatusUnauthorized:
		return verdict{Fail, text + ": it does not accept the credentials", "check " + credentials}
	case status == http.StatusForbidden:
		return verdict{Fail, text + ": the account may not do this", "contact Sinch about the account's rights; check " + credentials}
	case status == http.StatusNotFound:
		return verdict{Fail, text + ": it does not know the account there", "check " + credentials + ", SINCH_REGION and SINCH_BASE_URL"}
	case status == http.StatusTooManyRequests:
		return verdict{Warn, text + ": it demands a lower rate", "run the doctor again later; check SINCH_RATE"}
	case status >= http.StatusInternalServerError:
		return verdict{Warn, text + ": it has an internal error", "see Sinch's status page and run the doctor again"}
	default:
		return verdict{Fail, text + ", which is no answer of Sinch's", unexpectedFix}
	}
}
