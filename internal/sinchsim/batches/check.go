package batches

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mmsdispatch/internal/sinchsim"
)

// Limits of the SMS REST API.
const (
	maxRecipients     = 1000
	maxURL            = 2048
	maxReference      = 2048
	maxMessage        = 5000
	maxText           = 2000
	maxParameterKey   = 16
	maxParameterValue = 160
	maxValidity       = 3 * 24 * time.Hour
	defaultParameter  = "default"
)

// Styles of delivery reports.
const (
	reportNone           = "none"
	reportSummary        = "summary"
	reportFull           = "full"
	reportRecipient      = "per_recipient"
	reportRecipientFinal = "per_recipient_final"
)

var (
	parameterKey = regexp.MustCompile(`^[A-Za-z0-9.\-_]+$`)
	placeholder  = regexp.MustCompile(`\$\{([A-Za-z0-9.\-_]{1,16})\}`)
	groupID      = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
)

// check checks a batch in the order of Sinch's field table and normalises it.
func (q *batchRequest) check(now time.Time, hasCallback bool) *refusal {
	for _, check := range []func() *refusal{
		q.checkType, q.checkTo, q.checkFrom, q.checkBody, q.checkParameters, q.checkReport,
		func() *refusal { return q.checkTimes(now) },
		func() *refusal { return q.checkCallback(hasCallback) },
	} {
		if refused := check(); refused != nil {
			return refused
		}
	}
	return nil
}

func violation(format string, args ...any) *refusal {
	return failure("syntax_constraint_violation", fmt.Sprintf(format, args...))
}

func badFormat(text, what string) *refusal {
	const shown = 64
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "…"
	}
	return failure("syntax_invalid_parameter_format", fmt.Sprintf("'%s' is not a valid %s", text, what))
}

func (q *batchRequest) checkType() *refusal {
	if q.Type != typeMedia && q.Type != typeText {
		return violation("type must be %s or %s", typeMedia, typeText)
	}
	return nil
}

func (q *batchRequest) checkTo() *refusal {
	if len(q.To) == 0 || len(q.To) > maxRecipients {
		return violation("to must have 1 to %d elements", maxRecipients)
	}
	numbers := make([]string, 0, len(q.To))
	seen := make(map[string]bool, len(q.To))
	for _, to := range q.To {
		number := sinchsim.Bare(to)
		switch {
		case sinchsim.IsNumber(number):
		case groupID.MatchString(to):
			return failure("unknown_group", "The group is not known.")
		default:
			return badFormat(to, "number")
		}
		if !seen[number] { // duplicates are dropped
			seen[number] = true
			numbers = append(numbers, number)
		}
	}
	q.To = numbers
	return nil
}

func (q *batchRequest) checkFrom() *refusal {
	if q.From == "" {
		return violation("from is missing and there is no default originator")
	}
	from := sinchsim.Bare(q.From)
	if !sinchsim.IsSender(from) {
		return badFormat(q.From, "originator")
	}
	q.From = from
	return nil
}

func (q *batchRequest) checkBody() *refusal {
	if q.Type == typeText {
		return q.checkTextBody()
	}
	switch {
	case q.Body != nil && q.Body.isText:
		return wrongType("body")
	case q.Body == nil || q.Body.URL == "":
		return violation("body.url is missing")
	case len(q.Body.URL) > maxURL:
		return violation("body.url is longer than %d", maxURL)
	case !sinchsim.IsMediaURL(q.Body.URL):
		return badFormat("body.url", "URL")
	case utf8.RuneCountInString(q.Body.Message) > maxMessage:
		return violation("body.message is longer than %d", maxMessage)
	case utf8.RuneCountInString(q.Body.Subject) > sinchsim.MaxSubject:
		return violation("body.subject is longer than %d", sinchsim.MaxSubject)
	}
	return nil
}

func (q *batchRequest) checkTextBody() *refusal {
	switch {
	case q.Body != nil && !q.Body.isText:
		return violation("body must be a text where type is %s", typeText)
	case q.Body == nil || q.Body.Message == "":
		return violation("body is missing")
	case utf8.RuneCountInString(q.Body.Message) > maxText:
		return violation("body is longer than %d", maxText)
	}
	return nil
}

func (q *batchRequest) checkParameters() *refusal {
	for key, values := range q.Parameters {
		if len(key) > maxParameterKey || !parameterKey.MatchString(key) {
			return badFormat(key, "parameter key")
		}
		for number, value := range values {
			if number != defaultParameter && !sinchsim.IsNumber(sinchsim.Bare(number)) {
				return badFormat(number, "number")
			}
			if utf8.RuneCountInString(value) > maxParameterValue {
				return violation("a parameter value is longer than %d", maxParameterValue)
			}
		}
	}
	return nil
}

// lacksParameter reports whether the message has a parameter without a value for the
// number and without a default; the message then fails for this number only.
func (q *batchRequest) lacksParameter(number string) bool {
	for _, found := range placeholder.FindAllStringSubmatch(q.Body.Message, -1) {
		values := q.Parameters[found[1]]
		has := slices.ContainsFunc([]string{number, "+" + number, "00" + number, defaultParameter},
			func(key string) bool { _, ok := values[key]; return ok })
		if !has {
			return true
		}
	}
	return false
}

func (q *batchRequest) checkReport() *refusal {
	switch q.DeliveryReport {
	case "":
		q.DeliveryReport = reportNone
	case reportNone, reportSummary, reportFull, reportRecipient, reportRecipientFinal:
	default:
		return badFormat(q.DeliveryReport, "delivery_report")
	}
	return nil
}

func (q *batchRequest) checkTimes(now time.Time) *refusal {
	start := now
	if q.SendAt != "" {
		at, err := parseTime(q.SendAt)
		if err != nil {
			return badFormat(q.SendAt, "send_at")
		}
		q.sendAt = at
		if at.After(start) {
			start = at
		}
	}
	q.expireAt = start.Add(maxValidity)
	if q.ExpireAt == "" {
		return nil
	}
	at, err := parseTime(q.ExpireAt)
	switch {
	case err != nil:
		return badFormat(q.ExpireAt, "expire_at")
	case !at.After(start):
		return violation("expire_at must be after send_at")
	case at.After(q.expireAt):
		return violation("expire_at is more than 3 days after send_at")
	}
	q.expireAt = at
	return nil
}

func (q *batchRequest) checkCallback(hasCallback bool) *refusal {
	if len(q.Reference) > maxReference {
		return violation("client_reference is longer than %d", maxReference)
	}
	if q.CallbackURL == "" {
		if q.DeliveryReport != reportNone && !hasCallback {
			return failure("missing_callback_url", "A delivery report was requested without a callback URL.")
		}
		return nil
	}
	u, err := url.Parse(q.CallbackURL)
	if err != nil || len(q.CallbackURL) > maxURL || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return badFormat("callback_url", "URL")
	}
	return nil
}
