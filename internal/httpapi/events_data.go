package httpapi

import (
	"time"

	"github.com/go-json-experiment/json"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// MessageEvent is a message as events show it: without its content.
func MessageEvent(m *message.Message) []byte {
	w := members{json: make([]byte, 0, messageRoom)}
	w.object(func() { w.event(m) })
	return w.json
}

// BatchEvent is a batch as events show it.
func BatchEvent(b ledger.Batch, now time.Time) []byte {
	data, err := json.Marshal(showBatch(b, now, false), json.Deterministic(true))
	if err != nil {
		return []byte("{}") // there is no value that is not JSON
	}
	return data
}
