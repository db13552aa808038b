package sinchsim_test

import (
	"testing"

	"mmsdispatch/internal/sinchsim"
)

func TestSign(t *testing.T) {
	t.Parallel()
	body := `{"at":"2025-01-13T09:22:40.914Z","batch_id":"01JHFFHQ0P99JPPNQPJDV7JTBP","client_reference":"a client reference",` +
		`"code":0,"operator_status_at":"2025-01-13T09:22:00Z","recipient":"33662162466","status":"Delivered","type":"recipient_delivery_report_sms"}`
	got := sinchsim.Sign("SMSWebhooksSecret", []byte(body), "01JHFFHWYY7HSS4FWTMDTQEK8V", "1736760161")
	if got != "ZoHei66PPN/kZjw7hFVfGhJOnml3iGNCMWoyQVcE5o0=" {
		t.Errorf("signature %s", got)
	}
}
