package config_test

import (
	"slices"
	"strings"
	"testing"

	"mmsdispatch/internal/config"
)

func TestSenderTenants(t *testing.T) {
	t.Parallel()

	environ := map[string]string{"SINCH_NUMBER": "+12065550100", "SINCH_SENDER_TENANTS": "12065550100=shop|bank, 28444=bank"}

	cfg, err := config.Load(config.API, environ)
	if err != nil {
		t.Fatal(err)
	}

	tenants := cfg.Sinch.SenderTenants.Canonical()
	if !slices.Equal(tenants["+12065550100"], []string{"shop", "bank"}) || !slices.Equal(tenants["28444"], []string{"bank"}) || len(tenants) != 2 {
		t.Errorf("%v", tenants)
	}

	for _, wrong := range []string{"x=shop", "28444", "28444=", "28444=shop|", "28444=SHOP", "28444=a,28444=b"} {
		environ["SINCH_SENDER_TENANTS"] = wrong
		if _, err := config.Load(config.API, environ); err == nil || !strings.Contains(err.Error(), "SINCH_SENDER_TENANTS must be number=value,…: entry") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestHelpText(t *testing.T) {
	t.Parallel()

	environ := map[string]string{"SINCH_NUMBER": "+12065550100", "HELP_TEXT": "Alerts of the shop.\nSTOP ends them."}

	for api, warns := range map[string]bool{"mms": false, "conversation": false, "batches": true} {
		environ["SINCH_API"] = api

		cfg, err := config.Load(config.API, environ)
		if err != nil {
			t.Fatal(err)
		}

		warned := slices.ContainsFunc(cfg.Warnings(), func(text string) bool { return strings.HasPrefix(text, "HELP_TEXT goes out as SMS") })
		if warned != warns {
			t.Errorf("%s: %v", api, cfg.Warnings())
		}
	}

	for _, wrong := range []string{" ", "\x00", "\xff", strings.Repeat("x", 1601)} {
		environ["HELP_TEXT"] = wrong
		if _, err := config.Load(config.API, environ); err == nil || !strings.Contains(err.Error(), "HELP_TEXT must be a text of at most 1600") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
