package sinchsim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// step is one thing that happens to an accepted message.
type step struct {
	code string
	at   time.Time
}

// notice is a step whose receipt leaves at due, which need not be when it
// happened.
type notice struct {
	step

	due time.Time
}

// happen puts codes on a time line that begins at start.
func (o ReceiptOptions) happen(codes []string, r Receipts, start time.Time, rng *rand.Rand) []step {
	at := start.Add(time.Duration(r.Delay))
	if r.Delay == 0 && o.FirstWithin > 0 {
		at = start.Add(time.Duration(rng.Int64N(int64(o.FirstWithin) + 1)))
	}
	gap := time.Duration(r.Step)
	if gap == 0 {
		gap = max(o.Step, 0)
	}
	steps := make([]step, len(codes))
	for i, code := range codes {
		steps[i] = step{code, at}
		at = at.Add(gap)
	}
	return steps
}

// notices are the receipts of a time line, disordered and doubled as asked for.
func (r Receipts) notices(steps []step) []notice {
	if r.outcome() == OutcomeNone && len(r.Codes) == 0 {
		return nil
	}
	order := slices.Clone(steps)
	if r.Reorder {
		slices.Reverse(order)
	}
	all := make([]notice, 0, len(order))
	for i, s := range order {
		n := notice{step: s, due: steps[i].at}
		all = append(all, n)
		if r.Duplicate {
			all = append(all, n)
		}
	}
	return all
}
