package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/media"
	"mmsdispatch/internal/mediafit"
	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
	"mmsdispatch/internal/telemetry"
)

const (
	// fitSourceMax is the size of the largest file that is fetched to be made to fit.
	fitSourceMax = 20 << 20
	// fitFetchTimeout is how long a host has to send it.
	fitFetchTimeout = 15 * time.Second
	// fitLongest is the time of all: the wait for a turn, the fetch, the conversion.
	fitLongest = time.Minute
	// fitRules names the version of the rules of package mediafit, as mediaRules.
	fitRules = "fit 2"
)

// fitKept is how long it is known that a media was made to fit: not longer than a
// part of the time for which it is kept.
func fitKept(cfg *config.Config) time.Duration {
	const part = 4
	return min(media.KeptGood, cfg.Media.TTL/part)
}

// fitMedia makes the media of messages fit.
type fitMedia struct {
	*workerMedia // for messages that never reach Sinch

	fitted   *media.Shared // by scope, limit and media
	limits   map[string]int64
	carriers mediafit.Carriers
}

// newFitMedia makes a fitMedia.
func newFitMedia(env *environment, store *mediastore.Store, free func(m *message.Message) bool) (*fitMedia, []part, error) {
	carriers, err := mediafit.ReadCarriers()
	if err != nil {
		return nil, nil, fmt.Errorf("media: %w", err)
	}
	limits := env.cfg.Media
	fetcher := media.NewFetcher(media.Options{MaxBytes: fitSourceMax, AllowPrivate: limits.AllowPrivate, Timeout: fitFetchTimeout})
	shared := media.NewShared(media.SharedOptions{
		Checker: &mediaFitter{
			store: store, fetcher: fetcher, hosts: media.NewHosts(fetcher), fitter: mediafit.New(), metrics: env.metrics.Media,
		},
		Redis: env.rdb, Metrics: env.metrics.Media, Longest: fitLongest, KeepGood: fitKept(env.cfg),
		Policy: fmt.Sprintf("%s %t %s", fitRules, limits.AllowPrivate, env.cfg.PublicURL()),
	})
	fit := &fitMedia{
		workerMedia: &workerMedia{store: store, maxBytes: limits.MaxBytes, free: free}, fitted: shared,
		limits: limitsOf(env.cfg, carriers), carriers: carriers,
	}
	return fit, []part{closer("media", env.log, func() error {
		shared.Close()
		fetcher.Close()
		return nil
	})}, nil
}

// limitsOf are the limits of the configured senders: those of SINCH_SENDER_MEDIA, else
// the carriers'.
func limitsOf(cfg *config.Config, carriers mediafit.Carriers) map[string]int64 {
	limits := cfg.Media.SenderBytes.Limits()
	if limits == nil {
		limits = map[string]int64{}
	}
	for _, sender := range append([]config.Sender{cfg.Sinch.Number}, cfg.Sinch.Senders...) {
		canonical := message.CanonicalSender(string(sender))
		if _, own := limits[canonical]; !own {
			limits[canonical] = carriers.Limit(canonical, cfg.Media.MaxBytes)
		}
	}
	return limits
}

// limit is how many bytes the media of a message from a sender may have together.
func (f *fitMedia) limit(sender string) int64 {
	if limit, ok := f.limits[sender]; ok {
		return limit
	}
	return f.carriers.Limit(sender, f.maxBytes) // it was configured when the message was accepted
}

// Check implements dispatch.Media.
func (f *fitMedia) Check(ctx context.Context, m *message.Message) ([]sinch.Media, error) {
	if f.free(m) {
		return f.workerMedia.Check(ctx, m)
	}
	limit := f.limit(m.From)
	verdicts := f.fit(ctx, m, limit, nil)
	if err := worst(verdicts); err != nil {
		return nil, err
	}
	if share := shareOf(verdicts, limit); share > 0 {
		verdicts = f.fit(ctx, m, share, verdicts)
		if err := worst(verdicts); err != nil {
			return nil, err
		}
	} else if share < 0 {
		return nil, &dispatch.MediaError{Detail: (&media.Error{Code: media.CodeTooLarge}).Error()}
	}
	ready := make([]sinch.Media, len(verdicts))
	for i, v := range verdicts {
		ready[i] = sinch.Media{URL: v.Info.URL, ContentType: v.Info.Type, Still: v.Info.Still}
		if v.Info.URL == "" {
			ready[i].URL = message.WireURL(m.Content.Media[i])
		}
	}
	return ready, nil
}

// fit makes the media of a message fit into limit bytes each; those that do so
// already stay as they are.
func (f *fitMedia) fit(ctx context.Context, m *message.Message, limit int64, known []media.Verdict) []media.Verdict {
	verdicts := slices.Clone(known)
	if known == nil {
		verdicts = make([]media.Verdict, len(m.Content.Media))
	}
	var (
		addresses []string
		where     []int
	)
	for i, entry := range m.Content.Media {
		if len(known) == 0 || known[i].Info.Size > limit {
			addresses, where = append(addresses, fitAddress(m.Scope, limit, message.WireURL(entry))), append(where, i)
		}
	}
	for i, v := range f.fitted.CheckAll(ctx, addresses) {
		verdicts[where[i]] = v
	}
	return verdicts
}

