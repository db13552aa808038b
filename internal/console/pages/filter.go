package pages

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mmsdispatch/internal/message"
)

// filter selects messages; empty members select all. It is the query of the page.
type filter struct {
	Tenant    string
	Kind      string // live or test
	Status    []message.Status
	Reason    string // its code
	Code      string // Sinch's code; none: Sinch gave none
	Carrier   string // its id; none: not known
	Priority  string
	Reference string
	Sinch     string // Sinch's id
	Batch     message.BatchID
	Number    string // a hash of it
	After     message.ID
	numberKey []byte
}

// noCode stands for messages whose reason has no code of Sinch, or whose carrier is
// not known.
const noCode = "none"

// filterNames are the names of the members in a query, which are those of words in
// searches, too.
func filterNames() []string {
	return []string{
		tenantField, kindField, statusField, "reason", "code", carrierField, "priority", "reference", "sinch", "batch", numberField,
	}
}

func readFilter(query url.Values) (filter, error) {
	f := filter{
		Tenant: query.Get(tenantField), Kind: query.Get(kindField), Reason: query.Get("reason"), Code: query.Get("code"),
		Carrier:  query.Get(carrierField),
		Priority: query.Get("priority"), Reference: query.Get("reference"), Sinch: query.Get("sinch"), Number: query.Get(numberField),
	}
	bad := func(text string) error { return &refusal{http.StatusBadRequest, text} }
	for _, words := range query[statusField] {
		for word := range strings.SplitSeq(words, ",") {
			if word == "" {
				continue
			}
			if !slices.Contains(message.Statuses(), message.Status(word)) {
				return filter{}, bad("The filter names a status that does not exist.")
			}
			f.Status = append(f.Status, message.Status(word))
		}
	}
	if f.Kind != "" && f.Kind != kindLive && f.Kind != kindTest {
		return filter{}, bad("The filter kind is live or test.")
	}
	if f.Priority != "" && !slices.Contains(message.Lanes(), message.Lane(f.Priority)) {
		return filter{}, bad("The filter priority is high, normal or bulk.")
	}
	if text := query.Get("batch"); text != "" {
		id, err := message.ParseBatchID(text)
		if err != nil {
			return filter{}, bad("The filter batch is the id of a batch.")
		}
		f.Batch = id
	}
	if text := query.Get("after"); text != "" {
		id, err := message.ParseID(text)
		if err != nil {
			return filter{}, bad("The place in the list is malformed.")
		}
		f.After = id
	}
	return f, nil
}

// query is the filter as it stands in the address of a page.
func (f filter) query() url.Values {
	query := url.Values{}
	for name, value := range map[string]string{
		tenantField: f.Tenant, kindField: f.Kind, "reason": f.Reason, "code": f.Code, carrierField: f.Carrier, "priority": f.Priority,
		"reference": f.Reference, "sinch": f.Sinch, "batch": string(f.Batch), numberField: f.Number, statusField: f.statuses(),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

func (f filter) statuses() string {
	names := make([]string, len(f.Status))
	for i, s := range f.Status {
		names[i] = string(s)
	}
	return strings.Join(names, ",")
}

// Has reports whether the filter selects a status.
func (f filter) Has(s message.Status) bool { return slices.Contains(f.Status, s) }

// covers reports whether messages of a scope can be selected.
func (f filter) covers(scope message.Scope) bool {
	return (f.Tenant == "" || f.Tenant == scope.Tenant) && (f.Kind == "" || f.Kind == kindOf(scope))
}

func (f filter) matches(m *message.Message) bool {
	return f.covers(m.Scope) &&
		(len(f.Status) == 0 || f.Has(m.Status)) &&
		(f.Priority == "" || f.Priority == string(m.Content.Priority)) &&
		(f.Reference == "" || f.Reference == m.Content.ClientReference) &&
		(f.Sinch == "" || f.Sinch == m.SinchID) &&
		(f.Batch == "" || f.Batch == m.BatchID) &&
		(f.Reason == "" || m.Reason != nil && f.Reason == string(m.Reason.Code)) &&
		(f.Carrier == "" || f.Carrier == cmp.Or(m.Operator, noCode)) &&
		(f.Code == "" || m.Reason != nil && f.Code == codeOf(m.Reason)) &&
		(f.Number == "" || f.Number == hashNumber(f.numberKey, m.Content.To))
}

// codeOf is Sinch's code of a reason, or noCode.
func codeOf(reason *message.Reason) string {
	if reason.SinchCode == "" {
		return noCode
	}
	return reason.SinchCode
}
