package throttle

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// AutomaticPause is a pause of the account that answers of Sinch, or their absence,
// have caused. It ends by itself.
type AutomaticPause struct {
	// Cause is CauseAccount, CausePace (Sinch answers that calls are too fast) or
	// CauseUnreachable.
	Cause   Cause
	Reason  string // with Sinch's code, where it gave one
	Since   time.Time
	Until   time.Time // zero: not known
	ProbeAt time.Time // when the next call shows whether the cause is gone; zero: there is no probe
}

// AutomaticPauses lists the pauses under the prefix, in any process: of accounts
// that Sinch refuses, of calls that Sinch answers as too fast, and of workers whose
// calls get no answer.
func AutomaticPauses(ctx context.Context, rdb redis.UniversalClient, prefix string) ([]AutomaticPause, error) {
	prefix = cmp.Or(prefix, DefaultPrefix)
	accounts, err := Pauses(ctx, rdb, prefix)
	if err != nil {
		return nil, err
	}
	slow, err := readSlowness(ctx, rdb, keysOf(prefix))
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	breakers, err := rdb.HGetAll(ctx, outagesKey(prefix)).Result()
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	now := time.Now()
	var pauses []AutomaticPause
	for _, p := range accounts {
		pauses = append(pauses, AutomaticPause{
			Cause: CauseAccount, Reason: withCode("Sinch refuses the account", p.SinchCode), Since: p.Since, ProbeAt: p.ProbeAt,
		})
	}
	if slow.level > 0 {
		p := AutomaticPause{
			Cause:  CausePace,
			Reason: withCode("Sinch answers that calls are too fast", slow.sinchCode), Since: slow.since, Until: now.Add(slow.left),
		}
		if slow.backoff > 0 {
			p.ProbeAt = now.Add(slow.backoff)
		}
		pauses = append(pauses, p)
	}
	return append(pauses, unreachable(breakers, now)...), nil
}

func withCode(text, sinchCode string) string {
	if sinchCode == "" {
		return text
	}
	return text + " (" + sinchCode + ")"
}

// unreachable joins the outages of all processes: since the first of them, with the
// probe that comes first.
func unreachable(values map[string]string, now time.Time) []AutomaticPause {
	var first AutomaticPause
	workers := 0
	for _, value := range values {
		p, lasts := parseOutage(value, now)
		if !lasts {
			continue
		}
		workers++
		if workers == 1 || p.Since.Before(first.Since) {
			first.Since = p.Since
		}
		if workers == 1 || p.ProbeAt.Before(first.ProbeAt) {
			first.ProbeAt = p.ProbeAt
		}
	}
	if workers == 0 {
		return nil
	}
	first.Cause = CauseUnreachable
	first.Reason = fmt.Sprintf("Sinch does not answer (workers: %d)", workers)
	return []AutomaticPause{first}
}
