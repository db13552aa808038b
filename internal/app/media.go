package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/media"
	"mmsdispatch/internal/mediastore"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// The values of MEDIA_CHECK that have an effect here.
const (
	mediaOff    = "off"
	fitOff      = "off"
	mediaAccept = "accept"
)

// mediaRules is the version of the rules of package media: verdicts of releases
// with other rules are ignored.
const mediaRules = "2"

// newMedia returns the media check, whose verdicts all processes share.
func newMedia(env *environment) (*media.Shared, part) {
	limits := env.cfg.Media
	fetcher := media.NewFetcher(media.Options{MaxBytes: limits.MaxBytes, AllowPrivate: limits.AllowPrivate})
	shared := media.NewShared(media.SharedOptions{
		Checker: media.NewHosts(fetcher), Redis: env.rdb, Metrics: env.metrics.Media,
		Policy:   fmt.Sprintf("%s %d %t", mediaRules, limits.MaxBytes, limits.AllowPrivate),
		NameFunc: func(hash string) string { return env.keys.Name("media", hash) },
	})
	return shared, closer("media", env.log, func() error {
		shared.Close()
		fetcher.Close()
		return nil
	})
}

// workerMedia checks before a call, and finds the links of uploads.
type workerMedia struct {
	shared   *media.Shared     // nil: media are not checked
	store    *mediastore.Store // nil: there are no uploads
	maxBytes int64
	// free reports whether a message never reaches Sinch, so that its media are not
	// checked.
	free func(m *message.Message) bool
}

// newWorkerMedia makes what readies the media of messages.
func newWorkerMedia(env *environment, free func(m *message.Message) bool) (dispatch.Media, []part, error) {
	store, parts, err := newMediaStore(env)
	if err != nil {
		return nil, nil, err
	}
	if env.cfg.Media.Fit != fitOff {
		w, fitParts, err := newFitMedia(env, store, free)
		if err != nil {
			return nil, nil, err
		}
		return w, append(append(parts, mediaSweep(env, store)), fitParts...), nil
	}
	w := &workerMedia{store: store, maxBytes: env.cfg.Media.MaxBytes, free: free}
	if store != nil {
		parts = append(parts, mediaSweep(env, store))
	}
	if env.cfg.Media.Check != mediaOff {
		shared, closing := newMedia(env)
		w.shared, parts = shared, append(parts, closing)
	}
	return w, parts, nil
}

// Check implements dispatch.Media.
func (w *workerMedia) Check(ctx context.Context, m *message.Message) ([]sinch.Media, error) {
	checks := !w.free(m)
	ready := make([]sinch.Media, len(m.Content.Media))
	verdicts := make([]media.Verdict, len(ready))
	var (
		urls  []string
		where []int
	)
	for i, entry := range m.Content.Media {
		switch {
		case message.IsMediaID(entry):
			ready[i], verdicts[i] = w.upload(ctx, m.Scope, entry, checks && w.shared != nil)
		default:
			ready[i].URL = message.WireURL(entry)
			if checks && w.shared == nil {
				verdicts[i].Err = media.CheckName(entry)
			}
			urls, where = append(urls, ready[i].URL), append(where, i)
		}
	}
	if checks && w.shared != nil {
		for i, v := range w.shared.CheckAll(ctx, urls) {
			ready[where[i]].ContentType, verdicts[where[i]] = v.Info.Type, v
		}
	}
	return ready, worst(verdicts)
}

// upload is an upload as Sinch gets it. A message may have waited for longer than
// the upload is kept.
func (w *workerMedia) upload(ctx context.Context, scope message.Scope, id string, checked bool) (sinch.Media, media.Verdict) {
	if w.store == nil {
		return sinch.Media{}, media.Verdict{Err: &media.Error{Code: media.CodeNotFound}}
	}
	kept, err := w.store.Keep(ctx, scope.String(), id, time.Time{})
	switch {
	case errors.Is(err, mediastore.ErrNotFound):
		return sinch.Media{}, media.Verdict{Err: &media.Error{Code: media.CodeNotFound}}
	case err != nil:
		return sinch.Media{}, media.Verdict{Err: err}
	}
	verdict := media.Verdict{Info: media.Info{Type: kept.Type, Size: kept.Bytes}}
	if checked {
		verdict.Err = media.Sendable(verdict.Info, w.maxBytes)
	}
	return sinch.Media{URL: w.store.SendLink(kept), ContentType: kept.Type}, verdict
}

// worst returns the error of all media together: a permanent fault before a
// temporary one, and that before an unknown result.
func worst(verdicts []media.Verdict) error {
	var temporary *dispatch.MediaError
	var unknown error
	for i, v := range verdicts {
		bad, known := errors.AsType[*media.Error](v.Err)
		switch {
		case v.Err == nil:
		case !known:
			unknown = v.Err
		case !bad.Temporary():
			return &dispatch.MediaError{Detail: detail(len(verdicts), i, bad)}
		case temporary == nil:
			temporary = &dispatch.MediaError{Detail: detail(len(verdicts), i, bad), Temporary: true, RetryIn: media.KeptTemporary}
		}
	}
	if temporary != nil {
		return temporary
	}
	return unknown
}

// detail names the bad media item when there are several.
func detail(entries, i int, bad *media.Error) string {
	if entries == 1 {
		return bad.Error()
	}
	return fmt.Sprintf("media[%d]: %s", i, bad)
}

// apiMedia checks media before a message is accepted.
type apiMedia struct {
	shared    *media.Shared
	simulated bool // no message reaches Sinch
}

func newAPIMedia(cfg *config.Config, shared *media.Shared) *apiMedia {
	return &apiMedia{shared: shared, simulated: cfg.Sinch.API == string(sinch.APISimulator)}
}

// Check implements httpapi.Media.
func (a *apiMedia) Check(ctx context.Context, scope message.Scope, urls []string) []string {
	wrong := make([]string, len(urls))
	if scope.Test || a.simulated {
		return wrong
	}
	for i, v := range a.shared.CheckAll(ctx, message.WireURLs(urls)) {
		if message.IsMediaID(urls[i]) { // it was found in the store
			continue
		}
		if bad, ok := errors.AsType[*media.Error](v.Err); ok && !bad.Temporary() {
			wrong[i] = bad.Error()
		}
	}
	return wrong
}
