package mms

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"mmsdispatch/internal/sinchsim"
)

// Limits of the MMS API.
const (
	maxReference = 64
	maxFromMask  = 50
	maxSlideText = 5000
	maxSlides    = 8
	maxLinkYears = 1
)

// request has the fields of all three actions.
type request struct {
	Action                 string  `json:"action"`
	ServiceID              string  `json:"service-id"`
	MMSID                  string  `json:"mms-id"`
	Name                   string  `json:"name"`
	To                     string  `json:"to"`
	ToDisplayOnly          string  `json:"to-displayonly"`
	From                   string  `json:"from"`
	FromMask               string  `json:"from-mask"`
	Subject                *string `json:"message-subject"`
	FallbackText           string  `json:"fallback-sms-text"`
	DisableFallback        bool    `json:"disable-fallback-sms"`
	DisableFallbackLink    bool    `json:"disable-fallback-sms-link"`
	FallbackLinkExpiration string  `json:"fallback-sms-link-expiration"`
	Expiry                 string  `json:"mms-expiry-timestamp"`
	Reference              string  `json:"client-reference"`
	CacheContent           bool    `json:"cache-content"`
	Slides                 []slide `json:"slide"`
}

// parseRequest reads a request: strict JSON, exact names, exact types. Unknown names
// are ignored, as Sinch may add fields at any time.
func parseRequest(body []byte) (*request, *refusal) {
	var req request
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, failure("E108")
	}
	return &req, nil
}

// checkSend checks a sendmms in the order of Sinch's field table.
func (q *request) checkSend(serviceID string, now time.Time) *refusal {
	return firstRefusal(
		func() *refusal { return q.checkParties(serviceID) },
		q.checkSubject,
		q.checkFallback,
		func() *refusal { return q.checkTimes(now) },
		q.checkReference,
		q.checkSlides,
	)
}

func (q *request) checkSave(now time.Time) *refusal {
	return firstRefusal(
		func() *refusal { return refuseIf(strings.TrimSpace(q.Name) == "", "E311") },
		q.checkSubject,
		func() *refusal { return q.checkTimes(now) },
		q.checkReference,
		q.checkSlides,
	)
}

func (q *request) checkSendSaved(serviceID string, now time.Time) *refusal {
	return firstRefusal(
		func() *refusal { return refuseIf(q.MMSID == "", "E620") },
		func() *refusal { return q.checkParties(serviceID) },
		q.checkSubject,
		func() *refusal { return q.checkTimes(now) },
		q.checkReference,
	)
}

func (q *request) checkParties(serviceID string) *refusal {
	switch {
	case serviceID != "" && q.ServiceID != serviceID:
		return failure("E627")
	case !sinchsim.IsNumber(q.To):
		return failure("E110")
	case !sinchsim.IsSender(q.From):
		return failure("E111")
	case utf8.RuneCountInString(q.FromMask) > maxFromMask:
		return failure("E115")
	}
	if q.ToDisplayOnly == "" {
		return nil
	}
	for number := range strings.SplitSeq(q.ToDisplayOnly, ",") {
		if !sinchsim.IsNumber(strings.TrimSpace(number)) {
			return failure("E110")
		}
	}
	return nil
}

func (q *request) checkSubject() *refusal {
	return refuseIf(q.Subject != nil && utf8.RuneCountInString(*q.Subject) > sinchsim.MaxSubject, "E314")
}

func (q *request) checkFallback() *refusal {
	return refuseIf(!q.DisableFallback && q.FallbackText == "", "E622")
}

// checkTimes: no code is documented for invalid times, so they count as a body that
// cannot be parsed.
func (q *request) checkTimes(now time.Time) *refusal {
	if q.FallbackLinkExpiration != "" {
		at, err := time.Parse(time.RFC3339, q.FallbackLinkExpiration)
		if err != nil || at.After(now.AddDate(maxLinkYears, 0, 1)) {
			return failure("E108")
		}
	}
	if q.Expiry != "" {
		if _, err := time.Parse(time.RFC3339, q.Expiry); err != nil {
			return failure("E108")
		}
	}
	return nil
}

// expired reports whether the message has expired at now.
func (q *request) expired(now time.Time) bool {
	at, err := time.Parse(time.RFC3339, q.Expiry)
	return err == nil && !at.After(now)
}

func (q *request) checkReference() *refusal {
	return refuseIf(len(q.Reference) > maxReference, "E108")
}

func (q *request) checkSlides() *refusal {
	switch {
	case len(q.Slides) == 0:
		return failure("E312")
	case len(q.Slides) > maxSlides:
		return failure("E225")
	}
	for i := range q.Slides {
		if refused := q.Slides[i].check(); refused != nil {
			return refused
		}
	}
	return nil
}

func firstRefusal(checks ...func() *refusal) *refusal {
	for _, check := range checks {
		if refused := check(); refused != nil {
			return refused
		}
	}
	return nil
}

func refuseIf(bad bool, code string) *refusal {
	if bad {
		return failure(code)
	}
	return nil
}
