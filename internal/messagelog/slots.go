package messagelog

import (
	"context"
	"strconv"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
)

const (
	// slotCount is the number of processes that write at the same time.
	slotCount = 4
	// slotTTL bounds how long the part of a crashed writer waits for another one.
	slotTTL     = 5 * time.Second
	slotRefresh = time.Second
	slotKey     = redisconn.KeyPrefix + "log:writer:"
)

// slots keep writers apart: slot k writes the k-th chunk of the list. A writer moves
// to a lower slot that has become free, so that the head of the list is always
// written.
type slots struct {
	locker *redislock.Client
	lock   *redislock.Lock
	held   int
	at     time.Time // of the last refresh
}

func newSlots(rdb redis.UniversalClient) *slots { return &slots{locker: redislock.New(rdb)} }

// hold keeps the slot or tries to get one; false: there is none.
func (s *slots) hold(ctx context.Context) bool {
	if time.Since(s.at) < slotRefresh {
		return s.lock != nil
	}
	s.at = time.Now()
	end := slotCount
	if s.lock != nil && s.lock.Refresh(ctx, slotTTL, nil) == nil {
		end = s.held
	} else {
		s.lock = nil
	}
	for k := range end {
		lock, err := s.locker.Obtain(ctx, slotKey+strconv.Itoa(k), slotTTL, nil)
		if err != nil {
			continue
		}
		s.free(ctx)
		s.lock, s.held = lock, k
		break
	}
	return s.lock != nil
}

// free gives up the slot; one that cannot be given up runs out.
func (s *slots) free(ctx context.Context) {
	if s.lock != nil {
		_ = s.lock.Release(ctx) // it may have run out
	}
}

func (s *slots) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.free(ctx)
	s.lock = nil
}
