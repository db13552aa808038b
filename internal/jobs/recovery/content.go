package recovery

import (
	"context"
	"errors"
	"time"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// contentShare is the time of a round for the search of messages that were final
// before CONTENT_TTL had its value.
const contentShare = sweepEvery / 20

// dropContent drops the content of messages that have been final for CONTENT_TTL.
func (s *Sweeper) dropContent(ctx context.Context) error {
	if !s.ledger.DropsContent() {
		return nil
	}
	s.searches.Report(s.content.Step(ctx, contentShare))
	drop := func(ctx context.Context, m *message.Message, now time.Time) (time.Time, error) {
		if due := s.ledger.ContentDue(m); m.Status.Final() && now.Before(due) {
			return due, nil
		}
		err := s.ledger.Redact(ctx, m.ID)
		if errors.Is(err, message.ErrNotErasable) || errors.Is(err, ledger.ErrNotFound) {
			err = nil // it was replayed, or has expired
		}
		return time.Time{}, err
	}
	return s.sweepFor(ctx, listShare, list{name: ledger.Content, end: callsEnd, together: callsTogether, check: each(drop)})
}
