package ledger

import (
	"context"
	_ "embed" // for the script
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/message"
)

// Usage counts what happened to the messages of a scope in a UTC day, each event
// under its own day.
type Usage struct {
	Accepted   int64
	Duplicates int64
	Rejected   int64 // items of batches
	Entered    map[message.Status]int64
}

const (
	usageAccepted   = "accepted"
	usageDuplicates = "duplicates"
	usageRejected   = "rejected"
	// usageKept is how long the counts of a day are kept.
	usageKept = 400 * 24 * time.Hour
	// UsageListed is how long UsageSince finds the counts of a day, as usage.lua has it.
	UsageListed = 31 * 24 * time.Hour
)

// usageLua is what the scripts that count share.
//
//go:embed usage.lua
var usageLua string

// dayLayout is the day in the key of its counts.
const dayLayout = "20060102"

// usagesKey is the list of the counts of the latest days, by the time of their first
// event.
func (l *Ledger) usagesKey() string { return l.key("usages") }

// usageKey is the hash of the counts of a day.
func (l *Ledger) usageKey(scope message.Scope, day time.Time) string {
	return l.key("usage:" + scope.String() + ":" + day.UTC().Format(dayLayout))
}

func (l *Ledger) usageToday(scope message.Scope) string { return l.usageKey(scope, l.opts.Now()) }

// usageEvent names the counts that a change of state raises. A message that a
// receipt finds before its call was answered counts as sent, too.
func usageEvent(before, after message.Status) string {
	if before == after {
		return ""
	}
	switch after {
	case message.StatusDelivered, message.StatusUndelivered:
		if before != message.StatusSent && before != message.StatusUndelivered {
			return string(message.StatusSent) + " " + string(after)
		}
		return string(after)
	case message.StatusSent, message.StatusFailed, message.StatusExpired, message.StatusCanceled, message.StatusUnknown:
		return string(after)
	default:
		return ""
	}
}

// CountDuplicate counts a message of a scope that was submitted again.
func (l *Ledger) CountDuplicate(ctx context.Context, scope message.Scope) error {
	key, pipe := l.usageToday(scope), l.rdb.Pipeline()
	pipe.HIncrBy(ctx, key, usageDuplicates, 1)
	pipe.PExpire(ctx, key, usageKept)
	pipe.ZAddNX(ctx, l.usagesKey(), redis.Z{Score: float64(l.opts.Now().UnixMilli()), Member: key})
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("count duplicate", err)
	}
	return nil
}

// Usage reads the counts of a scope for days from the first on.
func (l *Ledger) Usage(ctx context.Context, scope message.Scope, first time.Time, days int) ([]Usage, error) {
	pipe := l.rdb.Pipeline()
	read := make([]*redis.MapStringStringCmd, days)
	for i := range read {
		read[i] = pipe.HGetAll(ctx, l.usageKey(scope, first.AddDate(0, 0, i)))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable("read usage", err)
	}
	usage := make([]Usage, days)
	for i, counts := range read {
		usage[i] = usageOf(counts.Val())
	}
	return usage, nil
}

// DailyUsage are the counts of a scope for a UTC day.
type DailyUsage struct {
	Usage

	Scope message.Scope
	Day   time.Time
}

// UsageSince reads the counts of all scopes for the day of a time and those after it, of
// the days that have any.
func (l *Ledger) UsageSince(ctx context.Context, first time.Time) ([]DailyUsage, error) {
	const day = 24 * time.Hour
	first = first.UTC().Truncate(day)
	keys, err := l.rdb.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: l.usagesKey(), ByScore: true, Start: first.Add(-day).UnixMilli(), Stop: "+inf", // clocks may differ
	}).Result()
	if err != nil {
		return nil, unavailable("list usage", err)
	}
	all := make([]DailyUsage, 0, len(keys))
	for chunk := range slices.Chunk(keys, readMax) {
		pipe := l.rdb.Pipeline()
		read := make([]*redis.MapStringStringCmd, len(chunk))
		for i, key := range chunk {
			read[i] = pipe.HGetAll(ctx, key)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, unavailable("read usage", err)
		}
		for i, key := range chunk {
			if u, ok := l.dailyUsage(key); ok && !u.Day.Before(first) {
				u.Usage = usageOf(read[i].Val())
				all = append(all, u)
			}
		}
	}
	return all, nil
}

// dailyUsage reads the key of the counts of a day.
func (l *Ledger) dailyUsage(key string) (u DailyUsage, ok bool) {
	name := strings.TrimPrefix(key, l.key("usage:"))
	end := strings.LastIndexByte(name, ':')
	if end < 0 {
		return u, false
	}
	tenant, kind, found := strings.Cut(name[:end], ":")
	day, err := time.Parse(dayLayout, name[end+1:])
	return DailyUsage{Scope: message.Scope{Tenant: tenant, Test: kind == "test"}, Day: day}, found && err == nil
}

func usageOf(values map[string]string) Usage {
	u := Usage{
		Accepted: number(values[usageAccepted]), Duplicates: number(values[usageDuplicates]), Rejected: number(values[usageRejected]),
		Entered: make(map[message.Status]int64),
	}
	for _, status := range message.Statuses() {
		u.Entered[status] = number(values[string(status)])
	}
	return u
}

// UsageOf reads the counts of several scopes for one day, in their order.
func (l *Ledger) UsageOf(ctx context.Context, scopes []message.Scope, day time.Time) ([]Usage, error) {
	usage := make([]Usage, 0, len(scopes))
	for chunk := range slices.Chunk(scopes, readMax) {
		pipe := l.rdb.Pipeline()
		read := make([]*redis.MapStringStringCmd, len(chunk))
		for i, scope := range chunk {
			read[i] = pipe.HGetAll(ctx, l.usageKey(scope, day))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, unavailable("read usage", err)
		}
		for _, counts := range read {
			usage = append(usage, usageOf(counts.Val()))
		}
	}
	return usage, nil
}
