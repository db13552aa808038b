package doctor

import (
	"context"
	"fmt"
)

// carrierLimit is the size of media that the carriers of all destinations accept, in
// bytes (Sinch, MMS best practices).
const carrierLimit = 1 << 20

// media checks the settings of the media check.
func (e *examination) media(_ context.Context, n *findings) {
	if !e.needs(n, "MEDIA_CHECK", "MEDIA_MAX_BYTES", "MEDIA_ALLOW_PRIVATE") {
		return
	}
	m := e.cfg.Media
	if m.Check == "off" {
		n.warn("media are not checked: a bad one costs a call to Sinch", "set MEDIA_CHECK to worker or accept")
		return
	}
	if m.MaxBytes > carrierLimit {
		n.warn(fmt.Sprintf("media of up to %s pass the check; many carriers accept 1 MiB", size(m.MaxBytes)), "lower MEDIA_MAX_BYTES")
		return
	}
	where := "by the worker, before each call"
	if m.Check == "accept" {
		where = "before the caller is answered"
	}
	n.ok(fmt.Sprintf("checked %s, up to %s", where, size(m.MaxBytes)))
}

// size formats a number of bytes.
func size[N int64 | uint64](bytes N) string {
	const step = 1024
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(bytes), 0
	for value >= step && unit < len(units)-1 {
		value /= step
		unit++
	}
	return fmt.Sprintf("%.4g %s", value, units[unit])
}
