// Package saved records which text and media of batches are saved at Sinch, so
// that Sinch receives them once instead of with every message. All processes on
// one Redis share the records, which contain only a hash of the content.
package saved

import "time"

// State is the state of a template.
type State string

// The states of a template. It is Absent again once its record has expired.
const (
	Absent  State = ""        // it has to be saved, perhaps not for the first time
	Saving  State = "saving"  // it is being saved
	Waiting State = "waiting" // saved; Sinch has not reported that it is ready
	Ready   State = "ready"   // messages may refer to it
	Plain   State = "plain"   // it is not used for a while: messages carry their own media
)

const (
	// kept is the time for which a template is used. Sinch does not document how
	// long it keeps one; if that is shorter, the template is saved again.
	kept = 24 * time.Hour
	// PlainFor is the time without a template after it was refused.
	PlainFor = 10 * time.Minute
	// lostMax is the number of times a template may be spoilt or lost before it is
	// not used for a while.
	lostMax = 2
	// waitMax bounds the wait for a saved template to be ready.
	waitMax = 10 * time.Minute

	// shortestPause and longestPause bound the pause of a message whose template is
	// not ready; it grows with the wait.
	shortestPause = time.Second
	longestPause  = 15 * time.Second
	pauseShare    = 4
)

// Template is the record of text and media that messages share.
type Template struct {
	State State     `json:"state,omitempty"`
	ID    string    `json:"id,omitempty"`    // Sinch's mms-id of the last saved one, also when it was spoilt or lost
	Saver string    `json:"saver,omitempty"` // id of the claim under which it is being saved
	Lost  int       `json:"lost,omitempty"`  // how often it was spoilt or lost at Sinch
	Since time.Time `json:"since,omitzero"`  // start of the saving
	Due   time.Time `json:"due,omitzero"`    // counts as ready from then on, with or without a report
}

// Pause is the time until a message should check a template that is not ready
// again.
func (t Template) Pause(now time.Time) time.Duration {
	return min(max(now.Sub(t.Since)/pauseShare, shortestPause), longestPause)
}

// at is the template at a time: without a report it is ready at Due.
func (t Template) at(now time.Time) Template {
	if t.State == Waiting && !now.Before(t.Due) {
		t.State = Ready
	}
	return t
}

// Pending reports whether the template is being saved or about to be ready.
func (t Template) Pending() bool { return t.State == Saving || t.State == Waiting }

// holds reports whether the template is saved at Sinch under id.
func (t Template) holds(id string) bool {
	return t.ID == id && (t.State == Waiting || t.State == Ready)
}

// lost is the template after Sinch has spoilt or lost the one saved as id: it is
// saved once more.
func (t Template) lost(id string, now time.Time) Template {
	if t.Lost+1 >= lostMax {
		return Template{State: Plain, Since: now}
	}
	return Template{ID: id, Lost: t.Lost + 1}
}

// delayed is the template after Sinch refused it as not ready.
func (t Template) delayed(now time.Time, grace time.Duration) Template {
	if now.Sub(t.Since) > waitMax {
		return Template{State: Plain, Since: now}
	}
	t.State, t.Due = Waiting, now.Add(grace)
	return t
}

// keep is the TTL of the record.
func (t Template) keep() time.Duration {
	if t.State == Plain || t.State == Absent {
		return PlainFor
	}
	return kept
}
