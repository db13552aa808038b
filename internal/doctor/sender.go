package doctor

import (
	"context"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"mmsdispatch/internal/config"
)

const (
	// shortCodeMax is the maximum length of a short code; a longer number is a phone
	// number.
	shortCodeMax = 8
	// In the United States and Canada it has five or six (usshortcodes.com,
	// txt.ca).
	shortCodeLeast, shortCodeMost = 5, 6
)

// sender checks the numbers of the senders.
func (e *examination) sender(_ context.Context, n *findings) {
	if !e.needs(n, "SINCH_NUMBER", "SINCH_SENDERS") {
		return
	}
	if e.cfg.Sinch.Number != "" {
		judgeSender(n, "SINCH_NUMBER", e.cfg.Sinch.Number)
	}
	for _, sender := range e.cfg.Sinch.Senders {
		judgeSender(n, "SINCH_SENDERS", sender)
	}
}

func judgeSender(n *findings, name string, sender config.Sender) {
	digits := strings.TrimPrefix(string(sender), "+")
	if len(digits) <= shortCodeMax {
		if len(digits) < shortCodeLeast || len(digits) > shortCodeMost {
			n.warn(name+": "+masked(digits, 0)+" is neither a phone number nor a short code of 5 or 6 digits",
				"phone numbers need their country code")
			return
		}
		n.ok(name + ": short code " + masked(digits, 0))
		return
	}
	number, err := phonenumbers.Parse("+"+digits, "")
	if err != nil || !phonenumbers.IsValidNumber(number) || phonenumbers.Format(number, phonenumbers.E164) != "+"+digits {
		n.fail(name+": "+masked(digits, 0)+" is no valid phone number", "write it with its country code, as +12065550100")
		return
	}
	shown := "+" + masked(digits, len(digits)-len(phonenumbers.GetNationalSignificantNumber(number)))
	switch {
	case phonenumbers.GetNumberType(number) == phonenumbers.TOLL_FREE:
		n.ok(name + ": toll-free number " + shown)
	case number.GetCountryCode() == 1:
		n.ok(name + ": ten-digit number " + shown + ", which needs a registered campaign (10DLC) in the United States")
	default:
		n.ok(name + ": number " + shown + " of " + phonenumbers.GetRegionCodeForNumber(number))
	}
}

// masked hides digits, except for the country code and the last two.
func masked(digits string, countryCode int) string {
	const last = 2
	return digits[:countryCode] + "…" + digits[len(digits)-last:]
}
