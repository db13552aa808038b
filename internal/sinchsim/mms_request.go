package sinchsim

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// Limits of the MMS API.
const (
	maxSubject   = 80
	maxReference = 64
	maxFromMask  = 50
	maxSlideText = 5000
	maxSlides    = 8
	maxLinkYears = 1
)

// mmsRequest holds the fields of all three actions.
type mmsRequest struct {
	Action                 string     `json:"action"`
	ServiceID              string     `json:"service-id"`
	MMSID                  string     `json:"mms-id"`
	Name                   string     `json:"name"`
	To                     string     `json:"to"`
	ToDisplayOnly          string     `json:"to-displayonly"`
	From                   string     `json:"from"`
	FromMask               string     `json:"from-mask"`
	Subject                *string    `json:"message-subject"`
	FallbackText           string     `json:"fallback-sms-text"`
	DisableFallback        bool       `json:"disable-fallback-sms"`
	DisableFallbackLink    bool       `json:"disable-fallback-sms-link"`
	FallbackLinkExpiration string     `json:"fallback-sms-link-expiration"`
	Expiry                 string     `json:"mms-expiry-timestamp"`
	Reference              string     `json:"client-reference"`
	CacheContent           bool       `json:"cache-content"`
	Slides                 []mmsSlide `json:"slide"`
}

// parseMMS reads a request: strict JSON, exact names, exact types. Unknown names
// are ignored, as Sinch may add fields at any time.
func parseMMS(body []byte) (*mmsRequest, *mmsError) {
	var req mmsRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, mmsFailure("E108")
	}
	return &req, nil
}

// checkSend checks a sendmms in the order of Sinch's field table.
func (q *mmsRequest) checkSend(serviceID string, now time.Time) *mmsError {
	return firstRefusal(
		func() *mmsError { return q.checkParties(serviceID) },
		q.checkSubject,
		q.checkFallback,
		func() *mmsError { return q.checkTimes(now) },
		q.checkReference,
		q.checkSlides,
	)
}

func (q *mmsRequest) checkSave(now time.Time) *mmsError {
	return firstRefusal(
		func() *mmsError { return refuseIf(strings.TrimSpace(q.Name) == "", "E311") },
		q.checkSubject,
		func() *mmsError { return q.checkTimes(now) },
		q.checkReference,
		q.checkSlides,
	)
}

func (q *mmsRequest) checkSendSaved(serviceID string, now time.Time) *mmsError {
	return firstRefusal(
		func() *mmsError { return refuseIf(q.MMSID == "", "E620") },
		func() *mmsError { return q.checkParties(serviceID) },
		q.checkSubject,
		func() *mmsError { return q.checkTimes(now) },
		q.checkReference,
	)
}

func (q *mmsRequest) checkParties(serviceID string) *mmsError {
	switch {
	case serviceID != "" && q.ServiceID != serviceID:
		return mmsFailure("E627")
	case !isNumber(q.To):
		return mmsFailure("E110")
	case !isSender(q.From):
		return mmsFailure("E111")
	case utf8.RuneCountInString(q.FromMask) > maxFromMask:
		return mmsFailure("E115")
	}
	if q.ToDisplayOnly == "" {
		return nil
	}
	for number := range strings.SplitSeq(q.ToDisplayOnly, ",") {
		if !isNumber(strings.TrimSpace(number)) {
			return mmsFailure("E110")
		}
	}
	return nil
}

func (q *mmsRequest) checkSubject() *mmsError {
	return refuseIf(q.Subject != nil && utf8.RuneCountInString(*q.Subject) > maxSubject, "E314")
}

func (q *mmsRequest) checkFallback() *mmsError {
	return refuseIf(!q.DisableFallback && q.FallbackText == "", "E622")
}

// checkTimes: no code of their own is documented for bad times, so they count
// as a body that cannot be parsed.
func (q *mmsRequest) checkTimes(now time.Time) *mmsError {
	if q.FallbackLinkExpiration != "" {
		at, err := time.Parse(time.RFC3339, q.FallbackLinkExpiration)
		if err != nil || at.After(now.AddDate(maxLinkYears, 0, 1)) {
			return mmsFailure("E108")
		}
	}
	if q.Expiry != "" {
		if _, err := time.Parse(time.RFC3339, q.Expiry); err != nil {
			return mmsFailure("E108")
		}
	}
	return nil
}

// expired reports whether no delivery may be tried any more at now.
func (q *mmsRequest) expired(now time.Time) bool {
	at, err := time.Parse(time.RFC3339, q.Expiry)
	return err == nil && !at.After(now)
}

func (q *mmsRequest) checkReference() *mmsError {
	return refuseIf(len(q.Reference) > maxReference, "E108")
}

func (q *mmsRequest) checkSlides() *mmsError {
	switch {
	case len(q.Slides) == 0:
		return mmsFailure("E312")
	case len(q.Slides) > maxSlides:
		return mmsFailure("E225")
	}
	for i := range q.Slides {
		if refused := q.Slides[i].check(); refused != nil {
			return refused
		}
	}
	return nil
}

func firstRefusal(checks ...func() *mmsError) *mmsError {
	for _, check := range checks {
		if refused := check(); refused != nil {
			return refused
		}
	}
	return nil
}

func refuseIf(bad bool, code string) *mmsError {
	if bad {
		return mmsFailure(code)
	}
	return nil
}
