package telemetry

import (
	"sync/atomic"

	"github.com/rs/zerolog"
)

// StateLog is for work that is tried again and again: it writes one line when the
// work begins to fail and one when it succeeds again. The failures between are
// lines of level debug. It is safe for concurrent use.
type StateLog struct {
	log     zerolog.Logger
	fails   string
	works   string
	failing atomic.Bool
}

// NewStateLog makes a StateLog with its two messages.
func NewStateLog(log zerolog.Logger, fails, works string) *StateLog {
	return &StateLog{log: log, fails: fails, works: works}
}

// Report takes the result of one try.
func (s *StateLog) Report(err error) {
	failing := err != nil
	level := zerolog.InfoLevel
	switch changed := s.failing.Swap(failing) != failing; {
	case failing && changed:
		level = zerolog.WarnLevel
	case failing:
		level = zerolog.DebugLevel
	case !changed:
		return
	}
	event := s.log.WithLevel(level)
	if !event.Enabled() {
		return
	}
	if failing {
		event.Str(zerolog.ErrorFieldName, Scrub(err.Error())).Msg(s.fails)
		return
	}
	event.Msg(s.works)
}
