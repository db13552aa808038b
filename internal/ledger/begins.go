package ledger

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// Begin is one call that some worker has begun.
type Begin struct {
	Worker string
	ID     message.ID
	N      int    // number of the attempt
	Epoch  int64  // how many calls all workers have begun with it
	Call   string // that it shares with other messages; empty: none
}

// WatchBegins tells hear of every call that any worker begins, until ctx ends.
// The workers keep it in mind for one another: when Redis goes back to older
// data and the worker that made a call is gone, a living one still knows of it.
// Nothing is repeated: what begins while the connection is down is not heard.
func (l *Ledger) WatchBegins(ctx context.Context, hear func(Begin)) {
	sub := l.rdb.Subscribe(ctx, l.begunChannel())
	defer func() { _ = sub.Close() }() // nothing is lost with it
	announced := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case m, open := <-announced:
			if !open {
				return
			}
			if b, ok := parseBegin(m.Payload); ok {
				hear(b)
			}
		}
	}
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

// parseBegin reads what put.lua announces: worker, number, epoch, and the packed
// id with the call behind it.
func parseBegin(text string) (Begin, bool) {
	const parts = 4
	part := strings.SplitN(text, " ", parts)
	if len(part) < parts || len(part[3]) < message.PackedLength {
		return Begin{}, false
	}
	packed, call := part[3][:message.PackedLength], part[3][message.PackedLength:]
	n, err1 := strconv.Atoi(part[1])
	epoch, err2 := strconv.ParseInt(part[2], 10, 64)
	id, err3 := message.UnpackID(packed)
	return Begin{Worker: part[0], ID: id, N: n, Epoch: epoch, Call: call}, errors.Join(err1, err2, err3) == nil
}
