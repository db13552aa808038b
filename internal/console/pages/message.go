package pages

import (
	"fmt"
	"net/http"
	"time"

	"mmsdispatch/internal/callback"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/pause"
)

// messageBody is what the page of a message shows.
type messageBody struct {
	*message.Message

	Next       string // what will happen, and when
	Steps      []step // all that will
	Bars       []bar
	Deliveries []callback.Delivery
	Queue      string // the page of its queue
	Task       string // the page of its task; empty: it has none of its own
	Replayable bool
	Revealed   *message.Content // nil: hidden
}

// deliveriesShown is the number of callbacks that the page of a message shows.
const deliveriesShown = 50

func (h *Handler) message(w http.ResponseWriter, r *http.Request) error {
	m, err := h.messageOf(r)
	if err != nil {
		return err
	}
	body, err := h.messageBody(r, m)
	if err != nil {
		return err
	}
	return h.show(w, r, "message", "Message "+string(m.ID), body)
}

func (h *Handler) messageBody(r *http.Request, m *message.Message) (*messageBody, error) {
	ctx := r.Context()
	deliveries, err := h.Callbacks.List(ctx, m.Scope, callback.Filter{MessageID: m.ID}, callback.Position{}, deliveriesShown)
	if err != nil {
		return nil, err
	}
	pauses, err := pause.NewStore(h.Redis).Read(ctx)
	if err != nil {
		return nil, err
	}
	inForce, err := operator.Pauses(ctx, h.Redis)
	if err != nil {
		return nil, err
	}
	now := h.Now().UTC()
	task := queue.MessageTask(m)
	body := &messageBody{
		Message: m, Next: nextOf(m, pauses, now), Steps: stepsOf(m, inForce, deliveries, now), Bars: barsOf(m, deliveries, now),
		Deliveries: deliveries,
		Queue:      "/queues/queues/" + task.Lane, Replayable: replayable(m, now) == nil,
	}
	if (m.Status.Waiting() || m.Status == message.StatusSending) && m.Group == "" {
		body.Task = body.Queue + "/tasks/" + task.ID
	}
	return body, nil
}

// replayable returns nil for a message that an operator can replay.
func replayable(m *message.Message, now time.Time) error {
	return m.Clone().Replay(mayDouble(m), time.Time{}, now)
}

// mayDouble reports whether a replay may send a message twice: Sinch may have
// accepted an attempt of it.
func mayDouble(m *message.Message) bool { return m.Status == message.StatusUnknown }

// nextOf says what will happen to a message, and when.
func nextOf(m *message.Message, pauses pause.Set, now time.Time) string {
	switch m.Status {
	case message.StatusScheduled:
		return "It is queued at " + stamp(m.NextAt) + ", in " + length(m.NextAt.Sub(now)) + "."
	case message.StatusQueued:
		if key, paused := pauses.Match(m); paused {
			p := pauses[key]
			return fmt.Sprintf("It waits until %s is resumed, which %s has paused: %s.", maskedScope(string(p.Scope)), p.Actor, p.Reason)
		}
		if m.NextAt.After(now) {
			return "The next attempt begins at " + stamp(m.NextAt) + ", in " + length(m.NextAt.Sub(now)) + "."
		}
		return "It waits for its turn: the next attempt begins as soon as the pace and the workers allow."
	case message.StatusSending:
		if a := m.Current(); a != nil {
			return fmt.Sprintf("Attempt %d is in flight since %s. Its outcome is known by %s.", a.N, stamp(a.Begun), stamp(a.Deadline))
		}
		return "An attempt is in flight."
	case message.StatusSent:
		return "Sinch has accepted it. A receipt settles whether it arrived."
	case message.StatusUnknown:
		return "Sinch may or may not have accepted it. A lookup or a receipt decides, where the API offers one; " +
			"else an operator can replay it."
	default:
		return "Nothing: this state is final, unless a late receipt or a replay changes it."
	}
}
