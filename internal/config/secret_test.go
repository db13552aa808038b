package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"mmsdispatch/internal/config"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()

	const value = "hunter2"

	type holder struct {
		Public  config.Secret
		private config.Secret
		Nested  map[string]*config.Secret
	}

	secret := config.NewSecret(value)
	held := holder{Public: secret, private: secret, Nested: map[string]*config.Secret{"k": &secret}}
	hex := fmt.Sprintf("%x", value)

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%10.3s"} {
		for _, printed := range []any{secret, &secret, held, &held, []config.Secret{secret}} {
			text := fmt.Sprintf(verb, printed)
			if strings.Contains(text, value) || strings.Contains(strings.ToLower(text), hex) {
				t.Errorf("%s of %T: %s", verb, printed, text)
			}
		}
	}

	for _, printed := range []any{secret, held, map[string]any{"k": secret}} {
		encoded, err := json.Marshal(printed)
		if err != nil || strings.Contains(string(encoded), value) || !strings.Contains(string(encoded), `"[redacted]"`) {
			t.Errorf("JSON of %T: %s, %v", printed, encoded, err)
		}
	}

	text, err := secret.MarshalText()
	if err != nil || string(text) != "[redacted]" || secret.GoString() != "[redacted]" || secret.String() != "[redacted]" {
		t.Errorf("text %s, %v", text, err)
	}

	if secret.Reveal() != value || secret.IsZero() || !secret.Equal(config.NewSecret(value)) || secret.Equal(config.Secret{}) {
		t.Error("the value itself is wrong")
	}

	var zero config.Secret
	if !zero.IsZero() || zero.Reveal() != "" {
		t.Error("the zero secret has a value")
	}
}

func TestWholeConfigHidesSecrets(t *testing.T) {
	t.Parallel()

	const value = "hunter2hunter2hunter2hunter2"

	cfg := load(t, config.Worker, complete(map[string]string{
		"SINCH_API_TOKEN": value, "SINCH_KEY_SECRET": value, "SINCH_WEBHOOK_SECRET": value, "SINCH_WEBHOOK_TOKEN": value,
		"SINCH_WEBHOOK_USER": "u", "SINCH_WEBHOOK_PASSWORD": value, "ADMIN_USER": "u", "ADMIN_PASSWORD": value,
		"REDIS_URL": "redis://:" + value + "@h:1", "DATABASE_URL": "postgres://u:" + value + "@h/d",
		"SENTRY_DSN": "https://" + value + "@s/1", "API_KEYS": "acme:mms_live_" + value,
	}))

	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}

	for _, text := range []string{string(encoded), fmt.Sprintf("%v", cfg), fmt.Sprintf("%+v", *cfg), fmt.Sprintf("%#v", cfg), fmt.Sprint(cfg.API.Keys.List())} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("printed: %s", text)
		}
	}
}
