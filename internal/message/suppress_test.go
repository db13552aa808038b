package message_test

import (
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

func TestSuppress(t *testing.T) {
	t.Parallel()
	now := start()
	for sendAt, replayed := range map[time.Time]message.Status{
		{}: message.StatusQueued, now.Add(time.Hour): message.StatusScheduled,
	} {
		m := message.New(message.NewID(message.RandomIdentity(), now), message.Scope{}, message.Content{SendAt: sendAt}, "28444", now)
		if err := m.Suppress(now); err != nil {
			t.Fatal(err)
		}
		if m.Status != message.StatusFailed || m.Reason.Code != message.ReasonSuppressed || m.Reason.SinchCode != "" || m.Attempts != 0 {
			t.Errorf("%s, reason %+v, %d attempts", m.Status, m.Reason, m.Attempts)
		}
		if err := m.Replay(false, time.Time{}, now); err != nil || m.Status != replayed {
			t.Errorf("replay: %s, %v", m.Status, err)
		}
	}
}
