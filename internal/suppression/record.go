package suppression

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/message"
)

// record is the hash of one number. Its fields are
//
//	own <scope> <sender>   "<ms> <source> <reason>"  an opt-out of a tenant, from a caller or from Sinch
//	word <sender>          "<ms> <meaning> <word>"   the last word that the phone itself sent to a sender
//	lift <scope> <sender>  "<ms>"                    STOPs up to this time do not count for a tenant that deleted them
//	number                 the number, encrypted     where the key of the record is a hash of it
//
// with times in Unix milliseconds and the sender of all being anySender.
// The opt-outs in effect are computed when it is read. The record expires once it has none.
type record struct {
	number  string
	fields  map[string]string
	senders message.SenderTenants
}

const (
	kindOwn  = "own "
	kindWord = "word "
	kindLift = "lift "

	numberField = "number"

	anySender = "*"
)

func ownField(scope message.Scope, sender string) string {
	return kindOwn + scope.String() + " " + shownSender(sender)
}

func wordField(sender string) string { return kindWord + shownSender(sender) }

func liftField(scope message.Scope, sender string) string {
	return kindLift + scope.String() + " " + shownSender(sender)
}

func shownSender(sender string) string {
	if sender == EverySender {
		return anySender
	}
	return sender
}

func readSender(shown string) string {
	if shown == anySender {
		return EverySender
	}
	return shown
}

// fieldValue is the value of a field: time, kind and text.
type fieldValue struct {
	at   time.Time
	kind string
	text string
}

func parseValue(value string) fieldValue {
	stamp, rest, _ := strings.Cut(value, " ")
	ms, _ := strconv.ParseInt(stamp, 10, 64)
	kind, text, _ := strings.Cut(rest, " ")
	return fieldValue{at: time.UnixMilli(ms).UTC(), kind: kind, text: text}
}

// each calls yield with the fields of a kind, in no order.
func (r record) each(kind string, yield func(rest string, s fieldValue)) {
	for name, value := range r.fields {
		if rest, ok := strings.CutPrefix(name, kind); ok {
			yield(rest, parseValue(value))
		}
	}
}

// entries are the opt-outs in effect for a scope: one per sender, the one for every
// sender first, then the newest first. A tenant's own opt-out replaces a STOP of the
// phone.
func (r record) entries(scope message.Scope) []Entry {
	found := make(map[string]Entry)
	if !scope.Test { // a phone answers live messages only
		for _, e := range r.stops(scope) {
			found[e.Sender] = e
		}
	}
	for _, e := range r.ownEntries(scope) {
		if e.Source != SourceSinch || !r.startedSince(e.Sender, e.CreatedAt) {
			found[e.Sender] = e
		}
	}
	all := make([]Entry, 0, len(found))
	for _, e := range found {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if every := cmp.Compare(rank(a), rank(b)); every != 0 {
			return every
		}
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.Sender, a.Sender))
	})
	return all
}

// ownEntries are the opt-outs of a scope beside the STOPs, also blocks of Sinch that a
// START has ended.
func (r record) ownEntries(scope message.Scope) []Entry {
	var all []Entry
	r.each(kindOwn+scope.String()+" ", func(shown string, s fieldValue) {
		all = append(all, Entry{Number: r.number, Sender: readSender(shown), Reason: s.text, Source: Source(s.kind), CreatedAt: s.at})
	})
	return all
}

func rank(e Entry) int {
	if e.Sender == EverySender {
		return 0
	}
	return 1
}

// stops are the STOPs to senders that a scope may use and that it has not deleted.
func (r record) stops(scope message.Scope) []Entry {
	var all []Entry
	r.each(kindWord, func(shown string, s fieldValue) {
		sender := readSender(shown)
		lifted, ok := r.fields[liftField(scope, sender)]
		if s.kind != string(Stop) || !r.senders.Allows(scope.Tenant, sender) || ok && !s.at.After(parseValue(lifted).at) {
			return
		}
		all = append(all, Entry{Number: r.number, Sender: sender, Reason: s.text, Source: SourceInbound, CreatedAt: s.at})
	})
	return all
}

// startedSince reports whether the phone has sent a START since: Sinch removes the
// number from its block list then.
func (r record) startedSince(sender string, at time.Time) bool {
	value, ok := r.fields[wordField(sender)]
	word := parseValue(value)
	return ok && word.kind == string(Start) && !word.at.Before(at)
}
