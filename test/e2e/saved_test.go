package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"mmsdispatch/test/harness"
)

// saves is how many times something was saved at Sinch.
func (s *stack) saves() int {
	s.t.Helper()
	return len(s.sim.Seen(url.Values{"operation": {"savemms"}}))
}

func (s *stack) wantAllDelivered(b batch, rows int) {
	s.t.Helper()
	if done := s.awaitDone(b.ID); done.Counts["delivered"] != rows {
		s.t.Errorf("%+v", done)
	}
	if stats := s.sim.Stats(); stats.Accepted != rows || stats.Messages != rows || stats.Doubled != 0 {
		s.t.Errorf("%+v for %d messages", stats, rows)
	}
}

// TestSharedMediaAreFetchedOnce: for 300 recipients Sinch gets the media once
// and not 300 times.
func TestSharedMediaAreFetchedOnce(t *testing.T) {
	t.Parallel()
	const rows = 300
	s := start(t, workers(2))
	s.wantAllDelivered(s.stream("", s.equalRows(manyNumbers(rows)...)), rows)
	if stats := s.sim.Stats(); stats.MediaFetches != 1 || s.saves() != 1 {
		t.Errorf("%d media fetched, saved %d times", stats.MediaFetches, s.saves())
	}
}

// TestOwnTextsAreSentAlong: the saved message includes the text.
func TestOwnTextsAreSentAlong(t *testing.T) {
	t.Parallel()
	const rows = 40
	s := start(t)
	s.wantAllDelivered(s.stream("", s.rows(rows)), rows)
	if stats := s.sim.Stats(); stats.MediaFetches != rows || s.saves() != 0 {
		t.Errorf("%d media fetched, saved %d times", stats.MediaFetches, s.saves())
	}
}

// TestSavedMediaThatSinchLosesAreSavedAgain, in the middle of a batch.
func TestSavedMediaThatSinchLosesAreSavedAgain(t *testing.T) {
	t.Parallel()
	const rows = 120
	s := start(t, workers(2), with("SINCH_RATE", "40"))
	b := s.stream("", s.equalRows(manyNumbers(rows)...))
	s.await("some of the batch", s.conf.patience, func() (bool, string) {
		stats := s.sim.Stats()
		return stats.Accepted > rows/4, fmt.Sprintf("%+v", stats)
	})
	s.sim.Order(http.MethodDelete, "/sim/templates", nil)
	s.wantAllDelivered(b, rows)
	if stats := s.sim.Stats(); stats.MediaFetches != 2 || s.saves() != 2 {
		t.Errorf("%d media fetched, saved %d times", stats.MediaFetches, s.saves())
	}
}

// TestMediaThatSinchSpoilsAreSentAlong after they were saved a second time.
func TestMediaThatSinchSpoilsAreSentAlong(t *testing.T) {
	t.Parallel()
	const rows = 40
	s := start(t)
	s.sim.Order(http.MethodPut, "/sim/references/saved", harness.Rule(0, "media"))
	s.wantAllDelivered(s.stream("", s.equalRows(manyNumbers(rows)...)), rows)
	if stats := s.sim.Stats(); s.saves() != 2 || stats.MediaFetches != rows+2 {
		t.Errorf("%d media fetched, saved %d times", stats.MediaFetches, s.saves())
	}
}

// TestSavedVideoIsWaitedFor until Sinch has encoded it.
func TestSavedVideoIsWaitedFor(t *testing.T) {
	t.Parallel()
	const rows = 40
	s := start(t, simulatorWith("--encode-time", "1500ms"))
	media := "https://media.example.com/clip.mp4"
	lines := make([]string, rows)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"to":%q,"mediaUrl":%q}`, numberPool.Next(), media)
	}
	s.wantAllDelivered(s.stream("", lines), rows)
	if stats := s.sim.Stats(); stats.MediaFetches != 1 || stats.Calls != rows+1 {
		t.Errorf("%+v", stats)
	}
}

// TestSavedMediaThatAreNotReadyYet are waited for also when Sinch reports it by its
// answer (E626), and no try is used up.
func TestSavedMediaThatAreNotReadyYet(t *testing.T) {
	t.Parallel()
	const rows = 20
	s := start(t, patient(), with("RETRY_MAX", "1"))
	numbers := manyNumbers(rows)
	s.sim.ForNumber(numbers[0], 2, "E626") // each defers all messages that share them by five seconds
	s.wantAllDelivered(s.stream("", s.equalRows(numbers...)), rows)
	if stats := s.sim.Stats(); stats.MediaFetches != 1 || stats.Accepted != rows {
		t.Errorf("%+v", stats)
	}
}

// TestSavedMediaWithoutAReport are used all the same, a little later.
func TestSavedMediaWithoutAReport(t *testing.T) {
	t.Parallel()
	const rows = 40
	s := start(t)
	s.sim.Order(http.MethodPut, "/sim/references/saved", harness.Rule(0, "none"))
	s.wantAllDelivered(s.stream("", s.equalRows(manyNumbers(rows)...)), rows)
	if stats := s.sim.Stats(); stats.MediaFetches != 1 || stats.Calls != rows+1 {
		t.Errorf("%+v", stats)
	}
}

// TestMediaThatCannotBeSavedAreSentAlong: an account may not have the action.
func TestMediaThatCannotBeSavedAreSentAlong(t *testing.T) {
	t.Parallel()
	const rows = 40
	s := start(t)
	s.sim.Order(http.MethodPut, "/sim/references/saved", harness.Rule(0, "E107"))
	s.wantAllDelivered(s.stream("", s.equalRows(manyNumbers(rows)...)), rows)
	if stats := s.sim.Stats(); s.saves() != 1 || stats.MediaFetches != rows {
		t.Errorf("%d media fetched, saved %d times", stats.MediaFetches, s.saves())
	}
}
