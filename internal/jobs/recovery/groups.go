package recovery

import (
	"context"
	"slices"
	"time"

	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/message"
)

// byGroup divides items into those of messages without a group and the others, by
// group.
func byGroup(items []*item) (single []*item, groups map[string][]*item) {
	groups = make(map[string][]*item)
	for _, v := range items {
		if name := v.message.Group; name != "" {
			groups[name] = append(groups[name], v)
		} else {
			single = append(single, v)
		}
	}
	return single, groups
}

// checkGroup adds waiting messages that are missing to their group, and replaces a
// task of the group that will not run.
func (s *Sweeper) checkGroup(ctx context.Context, name string, items []*item, now time.Time) {
	generation, err := s.addMissing(ctx, name, items)
	if err == nil && generation != 0 {
		first := items[0].message
		err = s.checkGroupTask(ctx, queue.Group{Name: name, Lane: queue.LaneOf(first), Generation: generation}, first, now)
	}
	for _, v := range items {
		if err != nil && v.err == nil {
			v.err = err
		}
	}
}

// addMissing adds messages to their group that are not members of it, and returns
// its generation. They are read again after the group: a message that was sent in
// the meantime has been removed from it.
func (s *Sweeper) addMissing(ctx context.Context, name string, items []*item) (generation int64, err error) {
	byID := make(map[message.ID]*item, len(items))
	for _, v := range items {
		byID[v.message.ID] = v
	}
	generation, absent, err := s.queue.Absent(ctx, name, messagesOf(items))
	if err != nil || len(absent) == 0 {
		return generation, err
	}
	missing := make([]*item, len(absent))
	for i, m := range absent {
		missing[i] = byID[m.ID]
	}
	found, err := s.read(ctx, missing)
	if err != nil {
		return 0, err
	}
	waiting := slices.DeleteFunc(stillWaiting(found), func(v *item) bool { return v.message.Group != name })
	for i, task := range s.queue.DispatchEach(ctx, messagesOf(waiting)) {
		if waiting[i].err = task.Err; task.Err == nil {
			s.recovered(TaskMissing, waiting[i].message)
		}
	}
	return 0, nil
}

// checkGroupTask enqueues the task of a group when it is missing, and replaces it
// when it will not run. m is a member of the group.
func (s *Sweeper) checkGroupTask(ctx context.Context, g queue.Group, m *message.Message, now time.Time) error {
	state, err := s.queue.State(ctx, g.Task())
	if err != nil {
		return err
	}
	kind := TaskMissing
	switch state {
	case queue.StateMissing:
		generation, _, err := s.queue.Absent(ctx, g.Name, nil)
		if err != nil || generation != g.Generation { // replaced meanwhile
			return err
		}
		if parked, err := s.queue.Parked(ctx, []queue.Task{g.Task()}); err != nil || parked[0] {
			return err
		}
	case queue.StateActive:
		if waits(m, now) <= stuckAfter {
			return nil
		}
		running, err := s.queue.Running(ctx, g.Lane)
		if err != nil || running[g.Task().ID] {
			return err
		}
		kind = TaskStuck
	case queue.StateArchived:
		kind = TaskStuck
	default:
		return nil
	}
	if kind == TaskStuck {
		groups, err := s.queue.Regroup(ctx, queue.GroupChange{Name: g.Name, Lane: g.Lane, Replace: g.Generation})
		if err != nil || groups[0].Generation == 0 {
			return err
		}
		g = groups[0]
	}
	missing, err := s.queue.Enqueue(ctx, g.Task())
	if missing {
		s.recovered(kind, m)
	}
	return err
}
