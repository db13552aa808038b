package jobs

import (
	"context"
	"slices"
	"time"

	"mmsdispatch/internal/message"
)

// byGroup divides visits into those to messages without a group and the others,
// by group.
func byGroup(visits []*visit) (single []*visit, groups map[string][]*visit) {
	groups = make(map[string][]*visit)
	for _, v := range visits {
		if name := v.message.Group; name != "" {
			groups[name] = append(groups[name], v)
		} else {
			single = append(single, v)
		}
	}
	return single, groups
}

// checkGroup makes sure that waiting messages stand in their group, and that a
// task that will come stands for it.
func (s *Sweeper) checkGroup(ctx context.Context, name string, visits []*visit, now time.Time) {
	generation, err := s.rejoin(ctx, name, visits)
	if err == nil && generation != 0 {
		err = s.checkGroupTask(ctx, group{name: name, lane: laneOf(visits[0].message), generation: generation}, visits[0].message, now)
	}
	for _, v := range visits {
		if err != nil && v.err == nil {
			v.err = err
		}
	}
}

// rejoin has messages join their group that are not in it, and returns its
// generation. They are read once more after the group: one that was sent just
// now has left it.
func (s *Sweeper) rejoin(ctx context.Context, name string, visits []*visit) (generation int64, err error) {
	byID := make(map[message.ID]*visit, len(visits))
	for _, v := range visits {
		byID[v.message.ID] = v
	}
	generation, absent, err := s.queue.absent(ctx, name, messagesOf(visits))
	if err != nil || len(absent) == 0 {
		return generation, err
	}
	lost := make([]*visit, len(absent))
	for i, m := range absent {
		lost[i] = byID[m.ID]
	}
	found, err := s.read(ctx, lost)
	if err != nil {
		return 0, err
	}
	waiting := slices.DeleteFunc(stillWaiting(found), func(v *visit) bool { return v.message.Group != name })
	for i, task := range s.queue.dispatchMany(ctx, messagesOf(waiting)) {
		if waiting[i].err = task.Err; task.Err == nil {
			s.healed(healedTask, waiting[i].message)
		}
	}
	return 0, nil
}

// checkGroupTask makes sure that the task of a group will come. m is one of its
// members.
func (s *Sweeper) checkGroupTask(ctx context.Context, g group, m *message.Message, now time.Time) error {
	state, err := s.queue.state(ctx, g.task())
	if err != nil {
		return err
	}
	kind := healedTask
	switch state {
	case taskGone:
		generation, _, err := s.queue.absent(ctx, g.name, nil)
		if err != nil || generation != g.generation { // handed on meanwhile
			return err
		}
	case taskRuns:
		if waits(m, now) <= stuckAfter {
			return nil
		}
		running, err := s.queue.running(ctx, g.lane)
		if err != nil || running[g.task().id] {
			return err
		}
		kind = healedStuck
	case taskBuried:
		kind = healedStuck
	default:
		return nil
	}
	if kind == healedStuck {
		groups, err := s.queue.regroup(ctx, groupChange{name: g.name, lane: g.lane, handOn: g.generation})
		if err != nil || groups[0].generation == 0 {
			return err
		}
		g = groups[0]
	}
	missing, err := s.queue.enqueue(ctx, g.task())
	if missing {
		s.healed(kind, m)
	}
	return err
}
