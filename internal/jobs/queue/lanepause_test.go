package queue

import (
	"testing"

	"github.com/hibiken/asynq"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// A pause of the bulk lane is one of each of its queues for the asynq in use, also
// where one of them was paused before; the other lanes go on.
func TestLaneIsPausedAsAWhole(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	if err := New(rdb, 0).PublishLanes(t.Context()); err != nil {
		t.Fatal(err)
	}
	inspector, pauses := asynq.NewInspectorFromRedisClient(rdb), NewLanePause(rdb)
	if err := inspector.PauseQueue("bulk-3"); err != nil {
		t.Fatal(err)
	}
	wantPaused := func(want bool) {
		t.Helper()
		for _, queue := range Lanes() {
			info, err := inspector.GetQueueInfo(queue)
			if paused := want && pauses.Lane(queue) == message.Bulk; err != nil || info.Paused != paused {
				t.Errorf("%s: paused %v, %v", queue, info.Paused, err)
			}
		}
	}
	if err := pauses.Pause(t.Context(), message.Bulk); err != nil {
		t.Fatal(err)
	}
	wantPaused(true)
	for range 2 {
		if err := pauses.Resume(t.Context(), message.Bulk); err != nil {
			t.Fatal(err)
		}
		wantPaused(false)
	}
	if lane := pauses.Lane("other"); lane != "" {
		t.Errorf("queue of others is in lane %s", lane)
	}
}
