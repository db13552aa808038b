package pages

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/status"
	"mmsdispatch/internal/workers"
)

// mark is a change that may explain what the charts show.
type mark struct {
	At    time.Time
	Kind  string // version or setting
	Text  string
	Actor string // empty: a start of a worker
	X     string // its place on the charts
}

// marks are the versions and settings that have changed between the samples, the
// oldest first.
func (h *Handler) marks(ctx context.Context, samples []status.Sample) ([]mark, error) {
	if len(samples) < 2 {
		return nil, nil
	}
	first, last := samples[0].At, h.Now()
	starts, err := workers.Starts(ctx, h.Redis)
	if err != nil {
		return nil, err
	}
	entries, err := operator.Audit(ctx, h.Redis, first)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(startMarks(starts), auditMarks(entries))
	all = slices.DeleteFunc(all, func(m mark) bool { return m.At.Before(first) || m.At.After(last) })
	slices.SortStableFunc(all, func(a, b mark) int { return a.At.Compare(b.At) })
	for i := range all {
		all[i].X = fmt.Sprintf("%.1f", placeOf(all[i].At, first, samples[len(samples)-1].At))
	}
	return all, nil
}

// startMarks are the changes that starts of workers brought. The first start that is
// known changed nothing.
func startMarks(starts []workers.Start) []mark {
	var marks []mark
	for i := 1; i < len(starts); i++ {
		before, s := starts[i-1], starts[i]
		if s.Version != before.Version {
			marks = append(marks, mark{At: s.At, Kind: "version", Text: "workers start with " + s.Version + ", before " + before.Version})
		}
		if s.Rate != before.Rate {
			text := fmt.Sprintf("workers start with SINCH_RATE %s, before %s", decimal(s.Rate), decimal(before.Rate))
			marks = append(marks, mark{At: s.At, Kind: "setting", Text: text})
		}
		if s.Concurrency != before.Concurrency {
			text := fmt.Sprintf("workers start with %d calls at once, before %d", s.Concurrency, before.Concurrency)
			marks = append(marks, mark{At: s.At, Kind: "setting", Text: text})
		}
	}
	return marks
}

// auditMarks are the pauses and changes of the pace that operators made.
func auditMarks(entries []operator.Entry) []mark {
	marks := make([]mark, 0, len(entries))
	for _, e := range entries {
		m := mark{At: e.At, Kind: "setting", Actor: e.Actor}
		switch e.Action {
		case operator.ActionPause:
			m.Text = "pause of " + e.Target
		case operator.ActionResume:
			m.Text = "resume of " + e.Target
		case operator.ActionRateSet:
			m.Text = "pace " + paceOf(e.After) + ", before " + paceOf(e.Before)
		case operator.ActionRateReset:
			m.Text = "pace SINCH_RATE, before " + paceOf(e.Before)
		default:
			continue
		}
		marks = append(marks, m)
	}
	return marks
}

// paceOf is a pace as the audit has it.
func paceOf(value any) string {
	var pace struct {
		PerSecond float64 `json:"perSecond"`
	}
	text, err := json.Marshal(value)
	if err != nil || json.Unmarshal(text, &pace) != nil || pace.PerSecond == 0 {
		return "SINCH_RATE"
	}
	return decimal(pace.PerSecond) + " per second"
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
