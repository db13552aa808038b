package sinch

// Rule is one line of a code table: the meaning of a code in a response for the
// message of the call.
type Rule struct {
	Code       string
	Meaning    string // short; not Sinch's text
	Kind       OutcomeKind
	Reason     ReasonCode
	MaxRetries int  // upper bound on retries; zero: the policy's own
	Suppress   bool // the recipient is on Sinch's block list
}

// Outcome returns the outcome of a call that the rule describes.
func (r Rule) Outcome() Outcome {
	return Outcome{
		Kind: r.Kind, Code: r.Reason, SinchCode: r.Code, Detail: r.Meaning, MaxRetries: r.MaxRetries, Suppress: r.Suppress,
	}
}

// DetailUnlisted is the detail of an outcome whose code is in no table. An alert
// watches it, since the table then needs the new code.
const DetailUnlisted = "error code that is not documented"

// Unlisted is the rule for a code that is in no table: a permanent refusal, as
// nearly all codes are.
func Unlisted(code string, reason ReasonCode) Rule {
	return Rule{Code: code, Meaning: DetailUnlisted, Kind: Refused, Reason: reason}
}

// Table maps codes to rules. It is immutable.
type Table map[string]Rule

// NewTable makes a table of its lines.
func NewTable(rules []Rule) Table {
	t := make(Table, len(rules))
	for _, r := range rules {
		t[r.Code] = r
	}
	return t
}
