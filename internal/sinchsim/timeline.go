package sinchsim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Step is one event of an accepted message.
type Step struct {
	Code string
	At   time.Time
}

// Notice is a step whose receipt is sent at due, which may differ from the step's
// time.
type Notice struct {
	Step

	Due time.Time
}

// Timeline assigns times to codes, beginning at start.
func (o ReceiptOptions) Timeline(codes []string, r Receipts, start time.Time, rng *rand.Rand) []Step {
	at := start.Add(time.Duration(r.Delay))
	if r.Delay == 0 && o.FirstWithin > 0 {
		at = start.Add(time.Duration(rng.Int64N(int64(o.FirstWithin) + 1)))
	}
	gap := time.Duration(r.Step)
	if gap == 0 {
		gap = max(o.Step, 0)
	}
	steps := make([]Step, len(codes))
	for i, code := range codes {
		steps[i] = Step{code, at}
		at = at.Add(gap)
	}
	return steps
}

// Notices are the receipts of a timeline, reordered and duplicated by r.
func (r Receipts) Notices(steps []Step) []Notice {
	if r.OutcomeOrDefault() == OutcomeNone && len(r.Codes) == 0 {
		return nil
	}
	order := slices.Clone(steps)
	if r.Reorder {
		slices.Reverse(order)
	}
	all := make([]Notice, 0, len(order))
	for i, s := range order {
		n := Notice{Step: s, Due: steps[i].At}
		all = append(all, n)
		if r.Duplicate {
			all = append(all, n)
		}
	}
	return all
}

// OperatorID is the carrier of all simulated phones.
const OperatorID = "31003"

// FormatTime formats times as the SMS REST and Conversation APIs: UTC with milliseconds.
func FormatTime(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}