// shareOf is how many bytes each of the larger media may have so that all fit into
// limit together; zero: they do so already; below zero: they cannot.
func shareOf(verdicts []media.Verdict, limit int64) int64 {
	sizes := make([]int64, len(verdicts))
	left := limit
	for i, v := range verdicts {
		sizes[i] = v.Info.Size
		left -= sizes[i]
	}
	if left >= 0 {
		return 0
	}
	slices.Sort(sizes)
	left = limit
	for i, size := range sizes {
		if share := left / int64(len(sizes)-i); size > share {
			return max(share, 1)
		}
		left -= size
	}
	return -1
}

// fitAddress names a media with all that its fitted form depends on.
func fitAddress(scope message.Scope, limit int64, entry string) string {
	return scope.String() + " " + strconv.FormatInt(limit, 10) + " " + entry
}

// mediaFitter makes one media fit.
type mediaFitter struct {
	store   *mediastore.Store
	fetcher *media.Fetcher
	hosts   *media.Hosts
	fitter  *mediafit.Fitter
	metrics *telemetry.MediaMetrics
}

// Check implements media.Checker for what fitAddress names.
func (f *mediaFitter) Check(ctx context.Context, address string) (media.Info, error) {
	const parts = 3
	fields := strings.SplitN(address, " ", parts)
	if len(fields) != parts {
		return media.Info{}, &media.Error{Code: media.CodeURL}
	}
	limit, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return media.Info{}, &media.Error{Code: media.CodeURL}
	}
	begun := time.Now()
	source, err := f.source(ctx, fields[0], fields[2])
	if err != nil {
		return media.Info{}, err
	}
	info, result, err := f.fit(ctx, fields[0], source, limit)
	if bad, ok := errors.AsType[*media.Error](err); ok {
		result = string(bad.Code)
	}
	if result != "" {
		f.metrics.Fitted(result, time.Since(begun))
	}
	return info, err
}

// source is the file as its host or the store has it.
func (f *mediaFitter) source(ctx context.Context, scope, entry string) (source media.Download, err error) {
	if !message.IsMediaID(entry) {
		_, err = f.hosts.Do(ctx, entry, func(ctx context.Context) (media.Info, error) {
			source, err = f.fetcher.Download(ctx, entry)
			return media.Info{}, err
		})
		return source, err
	}
	kept, err := f.store.Keep(ctx, scope, entry, time.Time{})
	if err == nil {
		source.Data, err = f.store.Read(ctx, kept)
	}
	if errors.Is(err, mediastore.ErrNotFound) {
		return media.Download{}, &media.Error{Code: media.CodeNotFound}
	}
	source.ContentType = kept.Type
	return source, err
}

// fit makes a file fit and stores it; result names what was done. What fits as it
// is stays at its own URL.
func (f *mediaFitter) fit(ctx context.Context, scope string, source media.Download, limit int64) (_ media.Info, result string, _ error) {
	sum := sha256.Sum256(source.Data)
	key := mediastore.ContentKey(fitRules, source.ContentType, hex.EncodeToString(sum[:]), strconv.FormatInt(limit, 10))
	if kept, err := f.store.Find(ctx, scope, key); err == nil {
		return f.hosted(kept, source), "unchanged", nil
	}
	fitted, err := f.fitter.Fit(ctx, source.ContentType, source.Data, limit)
	if err != nil {
		return media.Info{}, "", refusal(err)
	}
	unchanged := !fitted.Converted() && len(fitted.Data) == len(source.Data)
	switch {
	case unchanged && source.Plain:
		return media.Info{Type: fitted.Type, Size: int64(len(fitted.Data))}, "unchanged", nil
	case fitted.Converted():
		result = "converted"
	case unchanged:
		result = "unchanged"
	default:
		result = "stripped"
	}
	kept, _, err := f.store.Put(ctx, mediastore.Content{
		Scope: scope, Key: key, Type: fitted.Type, Data: fitted.Data, Width: fitted.Width, Height: fitted.Height,
	})
	if err != nil {
		return media.Info{}, "", err
	}
	return f.hosted(kept, source), result, nil
}

// hosted is a media that was made of a source.
func (f *mediaFitter) hosted(kept mediastore.Media, source media.Download) media.Info {
	still := kept.Type == stillType && mediafit.IsAnimated(source.Data)
	return media.Info{Type: kept.Type, Size: kept.Bytes, URL: f.store.SendLink(kept), Still: still}
}

// stillType is what an animation becomes that does not fit.
const stillType = "image/jpeg"

// refusal is an error of mediafit as one of media. An error that says nothing of
// the file stays what it is.
func refusal(err error) error {
	switch {
	case errors.Is(err, mediafit.ErrHEIC):
		return &media.Error{Code: media.CodeHEIC}
	case errors.Is(err, mediafit.ErrAVIF):
		return &media.Error{Code: media.CodeAVIF}
	case errors.Is(err, mediafit.ErrType):
		return &media.Error{Code: media.CodeType}
	case errors.Is(err, mediafit.ErrPixels):
		return &media.Error{Code: media.CodePixels}
	case errors.Is(err, mediafit.ErrTooLarge):
		return &media.Error{Code: media.CodeTooLarge}
	case mediafit.IsRefusal(err):
		return &media.Error{Code: media.CodeBroken}
	default:
		return err
	}
}
