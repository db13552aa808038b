package mediastore

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"
)

const (
	blobPrefix = prefix + "blob:"
	// pieceBytes is how much of a blob one key holds: a command on more would delay
	// the commands of other clients.
	pieceBytes = 512 << 10
)

// RedisBlobs keeps blobs in Redis.
type RedisBlobs struct{ rdb redis.UniversalClient }

// NewRedisBlobs makes RedisBlobs.
func NewRedisBlobs(rdb redis.UniversalClient) *RedisBlobs { return &RedisBlobs{rdb: rdb} }

func piece(name string, n int) string { return blobPrefix + name + ":" + strconv.Itoa(n) }

// Put implements Blobs.
func (r *RedisBlobs) Put(ctx context.Context, name string, data []byte) error {
	for n := 0; n == 0 || n*pieceBytes < len(data); n++ {
		part := data[n*pieceBytes : min((n+1)*pieceBytes, len(data))]
		if err := r.rdb.Set(ctx, piece(name, n), part, 0).Err(); err != nil {
			return unavailable("write blob", err)
		}
	}
	return nil
}

// Get implements Blobs. The last piece is the one that is not full.
func (r *RedisBlobs) Get(ctx context.Context, name string) ([]byte, error) {
	var data []byte
	for n := 0; ; n++ {
		part, err := r.rdb.Get(ctx, piece(name, n)).Bytes()
		switch {
		case errors.Is(err, redis.Nil) && n == 0:
			return nil, ErrNotFound
		case errors.Is(err, redis.Nil):
			return data, nil
		case err != nil:
			return nil, unavailable("read blob", err)
		}
		data = append(data, part...)
		if len(part) < pieceBytes {
			return data, nil
		}
	}
}

// Delete implements Blobs. The first piece goes last, so that a deletion that was
// interrupted is repeated to its end.
func (r *RedisBlobs) Delete(ctx context.Context, name string) error {
	last := 0
	for {
		n, err := r.rdb.Exists(ctx, piece(name, last)).Result()
		if err != nil {
			return unavailable("delete blob", err)
		}
		if n == 0 {
			break
		}
		last++
	}
	for n := last - 1; n >= 0; n-- {
		if err := r.rdb.Del(ctx, piece(name, n)).Err(); err != nil {
			return unavailable("delete blob", err)
		}
	}
	return nil
}
