package config_test

import (
	"bytes"
	"strings"
	"testing"

	"mmsdispatch/internal/config"
)

// LOG_NUMBERS=hash needs a key, and has it as bytes.
func TestHashedNumbersNeedTheirKey(t *testing.T) {
	t.Parallel()

	_, err := config.Load(config.Ctl, map[string]string{"LOG_NUMBERS": "hash"})
	if err == nil || !strings.Contains(err.Error(), "LOG_HASH_KEY is required when LOG_NUMBERS is hash") {
		t.Errorf("without a key: %v", err)
	}

	const key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

	for numbers, want := range map[string][]byte{"plain": nil, "hash": []byte("\x00\x01\x02")} {
		cfg := load(t, config.Ctl, map[string]string{"LOG_NUMBERS": numbers, "LOG_HASH_KEY": key})
		if got := cfg.Log.HashKey(); !bytes.HasPrefix(got, want) || len(got) != len(want) && len(got) != 32 {
			t.Errorf("%s: key %v", numbers, got)
		}
	}
}
