package app

import (
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/encryption"
)

// recordKeys are the keys of RECORD_KEYS. A key that is missing is logged at most
// once a minute.
func recordKeys(cfg *config.Config, log zerolog.Logger) (*encryption.Keys, error) {
	var logged sync.Map // zerolog.Logger by id
	keys, err := encryption.New(encryption.Collect(cfg.Store.RecordKeys.All()), func(id string) {
		sampled, _ := logged.LoadOrStore(id, log.Sample(&zerolog.BurstSampler{Burst: 1, Period: time.Minute}))
		if own, ok := sampled.(zerolog.Logger); ok {
			own.Error().Str("key_id", id).Msg("records need a key that is not in RECORD_KEYS; they are kept, and readable once it is back")
		}
	})
	if err != nil {
		return nil, fmt.Errorf("RECORD_KEYS: %w", err)
	}
	return keys, nil
}

// numberKey keeps the key in view that hashes the numbers of opt-outs.
func (e *environment) numberKey() part {
	return part{name: "number key", Service: background.Loop(e.optOuts.Follow)}
}
