package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redisconn"
)

// Begin is one attempt that a worker has begun.
type Begin struct {
	Worker string
	ID     message.ID
	N      int    // number of the attempt
	Epoch  int64  // attempts that all workers have begun, at least
	Call   string // reference of its multi-recipient send; empty: none
}

// WatchBegins calls onBegin for every attempt that a worker other than worker
// begins, until ctx ends. Workers cache each other's begins: when Redis is rolled
// back to older data and the worker that made an attempt has crashed, another one
// still has the attempt. Delivery is at most once: begins that are announced while
// the connection is down are missed.
func (l *Ledger) WatchBegins(ctx context.Context, worker string, onBegin func(Begin)) {
	redisconn.Subscribe(ctx, l.rdb, func(m *redis.Message) {
		if strings.HasPrefix(m.Payload, worker+" ") {
			return
		}
		begins, err := parseBegins(m.Payload)
		if err != nil {
			return // not ours
		}
		for _, b := range begins {
			onBegin(b)
		}
	}, l.begunChannel())
}

// begunChannel is the channel on which begins are announced. Channels are shared by
// all databases of a server, hence the number of the database in the name.
func (l *Ledger) begunChannel() string {
	database := 0
	if single, ok := l.rdb.(*redis.Client); ok {
		database = single.Options().DB
	}
	return l.key("begun:" + strconv.Itoa(database))
}

// parseBegins reads an announcement of put.lua: the worker and the epoch, then for
// each begin the number of the attempt, the length of the reference of its
// multi-recipient send, the packed id and that reference.
func parseBegins(text string) ([]Begin, error) {
	worker, rest, _ := strings.Cut(text, " ")
	number, rest, _ := strings.Cut(rest, " ")
	epoch, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return nil, errRecord
	}
	var begins []Begin
	for rest != "" {
		b := Begin{Worker: worker, Epoch: epoch}
		if rest, err = b.parse(rest); err != nil {
			return nil, err
		}
		begins = append(begins, b)
	}
	return begins, nil
}

// parse reads one begin and returns the text behind it.
func (b *Begin) parse(text string) (rest string, err error) {
	number, text, _ := strings.Cut(text, " ")
	length, text, _ := strings.Cut(text, " ")
	n, err1 := strconv.Atoi(number)
	call, err2 := strconv.Atoi(length)
	if errors.Join(err1, err2) != nil || call < 0 || len(text)-message.PackedLength < call {
		return "", errRecord
	}
	id, err := message.UnpackID(text[:message.PackedLength])
	if err != nil {
		return "", fmt.Errorf("announced begin: %w", err)
	}
	end := message.PackedLength + call
	b.ID, b.N, b.Call = id, n, text[message.PackedLength:end]
	return text[end:], nil
}
