package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/mediafit"
	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
)

const (
	// hostedBytes is the memory for the media that an api process serves.
	hostedBytes = 64 << 20
	// mediaSweepEvery is how often media whose time is over are deleted.
	mediaSweepEvery = time.Minute
)

// newMediaStore makes the store of media; nil: there is no URL to host them at.
func newMediaStore(env *environment) (*mediastore.Store, []part, error) {
	cfg := env.cfg
	if cfg.PublicURL() == "" {
		return nil, nil, nil
	}
	opts := mediastore.Options{Redis: env.rdb, TTL: cfg.Media.TTL, PublicURL: cfg.PublicURL()}
	if cfg.Process == config.Worker { // the last use of a fitted media is known to within its verdict
		opts.TTL += fitKept(cfg)
	}
	var parts []part
	switch at := cfg.Media.Store.URL(); {
	case at == nil:
		opts.Blobs, opts.MaxBytes = mediastore.NewRedisBlobs(env.rdb), cfg.Media.StoreMax
	case at.Scheme == config.StoreFile:
		files, err := mediastore.NewFileBlobs(at.Path)
		if err != nil {
			return nil, nil, fmt.Errorf("MEDIA_STORE: %w", err)
		}
		opts.Blobs = files
		parts = append(parts, closer("media folder", env.log, files.Close))
	default:
		bucket, err := mediastore.NewS3Blobs(mediastore.S3Options{URL: at})
		if err != nil {
			return nil, nil, fmt.Errorf("MEDIA_STORE: %w", err)
		}
		opts.Blobs = bucket
		parts = append(parts, closer("media bucket", env.log, bucket.Close))
	}
	store, err := mediastore.New(opts)
	if err != nil {
		return nil, nil, fmt.Errorf("media store: %w", err)
	}
	return store, parts, nil
}

// mediaSweep deletes media whose time is over.
func mediaSweep(env *environment, store *mediastore.Store) part {
	return part{name: "sweep of media", Service: background.Loop(func(ctx context.Context) {
		ticker := time.NewTicker(mediaSweepEvery)
		defer ticker.Stop()
		for {
			n, err := store.Sweep(ctx)
			switch {
			case err != nil && ctx.Err() == nil:
				env.log.Warn().Err(err).Msg("media not swept")
			case n > 0:
				env.log.Info().Int("media", n).Msg("expired media deleted")
			}
			if total, err := store.Usage(ctx); err == nil {
				env.metrics.Media.SetStored(total)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})}
}

// uploads keeps media of callers and answers links.
type uploads struct {
	*mediastore.Store

	cache *mediastore.Cache // of the requested bytes
}

var _ httpapi.Uploads = uploads{}

// Upload implements httpapi.Uploads. The media is known by the bytes that were
// uploaded; what is kept has no metadata.
func (u uploads) Upload(ctx context.Context, scope message.Scope, claimed string, file []byte) (mediastore.Media, bool, error) {
	found, err := mediafit.Inspect(claimed, file)
	switch {
	case errors.Is(err, mediafit.ErrPixels):
		return mediastore.Media{}, false, httpapi.ErrMediaPixels
	case err != nil:
		return mediastore.Media{}, false, httpapi.ErrMediaType
	}
	sum := sha256.Sum256(file)
	return u.Put(ctx, mediastore.Content{
		Scope: scope.String(), Key: mediastore.ContentKey("upload", hex.EncodeToString(sum[:])),
		Type: found.Type, Data: mediafit.WithoutMetadata(found.Type, file), Width: found.Width, Height: found.Height,
	})
}

// Get implements httpapi.Uploads.
func (u uploads) Get(ctx context.Context, scope message.Scope, id string) (mediastore.Media, error) {
	return u.Store.Get(ctx, scope.String(), id)
}

// Delete implements httpapi.Uploads.
func (u uploads) Delete(ctx context.Context, scope message.Scope, id string) error {
	return u.Store.Delete(ctx, scope.String(), id)
}

// Reserve implements httpapi.Uploads.
func (u uploads) Reserve(ctx context.Context, scope message.Scope, id string, next time.Time) error {
	m, err := u.Keep(ctx, scope.String(), id, next)
	if err == nil && m.Deleted() {
		return mediastore.ErrNotFound
	}
	return err
}

// Read implements httpapi.Uploads.
func (u uploads) Read(ctx context.Context, m mediastore.Media) (data []byte, release func(), err error) {
	return u.cache.Read(ctx, m)
}
