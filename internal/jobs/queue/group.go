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

// Waiting messages of one group have no tasks of their own. They are members of a
// sorted set, and the set has one task, whose id contains the generation of the
// group: a conflict of that id means that the task exists. The sweeper rebuilds the
// set from the records of the ledger.

//go:embed group.lua
var groupLua string

// groupTaskPrefix begins the id of a group's task.
const groupTaskPrefix = "group_"

// generationBase is the base of the generation in a task's id.
const generationBase = 36

var errGroupReply = errors.New("unexpected answer of the script for groups")

// Group is a group and its task.
type Group struct {
	Name       string
	Lane       string
	Generation int64     // zero: the group is empty
	Due        time.Time // of its first member
}

func groupKey(name string) string { return ledger.DefaultPrefix + "group:" + name }

// Task is the task of the group.
func (g Group) Task() Task {
	return Task{ID: groupTaskPrefix + g.Name + "-" + strconv.FormatInt(g.Generation, generationBase), Lane: g.Lane, At: g.Due}
}

// ParseGroupTask parses the id of a group's task; ok is false for that of a
// message's.
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
	Name    string
	Lane    string
	Replace int64 // generation of the task to replace by one of the next; zero: none
	Remove  []message.ID
	Add     []*message.Message
}

func (c GroupChange) args() []any {
	const fixed = 2
	args := make([]any, 0, fixed+len(c.Remove)+2*len(c.Add))
	replace := ""
	if c.Replace != 0 {
		replace = strconv.FormatInt(c.Replace, 10)
	}
	args = append(args, replace, len(c.Remove))
	for _, id := range c.Remove {
		args = append(args, id.Packed())
	}
	for _, m := range c.Add {
		due := "" // now by Redis' clock: that of the process that accepted it may be ahead
		if !m.NextAt.IsZero() {
			due = strconv.FormatInt(m.NextAt.UnixMilli(), 10)
		}
		args = append(args, due, m.ID.Packed())
	}
	return args
}

// groupMembers bounds the members of a change and of a ReadGroup.
const groupMembers = 1000

// additions are the changes that add messages to their groups.
func additions(messages []*message.Message) []GroupChange {
	var changes []GroupChange
	open := make(map[string]int) // index of the change that has room for more members
	for _, m := range messages {
		i, ok := open[m.Group]
		if !ok || len(changes[i].Add) == groupMembers {
			i = len(changes)
			open[m.Group] = i
			changes = append(changes, GroupChange{Name: m.Group, Lane: LaneOf(m)})
		}
		changes[i].Add = append(changes[i].Add, m)
	}
	return changes
}

// Regroup makes changes in one round trip and returns the groups after them. A
// change is idempotent.
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

// parseGroup parses the answer of the script to a change.
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

// GroupView is the state of a group for the run of its task.
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

// Absent returns the generation of a group, zero for an empty one, and the messages
// that are not members of it.
func (q *Queue) Absent(ctx context.Context, name string, members []*message.Message) (int64, []*message.Message, error) {
	names := make([]string, 1, 1+len(members)) // the first one is the entry of the generation
	for _, m := range members {
		names = append(names, m.ID.Packed())
	}
	scores, err := q.rdb.ZMScore(ctx, groupKey(name), names...).Result()
	if err != nil {
		return 0, nil, fmt.Errorf("read members: %w", err)
	}
	var absent []*message.Message
	for i, m := range members {
		if scores[i+1] == 0 { // no member is due in 1970
			absent = append(absent, m)
		}
	}
	return int64(-scores[0]), absent, nil
}
