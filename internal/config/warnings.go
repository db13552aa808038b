package config

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// Warnings lists settings that are allowed and probably unintended; each is one
// line for the start-up log.
func (c *Config) Warnings() []string {
	var warnings []string

	warn := func(when bool, text string) {
		if when {
			warnings = append(warnings, text)
		}
	}

	for _, variable := range c.misspelt {
		warn(true, variable.String())
	}

	silent := (c.Process == Worker || c.Process == Dev) && c.Sinch.CallbackURL == ""
	warn(silent && c.Sinch.API == "batches",
		"SINCH_CALLBACK_URL is not set: no delivery reports are requested, so messages stay sent")
	warn(silent && c.Sinch.API == "conversation",
		"SINCH_CALLBACK_URL is not set: without a webhook of the app no delivery reports come, and messages stay sent")
	warn(c.CallbackInside(), "SINCH_CALLBACK_URL names a host of this network, which Sinch cannot reach: no receipts will come")
	warn(c.Media.AllowPrivate, "MEDIA_ALLOW_PRIVATE is on: media may be fetched from inside this network")
	warn(c.Callback.AllowPrivate, "CALLBACK_ALLOW_PRIVATE is on: callbacks may reach hosts inside this network")
	warn(c.Message.HelpText != "" && c.Process != Ctl && c.Sinch.API == "batches",
		"HELP_TEXT goes out as SMS: an MMS of the batches API carries no text alone, so the service plan and the number need SMS")
	warn(c.Unknown.Policy == "resend", "UNKNOWN_POLICY is resend: a message may arrive twice")
	return slices.Concat(warnings, c.senderWarnings(), c.webhookWarnings())
}

// senderWarnings counts the numbers with a limit that no message is sent from.
func (c *Config) senderWarnings() []string {
	if c.Process == API {
		return nil
	}

	digits := func(s Sender) string { return strings.TrimPrefix(string(s), "+") }
	known := map[string]bool{digits(c.Sinch.Number): true}

	for _, sender := range c.Sinch.Senders {
		known[digits(sender)] = true
	}

	var warnings []string

	warn := func(variable string, limited iter.Seq[Sender]) {
		strangers := 0

		for sender := range limited {
			if !known[digits(sender)] {
				strangers++
			}
		}

		if strangers > 0 {
			warnings = append(warnings, fmt.Sprintf(
				"%s has numbers that are neither SINCH_NUMBER nor in SINCH_SENDERS (%d): these limits have no effect", variable, strangers))
		}
	}

	warn("SINCH_SENDER_RATES", maps.Keys(c.Sinch.SenderRates))
	warn("SINCH_SENDER_DAILY", maps.Keys(c.Sinch.SenderDaily))
	return warnings
}

// webhookWarnings names the shapes of receipts that will be refused, or accepted
// without a check. Receipts of all shapes may arrive, whatever SINCH_API is now;
// but none in development mode, whose simulator delivers receipts in process.
func (c *Config) webhookWarnings() []string {
	if c.Process != API {
		return nil
	}

	effect := "are refused with 401"
	if c.Webhook.Insecure {
		effect = "are accepted without a check, since SINCH_WEBHOOK_INSECURE is on"
	}

	hmac, token, basic := !c.Webhook.Secret.IsZero(), !c.Webhook.Token.IsZero(), c.Webhook.User != ""

	var warnings []string

	if !token {
		warnings = append(warnings, "receipts of the mms API "+effect+": set SINCH_WEBHOOK_TOKEN")
	}

	if !token && !hmac && !basic {
		warnings = append(warnings, "receipts of the batches API "+effect+
			": set SINCH_WEBHOOK_SECRET, SINCH_WEBHOOK_USER and SINCH_WEBHOOK_PASSWORD, or SINCH_WEBHOOK_TOKEN")
	}

	if !token && !hmac {
		warnings = append(warnings, "receipts of the conversation API "+effect+": set SINCH_WEBHOOK_SECRET or SINCH_WEBHOOK_TOKEN")
	}
	return warnings
}
