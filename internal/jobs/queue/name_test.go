package queue

import (
	"testing"
	"time"

	"mmsdispatch/internal/message"
)

func TestTaskNames(t *testing.T) {
	t.Parallel()
	m := &message.Message{ID: message.NewID(message.RandomIdentity(), time.Now())}
	for _, task := range []int{0, 1, 17} {
		m.Task = task
		id, n, err := ParseTask(taskName(m))
		if err != nil || id != m.ID || n != task {
			t.Errorf("%s: %s %d %v", taskName(m), id, n, err)
		}
	}
}
