package sinchsim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// ParseBehavior parses the short form of a Behavior of the command line and the
// control API:
//
//	ok  slow:2s  throttle  html  broken  cut
//	hang  hang_before  drop  drop_before  reset  reset_after
//	503             that HTTP status, nothing accepted
//	E113            refused with that code; also illegal_number_type,
//	                INVALID_ARGUMENT and the like
//	rejected  expired  sms  sent  none  …    accepted, with that outcome
//	early  duplicate  reorder                accepted, with such receipts
//
// hang, drop, broken and cut accept the message and reset does not; the suffix inverts
// that.
func ParseBehavior(text string) (Behavior, error) {
	word, argument, hasArgument := strings.Cut(text, ":")
	if word == "slow" {
		d, err := parseDuration(argument)
		if err != nil {
			return Behavior{}, fmt.Errorf("slow: %w", err)
		}
		return Behavior{Delay: Duration(d)}, nil
	}
	b, ok := behaviorOf(word)
	if !ok || hasArgument {
		return Behavior{}, fmt.Errorf("unknown behaviour %q", text)
	}
	if err := b.validate(); err != nil {
		return Behavior{}, err
	}
	return b, nil
}

func behaviorOf(word string) (Behavior, bool) {
	switch word {
	case "hang_before", "drop_before":
		return Behavior{Answer: Answer(strings.TrimSuffix(word, "_before")), Accept: new(false)}, true
	case "reset_after":
		return Behavior{Answer: AnswerReset, Accept: new(true)}, true
	case "early":
		return Behavior{Receipts: Receipts{Early: true}}, true
	case "duplicate":
		return Behavior{Receipts: Receipts{Duplicate: true}}, true
	case "reorder":
		return Behavior{Receipts: Receipts{Reorder: true}}, true
	}
	if status, err := strconv.Atoi(word); err == nil {
		return Behavior{Answer: AnswerHTTP, Status: status, Body: statusBody(status)}, true
	}
	if isErrorCode(word) {
		return Behavior{Answer: AnswerRefuse, Code: word}, true
	}
	if b := (Behavior{Answer: Answer(word)}); word != "" && b.validate() == nil {
		return b, true
	}
	b := Behavior{Receipts: Receipts{Outcome: Outcome(word)}}
	return b, word != "" && b.validate() == nil
}

// statusBody is the SMS REST API's body for a status: it documents one for 400 and 403
// only.
func statusBody(status int) string {
	switch status {
	case http.StatusBadRequest:
		return `{"code":"syntax_constraint_violation","text":"The request was refused."}`
	case http.StatusForbidden:
		return `{"code":"blocked_account","text":"The account is blocked."}`
	default:
		return ""
	}
}

const mmsCodeLen = 4 // E110

// isErrorCode reports whether word has the form of an API's error code: E and three
// digits, or one of the codes of the other APIs.
func isErrorCode(word string) bool {
	if len(word) == mmsCodeLen && word[0] == 'E' {
		return OnlyDigits(word[1:])
	}
	_, xms := xmsErrors[word]
	_, conversation := conversationErrors[word]
	return xms || conversation
}

// UnmarshalJSON reads the short form from a string, the long one from an object.
func (b *Behavior) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return fmt.Errorf("behaviour: %w", err)
		}
		v, err := ParseBehavior(text)
		if err != nil {
			return err
		}
		*b = v
		return nil
	}
	type long Behavior // without this method
	var v long
	if err := json.Unmarshal(data, &v, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("behaviour: %w", err)
	}
	if err := Behavior(v).validate(); err != nil {
		return err
	}
	*b = Behavior(v)
	return nil
}
