package queue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
)

// Waiting messages of one group have no tasks of their own. They stand in a
// sorted set, and one task stands for the set: its id holds the generation of
// the group, so that a conflict of that id means that the task is there. The
// set is rebuilt by the sweeper from the records, which alone decide.

//go:embed group.lua
var groupLua string

// groupTaskPrefix begins the id of a group's task.
const groupTaskPrefix = "group_"

// generationBase is the base in which a task's id holds the generation.
const generationBase = 36

var errGroupReply = errors.New("script for groups answered in another form")

// Group is a group with the task that stands for it.
type Group struct {
	Name       string
	Lane       string
	Generation int64     // zero: the group is empty
	Due        time.Time // of its first member
}

func groupKey(name string) string { return ledger.DefaultPrefix + "group:" + name }

// Task is the one that stands for the group.
func (g Group) Task() Task {
	return Task{ID: groupTaskPrefix + g.Name + "-" + strconv.FormatInt(g.Generation, generationBase), Lane: g.Lane, At: g.Due}
}

// ParseGroupTask takes the id of a group's task apart; ok is false for the task
// of a message.
func ParseGroupTask(id string) (name string, generation int64, ok bool) {
	rest, ok := strings.CutPrefix(id, groupTaskPrefix)
	if !ok {
		return "", 0, false
	}
	name, digits, ok := strings.Cut(rest, "-")
	if !ok {
		return "", 0, false
	}
	generation, err := strconv.ParseInt(digits, generationBase, 64)
	return name, generation, err == nil
}

// GroupChange changes the members of one group.
type GroupChange struct {
	Name   string
	Lane   string
	HandOn int64 // generation of the task that hands the group on to a new one; zero: none
	Leave  []message.ID
	Join   []*message.Message
}

func (c GroupChange) args() []any {
	const fixed = 2
	args := make([]any, 0, fixed+len(c.Leave)+2*len(c.Join))
	handOn := ""
	if c.HandOn != 0 {
		handOn = strconv.FormatInt(c.HandOn, 10)
	}
	args = append(args, handOn, len(c.Leave))
	for _, id := range c.Leave {
		args = append(args, id.Packed())
	}
	for _, m := range c.Join {
		due := "" // the script's now: the clock of the process that accepted it may be ahead
		if !m.NextAt.IsZero() {
			due = strconv.FormatInt(m.NextAt.UnixMilli(), 10)
		}
		args = append(args, due, m.ID.Packed())
	}
	return args
}

// groupMembers bounds a change and the reading of a group.
const groupMembers = 1000

// joins are the changes by which messages join their groups.
func joins(messages []*message.Message) []GroupChange {
	var changes []GroupChange
	open := make(map[string]int) // index of the change that takes more members
	for _, m := range messages {
		i, ok := open[m.Group]
		if !ok || len(changes[i].Join) == groupMembers {
			i = len(changes)
			open[m.Group] = i
			changes = append(changes, GroupChange{Name: m.Group, Lane: LaneOf(m)})
		}
		changes[i].Join = append(changes[i].Join, m)
	}
	return changes
}

// Regroup makes some changes in one round trip and returns the groups after
// them. Making a change again does no harm.
func (q *Queue) Regroup(ctx context.Context, changes ...GroupChange) ([]Group, error) {
	calls := q.regroupCalls(ctx, changes)
	if redis.HasErrorPrefix(calls[0].Err(), "NOSCRIPT") {
		if err := q.groups.Load(ctx, q.rdb).Err(); err != nil {
			return nil, fmt.Errorf("load script for groups: %w", err)
		}
		calls = q.regroupCalls(ctx, changes)
	}
	groups := make([]Group, len(changes))
	for i, call := range calls {
		reply, err := call.StringSlice()
		if err != nil {
			return nil, fmt.Errorf("change group: %w", err)
		}
		if groups[i], err = parseGroup(changes[i], reply); err != nil { //nolint:gosec // a call for each change
			return nil, err
		}
	}
	return groups, nil
}

func (q *Queue) regroupCalls(ctx context.Context, changes []GroupChange) []*redis.Cmd {
	pipe := q.rdb.Pipeline()
	calls := make([]*redis.Cmd, len(changes))
	for i, c := range changes {
		calls[i] = q.groups.EvalSha(ctx, pipe, []string{groupKey(c.Name)}, c.args()...)
	}
	_, _ = pipe.Exec(ctx) // each call has its own error
	return calls
}

// parseGroup reads the answer of the script to a change.
func parseGroup(change GroupChange, reply []string) (Group, error) {
	const fields = 2
	group := Group{Name: change.Name, Lane: change.Lane}
	if len(reply) == 0 {
		return group, nil
	}
	if len(reply) != fields {
		return Group{}, errGroupReply
	}
	generation, err := strconv.ParseInt(reply[0], 10, 64)
	if err != nil {
		return Group{}, fmt.Errorf("%w: %w", errGroupReply, err)
	}
	due, err := strconv.ParseInt(reply[1], 10, 64)
	if err != nil {
		return Group{}, fmt.Errorf("%w: %w", errGroupReply, err)
	}
	group.Generation, group.Due = generation, time.UnixMilli(due)
	return group, nil
}

// GroupView is what a group's task reads.
type GroupView struct {
	Generation int64
	Now        time.Time    // Redis' time
	Due        []message.ID // the members that are due, the first ones
	Next       time.Time    // when the first of the others is due; zero: none was read
}

// ReadGroup reads up to groupMembers members of a group that are due.
func (q *Queue) ReadGroup(ctx context.Context, name string) (GroupView, error) {
	pipe := q.rdb.Pipeline()
	clock := pipe.Time(ctx)
	entries := pipe.ZRangeWithScores(ctx, groupKey(name), 0, groupMembers)
	if _, err := pipe.Exec(ctx); err != nil {
		return GroupView{}, fmt.Errorf("read group: %w", err)
	}
	view := GroupView{Now: clock.Val().UTC().Truncate(time.Millisecond)}
	for _, entry := range entries.Val() {
		packed, _ := entry.Member.(string)
		at := time.UnixMilli(int64(entry.Score))
		id, err := message.UnpackID(packed)
		switch {
		case packed == "":
			view.Generation = int64(-entry.Score)
		case err != nil:
		case at.After(view.Now):
			view.Next = at
			return view, nil
		default:
			view.Due = append(view.Due, id)
		}
	}
	return view, nil
}

// Absent returns the generation of a group, zero for an empty one, and which of
// its messages do not stand in it.
func (q *Queue) Absent(ctx context.Context, name string, members []*message.Message) (int64, []*message.Message, error) {
	names := make([]string, 1, 1+len(members)) // the first one is that of the generation
	for _, m := range members {
		names = append(names, m.ID.Packed())
	}
	scores, err := q.rdb.ZMScore(ctx, groupKey(name), names...).Result()
	if err != nil {
		return 0, nil, fmt.Errorf("look for members: %w", err)
	}
	var absent []*message.Message
	for i, m := range members {
		if scores[i+1] == 0 { // no member is due in 1970
			absent = append(absent, m)
		}
	}
	return int64(-scores[0]), absent, nil
}
