package app

import (
	"context"
	"errors"
	"fmt"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/media"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// The values of MEDIA_CHECK that have an effect here.
const (
	mediaOff    = "off"
	mediaAccept = "accept"
)

// mediaRules names the version of the rules of package media: verdicts of
// releases with other rules do not count.
const mediaRules = "2"

// newMedia makes the check of media, shared with all other processes.
func newMedia(env *environment) (*media.Shared, part) {
	limits := env.cfg.Media
	fetcher := media.NewFetcher(media.Options{MaxBytes: limits.MaxBytes, AllowPrivate: limits.AllowPrivate})
	shared := media.NewShared(media.SharedOptions{
		Checker: media.NewHosts(fetcher), Redis: env.rdb, Metrics: env.metrics.Media,
		Policy: fmt.Sprintf("%s %d %t", mediaRules, limits.MaxBytes, limits.AllowPrivate),
	})
	return shared, closer("media", env.log, func() error {
		shared.Close()
		fetcher.Close()
		return nil
	})
}

// workerMedia checks before a call.
type workerMedia struct {
	shared *media.Shared
	// free lets a message pass that never reaches Sinch.
	free func(m *message.Message) bool
}

// Check implements dispatch.Media.
func (w *workerMedia) Check(ctx context.Context, m *message.Message) ([]string, error) {
	if w.free(m) {
		return nil, nil
	}
	verdicts := w.shared.CheckAll(ctx, message.WireURLs(m.Content.Media))
	types := make([]string, len(verdicts))
	for i, v := range verdicts {
		types[i] = v.Info.Type
	}
	return types, worst(verdicts)
}

// namedMedia checks only the names of media, where none is fetched.
type namedMedia struct {
	free func(m *message.Message) bool // its call reaches no Sinch
}

// Check implements dispatch.Media.
func (n namedMedia) Check(_ context.Context, m *message.Message) ([]string, error) {
	if n.free(m) {
		return nil, nil
	}
	for i, address := range m.Content.Media {
		if bad, ok := errors.AsType[*media.Error](media.CheckName(address)); ok {
			return nil, &dispatch.MediumError{Detail: detail(len(m.Content.Media), i, bad)}
		}
	}
	return nil, nil
}

// worst is what is wrong with media as a whole: what is bad for good comes
// before what may go away, and that before what nobody knows.
func worst(verdicts []media.Verdict) error {
	var temporary *dispatch.MediumError
	var unknown error
	for i, v := range verdicts {
		bad, known := errors.AsType[*media.Error](v.Err)
		switch {
		case v.Err == nil:
		case !known:
			unknown = v.Err
		case !bad.Temporary():
			return &dispatch.MediumError{Detail: detail(len(verdicts), i, bad)}
		case temporary == nil:
			temporary = &dispatch.MediumError{Detail: detail(len(verdicts), i, bad), Temporary: true, RetryIn: media.KeptTemporary}
		}
	}
	if temporary != nil {
		return temporary
	}
	return unknown
}

// detail says which medium is bad, where there are several.
func detail(media, i int, bad *media.Error) string {
	if media == 1 {
		return bad.Error()
	}
	return fmt.Sprintf("media[%d]: %s", i, bad)
}

// apiMedia checks before a message is taken.
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
		if bad, ok := errors.AsType[*media.Error](v.Err); ok && !bad.Temporary() {
			wrong[i] = bad.Error()
		}
	}
	return wrong
}
