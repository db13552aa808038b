package message

import (
	"maps"
	"slices"
	"strings"
)

// SenderTenants are the tenants that may use a sender, by its canonical form. A
// sender that is not listed belongs to all tenants.
type SenderTenants map[string][]string

// Allows reports whether a tenant may use a sender.
func (s SenderTenants) Allows(tenant, sender string) bool {
	tenants, listed := s[sender]
	return !listed || slices.Contains(tenants, tenant)
}

// For returns the rules for the messages of a tenant: the senders that it may not
// use are unknown to them.
func (r *Rules) For(tenant string) *Rules {
	if len(r.opts.SenderTenants) == 0 {
		return r
	}
	own := *r
	own.senders = maps.Clone(r.senders)
	maps.DeleteFunc(own.senders, func(_, sender string) bool { return !r.opts.SenderTenants.Allows(tenant, sender) })
	if !r.opts.SenderTenants.Allows(tenant, r.sender) {
		own.sender, own.fromRequired = "", true
	}
	return &own
}

// Sender returns the canonical form of a configured sender; ok is false for any
// other number.
func (r *Rules) Sender(number string) (sender string, ok bool) {
	sender, ok = r.senders[strings.TrimPrefix(number, "+")]
	return sender, ok
}

// Allows reports whether a tenant may use a sender, of which nothing need be
// configured.
func (r *Rules) Allows(tenant, sender string) bool {
	return r.opts.SenderTenants.Allows(tenant, sender)
}

// DefaultSender is the sender of messages that name none.
func (r *Rules) DefaultSender() string { return r.sender }

// ServiceScope has the messages of the service itself, such as the answers to HELP.
// No tenant can have its name.
func ServiceScope() Scope { return Scope{Tenant: "~service"} }
