package redisconn

import (
	"strings"

	"github.com/redis/go-redis/v9"
)

// NewScript makes a script. Its first line can hold flags ("#!lua flags=…"), which
// the embedded Redis of the development mode does not know; locals are put behind
// them.
func NewScript(source, locals string, embedded bool) *redis.Script {
	flags, text := "", source
	if first, rest, _ := strings.Cut(source, "\n"); strings.HasPrefix(first, "#!") {
		flags, text = first+"\n", rest
	}
	if embedded {
		flags = ""
	}
	return redis.NewScript(flags + locals + text)
}
