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

// Begin is one call that some worker has begun.
type Begin struct {
	Worker string
	ID     message.ID
	N      int    // number of the attempt
	Epoch  int64  // how many calls all workers have begun, at least
	Call   string // that it shares with other messages; empty: none
}

// WatchBegins tells hear of every call that others than worker begin, until ctx
// ends. The workers keep it in mind for one another: when Redis goes back to
// older data and the worker that made a call is gone, a living one still knows
// of it. Nothing is repeated: what begins while the connection is down is not heard.
func (l *Ledger) WatchBegins(ctx context.Context, worker string, hear func(Begin)) {
	redisconn.Subscribe(ctx, l.rdb, func(m *redis.Message) {
		if strings.HasPrefix(m.Payload, worker+" ") {
			return
		}
		begins, err := parseBegins(m.Payload)
		if err != nil {
			return // not ours
		}
		for _, b := range begins {
			hear(b)
		}
	}, l.begunChannel())
}

// begunChannel is where begins are announced. Channels know no databases, so
// that its name has to.
func (l *Ledger) begunChannel() string {
	database := 0
	if single, ok := l.rdb.(*redis.Client); ok {
		database = single.Options().DB
	}
	return l.key("begun:" + strconv.Itoa(database))
}

// parseBegins reads what put.lua announces: worker and epoch, and of each begin
// its number, how long the name of its call is, the packed id and that name.
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

// parse reads one begin and returns what stands behind it.
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
