package doctor

import (
	"context"
	"fmt"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/mediafit"
	"mmsdispatch/internal/message"
)

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
	carriers, err := mediafit.ReadCarriers()
	if err != nil {
		n.fail(err.Error(), "this program was built wrong: install another one")
		return
	}
	if least, known := e.leastLimit(carriers); known && m.Fit == "off" && m.MaxBytes > least.Bytes {
		n.warn(fmt.Sprintf("media of up to %s pass the check; %s accepts %s from senders of the class %s",
			size(m.MaxBytes), least.Carrier, size(least.Bytes), least.Class), "lower MEDIA_MAX_BYTES, or set MEDIA_FIT to on")
		return
	}
	where := "by the worker, before each call"
	if m.Check == "accept" {
		where = "before the caller is answered"
	}
	n.ok(fmt.Sprintf("checked %s, up to %s", where, size(m.MaxBytes)))
}

// leastLimit is the lowest limit of the carriers for the configured senders.
func (e *examination) leastLimit(carriers mediafit.Carriers) (least mediafit.CarrierLimit, known bool) {
	for _, sender := range append([]config.Sender{e.cfg.Sinch.Number}, e.cfg.Sinch.Senders...) {
		limit, ok := carriers.Least(message.CanonicalSender(string(sender)))
		if ok && (!known || limit.Bytes < least.Bytes) {
			least, known = limit, true
		}
	}
	return least, known
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
