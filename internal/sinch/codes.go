package sinch

// Rule is one line of a code table: what a code in an answer means for the
// message it answers.
type Rule struct {
	Code       string
	Meaning    string // short, our own words
	Kind       OutcomeKind
	Reason     ReasonCode
	MaxRetries int  // upper bound on retries; zero: the policy's own
	Suppress   bool // the recipient is on Sinch's block list
}

// Outcome is the rule as the outcome of a call.
func (r Rule) Outcome() Outcome {
	return Outcome{
		Kind: r.Kind, Code: r.Reason, SinchCode: r.Code, Detail: r.Meaning, MaxRetries: r.MaxRetries, Suppress: r.Suppress,
	}
}

// DetailUnlisted is the detail of an outcome whose code stands in no table. It
// is worth an alert: Sinch has codes that we should know.
const DetailUnlisted = "error code that is not documented"

// Unlisted is the rule for a code that stands in no table: a refusal for good,
// since that is what nearly all codes are.
func Unlisted(code string, reason ReasonCode) Rule {
	return Rule{Code: code, Meaning: DetailUnlisted, Kind: Refused, Reason: reason}
}

// Table finds rules by their code. It is never written to once made.
type Table map[string]Rule

// NewTable makes a table of its lines.
func NewTable(rules []Rule) Table {
	t := make(Table, len(rules))
	for _, r := range rules {
		t[r.Code] = r
	}
	return t
}
