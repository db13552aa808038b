package config

import (
	"fmt"
	"strconv"
	"strings"

	"mmsdispatch/internal/message"
)

// SenderRates is the list in SINCH_SENDER_RATES: messages a second by sender.
type SenderRates map[Sender]float64

// UnmarshalText takes the value from the environment.
func (r *SenderRates) UnmarshalText(text []byte) error {
	const least, most = 0.001, 1_000_000

	rates := make(SenderRates)
	err := bySender(text, func(sender Sender, value string) string {
		rate, err := strconv.ParseFloat(value, 64)
		if err != nil || !(rate >= least && rate <= most) { // NaN, too
			return "needs a rate from 0.001 to 1000000 a second"
		}

		rates[sender] = rate
		return ""
	})
	*r = rates
	return err
}

// SenderQuotas is the list in SINCH_SENDER_DAILY: messages a day by sender.
type SenderQuotas map[Sender]int64

// UnmarshalText takes the value from the environment.
func (q *SenderQuotas) UnmarshalText(text []byte) error {
	quotas := make(SenderQuotas)
	err := bySender(text, func(sender Sender, value string) string {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 1 {
			return "needs a whole number of messages, at least 1"
		}

		quotas[sender] = n
		return ""
	})
	*q = quotas
	return err
}

// SenderTenants is the list in SINCH_SENDER_TENANTS: the tenants of a sender.
type SenderTenants map[Sender][]string

// UnmarshalText takes the value from the environment.
func (t *SenderTenants) UnmarshalText(text []byte) error {
	tenants := make(SenderTenants)
	err := bySender(text, func(sender Sender, value string) string {
		names := strings.Split(value, "|")
		for i, name := range names {
			names[i] = strings.TrimSpace(name)
			if !tenantPattern.MatchString(names[i]) {
				return "needs tenants of 1 to 40 letters a-z, digits, _ and - after =, separated by |"
			}
		}

		tenants[sender] = names
		return ""
	})
	*t = tenants
	return err
}

// Canonical are the tenants by the form of a sender in messages.
func (t SenderTenants) Canonical() message.SenderTenants {
	if len(t) == 0 {
		return nil
	}

	all := make(message.SenderTenants, len(t))
	for sender, tenants := range t {
		all[message.CanonicalSender(string(sender))] = tenants
	}
	return all
}

// bySender reads number=value,…; take says what is wrong with a value.
func bySender(text []byte, take func(sender Sender, value string) (problem string)) error {
	var (
		wrong []string
		seen  = map[string]bool{}
	)

	for i, entry := range strings.Split(string(text), ",") {
		number, value, _ := strings.Cut(strings.TrimSpace(entry), "=")

		var sender Sender

		var problem string

		switch digits := strings.TrimPrefix(number, "+"); {
		case sender.UnmarshalText([]byte(number)) != nil:
			problem = "needs a phone number or a short code before ="
		case seen[digits]:
			problem = "has a number that another one has"
		default:
			seen[digits] = true
			problem = take(sender, strings.TrimSpace(value))
		}

		if problem != "" {
			wrong = append(wrong, fmt.Sprintf("entry %d %s", i+1, problem))
		}
	}

	if len(wrong) > 0 {
		return invalidError("must be number=value,…: " + strings.Join(wrong, "; "))
	}
	return nil
}
