// Package saved knows which text and media of batches are saved at Sinch, so
// that Sinch gets them once and not anew for every message. It is shared by all
// processes on one Redis; nothing in it says what was saved, only its hash.
package saved

import "time"

// State is how far a template is.
type State string

// The states of a template. It begins anew as Absent when what is known of it
// has run out.
const (
	Absent  State = ""        // it is to be saved, perhaps not for the first time
	Saving  State = "saving"  // somebody saves it
	Waiting State = "waiting" // saved; Sinch has not said that it is ready
	Ready   State = "ready"   // messages may name it
	Plain   State = "plain"   // it is done without for a while: messages bring their media along
)

const (
	// kept is how long a template is used. Sinch does not say how long it keeps
	// one; when it is shorter, the template is saved again.
	kept = 24 * time.Hour
	// PlainFor is how long a template is done without after it was refused.
	PlainFor = 10 * time.Minute
	// lostMax is how often a template may be spoilt or lost before it is done
	// without.
	lostMax = 2
	// waitMax is how long a template that was saved may take to be ready.
	waitMax = 10 * time.Minute

	// shortestPause and longestPause bound how long to stay away from a template
	// that is not ready: longer the longer it takes.
	shortestPause = time.Second
	longestPause  = 15 * time.Second
	pauseShare    = 4
)

// Template is what is known of text and media that messages share.
type Template struct {
	State State     `json:"state,omitempty"`
	ID    string    `json:"id,omitempty"`    // Sinch's mms-id of what was saved last, also when it was spoilt or lost
	Saver string    `json:"saver,omitempty"` // who is saving it
	Lost  int       `json:"lost,omitempty"`  // how often it was spoilt or lost at Sinch
	Since time.Time `json:"since,omitzero"`  // when it began to be saved
	Due   time.Time `json:"due,omitzero"`    // counts as ready from then on, whether or not Sinch says so
}

// Pause is how long to stay away from a template that is not ready.
func (t Template) Pause(now time.Time) time.Duration {
	return min(max(now.Sub(t.Since)/pauseShare, shortestPause), longestPause)
}

// at is the template as it is at a time: where reports do not come, or get
// lost, it is ready when it should be.
func (t Template) at(now time.Time) Template {
	if t.State == Waiting && !now.Before(t.Due) {
		t.State = Ready
	}
	return t
}

// Pending reports whether somebody is about to have it ready.
func (t Template) Pending() bool { return t.State == Saving || t.State == Waiting }

// holds reports whether it is saved at Sinch under id.
func (t Template) holds(id string) bool {
	return t.ID == id && (t.State == Waiting || t.State == Ready)
}

// lost is the template after Sinch has spoilt or lost what was saved as id: once
// more it is saved.
func (t Template) lost(id string, now time.Time) Template {
	if t.Lost+1 >= lostMax {
		return Template{State: Plain, Since: now}
	}
	return Template{ID: id, Lost: t.Lost + 1}
}

// delayed is the template after Sinch said that it is not ready.
func (t Template) delayed(now time.Time, grace time.Duration) Template {
	if now.Sub(t.Since) > waitMax {
		return Template{State: Plain, Since: now}
	}
	t.State, t.Due = Waiting, now.Add(grace)
	return t
}

// keep is how long to keep what is known.
func (t Template) keep() time.Duration {
	if t.State == Plain || t.State == Absent {
		return PlainFor
	}
	return kept
}
