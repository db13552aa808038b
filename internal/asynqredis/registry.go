package asynqredis

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"
)

// Group is a group of asynq servers of one process with the same lanes. It is listed
// as one server: its first server registers the slots and the tasks of all, and the
// others register nothing.
type Group struct {
	servers *Servers
	name    string
	slots   int
	pending []string // lists of its servers' tasks

	mu     sync.Mutex
	joined bool              // by its first server
	active map[*server][]any // alternately the ids of tasks and asynq's entries for them
}

// Group makes a group of servers with that many slots in total. Its name is appended to
// the host's.
func (s *Servers) Group(name string, slots int, lanes ...string) *Group {
	g := &Group{servers: s, name: name, slots: slots, active: make(map[*server][]any)}
	for _, lane := range lanes {
		g.pending = append(g.pending, pendingKey(lane))
	}
	return g
}

// Client is the Redis client under one asynq server of the group.
func (g *Group) Client() redis.UniversalClient {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := &server{UniversalClient: g.servers.rdb, all: g.servers, group: g, listed: !g.joined}
	g.joined = true
	return c
}

const (
	serversKey, workersKey = "asynq:servers", "asynq:workers"

	// Fields of asynq's messages ServerInfo and WorkerInfo.
	fieldHost        = 1
	fieldServerID    = 3
	fieldConcurrency = 4
)

// isRegistry recognises the scripts that write and delete the entry of a server: its
// own key and that of its tasks.
func isRegistry(keys []string) bool {
	return len(keys) == 2 && strings.HasPrefix(keys[0], serversKey) && strings.HasPrefix(keys[1], workersKey)
}

// entry returns the arguments of a server's script for the entry of its group;
// false: the entry is written by another server of the group.
func (g *Group) entry(c *server, keys []string, args []any) ([]any, bool) {
	const before = 2 // lifetime and server
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.active, c)
	if len(args) > before {
		g.active[c] = slices.Clone(args[before:])
	}
	if !c.listed || len(args) < before {
		return args, c.listed
	}
	host, _, id := parts(keys[0])
	info, _ := args[1].([]byte)
	info = overrideText(info, fieldHost, host+"/"+g.name)
	info = protowire.AppendVarint(protowire.AppendTag(info, fieldConcurrency, protowire.VarintType), uint64(max(0, g.slots)))
	all := []any{args[0], info}
	for _, tasks := range g.active {
		for task := range slices.Chunk(tasks, 2) {
			data, _ := task[1].([]byte)
			all = append(all, task[0], overrideText(data, fieldServerID, id))
		}
	}
	return all, true
}

// overrideText sets a field of a protobuf message: the last value of a field is
// the one that counts.
func overrideText(data []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(slices.Clone(data), field, protowire.BytesType), text)
}

// parts parses the key of a server, asynq:servers:{host:pid:id}.
func parts(key string) (host, pid, id string) {
	_, name, _ := strings.Cut(strings.TrimSuffix(key, "}"), "{")
	name, id = cutLast(name)
	host, pid = cutLast(name)
	return host, pid, id
}

// cutLast splits a text at its last colon.
func cutLast(text string) (before, after string) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return text, ""
	}
	return text[:at], text[at+1:]
}

// Eval implements redis.Scripter, which asynq calls when Redis does not have the script.
func (c *server) Eval(ctx context.Context, text string, keys []string, args ...any) *redis.Cmd {
	if isRegistry(keys) {
		args, _ = c.group.entry(c, keys, args)
	}
	return c.UniversalClient.Eval(ctx, text, keys, args...)
}

// ZAdd implements redis.Cmdable, which asynq calls to list the keys of its servers.
func (c *server) ZAdd(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if c.isUnlisted(key) {
		return redis.NewIntResult(0, nil)
	}
	return c.UniversalClient.ZAdd(ctx, key, members...)
}

// ZRem implements redis.Cmdable.
func (c *server) ZRem(ctx context.Context, key string, members ...any) *redis.IntCmd {
	if c.isUnlisted(key) {
		return redis.NewIntResult(0, nil)
	}
	return c.UniversalClient.ZRem(ctx, key, members...)
}

// isUnlisted reports whether key is a list in which another server of the group is
// registered for this one.
func (c *server) isUnlisted(key string) bool {
	return !c.listed && (key == serversKey || key == workersKey)
}
