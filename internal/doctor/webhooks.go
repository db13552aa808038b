package doctor

import (
	"context"
	"strings"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/sinch"
)

// webhooks checks the address and the authentication of receipts.
func (e *examination) webhooks(_ context.Context, n *findings) {
	if !e.needs(n, "SINCH_API", "SINCH_CALLBACK_URL", "SINCH_WEBHOOK_SECRET", "SINCH_WEBHOOK_TOKEN", "SINCH_WEBHOOK_USER",
		"SINCH_WEBHOOK_PASSWORD", "SINCH_WEBHOOK_INSECURE") {
		return
	}
	api := sinch.API(e.cfg.Sinch.API)
	if api == sinch.APISimulator {
		n.ok("receipts of the simulator stay in the process")
		return
	}
	if e.runs(config.API) {
		e.webhookChecks(n, api)
	}
	if e.runs(config.Worker) && api != sinch.APIMMS {
		e.callbackURL(n)
	}
}

// webhookChecks checks the authentication of each API's receipts: those of an API used
// before may still arrive.
func (e *examination) webhookChecks(n *findings, used sinch.API) {
	const fix = "set SINCH_WEBHOOK_TOKEN, or what else docs/sinch.md names for it"
	var refused []string
	for _, api := range []sinch.API{sinch.APIMMS, sinch.APIBatches, sinch.APIConversation} {
		checks := fitting(e.cfg.Webhook, api)
		switch {
		case len(checks) > 0:
			n.ok("receipts of the " + string(api) + " API are checked by " + strings.Join(checks, " and "))
		case e.cfg.Webhook.Insecure:
			n.warn("receipts of the "+string(api)+" API are accepted without a check, since SINCH_WEBHOOK_INSECURE is on", fix)
		case api == used:
			n.fail("receipts of the "+string(api)+" API are refused with 401, since no check is configured that fits them", fix)
		default:
			refused = append(refused, string(api))
		}
	}
	if len(refused) > 0 {
		n.ok("late receipts of APIs that are not in use would be refused: no check fits " + strings.Join(refused, " and "))
	}
}

// fitting returns the configured authentications for the receipts of an API.
func fitting(w config.Webhook, api sinch.API) []string {
	var checks []string
	if !w.Token.IsZero() {
		checks = append(checks, "token")
	}
	if !w.Secret.IsZero() && api != sinch.APIMMS {
		checks = append(checks, "signature")
	}
	if w.User != "" && api == sinch.APIBatches {
		checks = append(checks, "user and password")
	}
	return checks
}

// callbackURL checks the address of receipts.
func (e *examination) callbackURL(n *findings) {
	written := string(e.cfg.Sinch.CallbackURL)
	if written == "" {
		n.warn("SINCH_CALLBACK_URL is not set: no delivery reports are requested, so messages stay sent",
			"set it to the public base URL of the api")
		return
	}
	receipts := e.cfg.ReceiptURL()
	switch {
	case receipts == nil:
		n.fail("SINCH_CALLBACK_URL cannot be read", "set it to the public base URL of the api")
	case e.cfg.CallbackInside():
		n.warn("receipts are requested at "+e.cfg.ShownReceiptURL()+", a host of this network, which Sinch cannot reach",
			"set SINCH_CALLBACK_URL to the public base URL of the api")
	case receipts.Scheme != "https":
		n.warn(
			"SINCH_CALLBACK_URL is not https: receipts are requested at "+e.cfg.ShownReceiptURL()+
				", and can be read on the way with their token",
			"put TLS before the api")
	default:
		n.ok("receipts are requested at " + e.cfg.ShownReceiptURL())
	}
}
