package doctor

import (
	"context"
	"time"

	"mmsdispatch/internal/throttle"
)

// account checks whether calls are paused because Sinch refuses the account.
func (e *examination) account(ctx context.Context, n *findings) {
	if e.rdb == nil {
		n.warn(notChecked, redisFirst)
		return
	}
	pauses, err := throttle.Pauses(ctx, e.rdb, "")
	if err != nil {
		n.warn("pauses cannot be read: "+scrubbed(err), "")
		return
	}
	for _, pause := range pauses {
		n.fail(pause.String()+"; since "+pause.Since.UTC().Format(time.RFC3339),
			"put right what Sinch refuses: key, campaign, credit or address list; messages then go on by themselves")
	}
	if len(pauses) == 0 {
		n.ok("not paused")
	}
}
