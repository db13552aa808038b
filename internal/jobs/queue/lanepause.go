package queue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// LanePause pauses whole lanes in asynq: all queues of a lane at once, where asynq
// itself pauses each alone.
type LanePause struct{ rdb redis.UniversalClient }

// NewLanePause pauses lanes in that Redis.
func NewLanePause(rdb redis.UniversalClient) LanePause { return LanePause{rdb: rdb} }

// Lane names the lane that a queue is part of; "": it is none of ours.
func (LanePause) Lane(queue string) message.Lane {
	for _, name := range Lanes() {
		if name == queue {
			lane, _, _ := strings.Cut(name, "-")
			return message.Lane(lane)
		}
	}
	return ""
}

// Pause lets no more tasks of a lane be taken. A lane that is paused stays so.
func (p LanePause) Pause(ctx context.Context, lane message.Lane) error {
	pipe := p.rdb.Pipeline()
	for _, queue := range p.queues(lane) {
		pipe.SetNX(ctx, pausedKey(queue), time.Now().Unix(), 0)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("pause lane %s: %w", lane, err)
	}
	return nil
}

// Resume ends the pause of a lane, also of one that is not paused.
func (p LanePause) Resume(ctx context.Context, lane message.Lane) error {
	pipe := p.rdb.Pipeline()
	for _, queue := range p.queues(lane) {
		pipe.Del(ctx, pausedKey(queue))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("resume lane %s: %w", lane, err)
	}
	return nil
}

func (p LanePause) queues(lane message.Lane) []string {
	var queues []string
	for _, queue := range Lanes() {
		if p.Lane(queue) == lane {
			queues = append(queues, queue)
		}
	}
	return queues
}

// pausedKey is asynq's sign of a paused queue.
func pausedKey(queue string) string { return "asynq:{" + queue + "}:paused" }
