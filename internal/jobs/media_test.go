package jobs

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/jobs/queue"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/sinch"
)

// mediaFunc is a Media.
type mediaFunc func(ctx context.Context, m *message.Message) ([]sinch.Media, error)

func (f mediaFunc) Check(ctx context.Context, m *message.Message) ([]sinch.Media, error) {
	return f(ctx, m)
}

func TestCheckedTypesReachTheProvider(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opts.Media = mediaFunc(func(context.Context, *message.Message) ([]sinch.Media, error) {
		return []sinch.Media{{URL: "https://example.com/a.jpg", ContentType: "video/mp4"}}, nil
	})
	got := make(chan sinch.Message, 1)
	b.sinch.answer = func(_ int, m sinch.Message) message.Outcome {
		got <- m
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	b.await(t, m.ID, message.StatusSent)
	want := sinch.Media{URL: "https://example.com/a.jpg", ContentType: "video/mp4"}
	if sent := <-got; len(sent.Media) != 1 || sent.Media[0] != want {
		t.Errorf("%+v", sent.Media)
	}
}

// The timeline says that an animation is sent as a still, once for all attempts.
func TestStillIsOnTheTimeline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opts.Media = mediaFunc(func(context.Context, *message.Message) ([]sinch.Media, error) {
		return []sinch.Media{{URL: "https://example.com/a.jpg", ContentType: "image/jpeg", Still: true}}, nil
	})
	b.sinch.answer = func(call int, _ sinch.Message) message.Outcome {
		if call == 1 {
			return message.Outcome{Kind: message.OutcomeNotSent, Code: message.ReasonInternal}
		}
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	notes := 0
	for _, e := range b.await(t, m.ID, message.StatusSent).Timeline {
		if strings.Contains(e.Detail, "still") {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("%d notes", notes)
	}
}

// TestMediaAreSentAsTheyAreChecked: in the escaped form.
func TestMediaAreSentAsTheyAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := make(chan sinch.Message, 1)
	b.sinch.answer = func(_ int, m sinch.Message) message.Outcome {
		got <- m
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	b.run(t)
	const written, wire = "https://bücher.example/café.jpg", "https://xn--bcher-kva.example/caf%C3%A9.jpg"
	m := b.accept(t, func(c *message.Content) { c.Media = []string{written} })
	b.dispatch(t, m)
	after := b.await(t, m.ID, message.StatusSent)
	if sent := <-got; len(sent.Media) != 1 || sent.Media[0].URL != wire || after.Content.Media[0] != written {
		t.Errorf("sent %+v, kept %v", sent.Media, after.Content.Media)
	}
}

func TestBadMediaFailWithoutACall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opts.Media = mediaFunc(func(context.Context, *message.Message) ([]sinch.Media, error) {
		return nil, &dispatch.MediaError{Detail: "media_too_large: it is too large"}
	})
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	got := b.await(t, m.ID, message.StatusFailed)
	want := message.Reason{Code: message.ReasonMedia, Message: "media_too_large: it is too large"}
	if got.Reason == nil || *got.Reason != want || got.Attempts != 0 || b.sinch.count(m.ID) != 0 {
		t.Errorf("%+v, %+v, %d calls", got, got.Reason, b.sinch.count(m.ID))
	}
}

func TestMediaHostThatIsDownIsWaitedFor(t *testing.T) {
	t.Parallel()
	down := &dispatch.MediaError{Detail: "media_unreachable: its host cannot be reached", Temporary: true, RetryIn: time.Millisecond}
	t.Run("and comes back", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var checks atomic.Int64
		b.opts.Media = mediaFunc(func(context.Context, *message.Message) ([]sinch.Media, error) {
			if checks.Add(1) == 1 {
				return nil, down
			}
			return nil, nil
		})
		b.run(t)
		m := b.accept(t)
		b.dispatch(t, m)
		got := b.await(t, m.ID, message.StatusSent)
		if got.Attempts != 1 || got.Tries != 0 || got.Reason != nil || checks.Load() != 2 {
			t.Errorf("%+v after %d checks", got, checks.Load())
		}
		if !strings.Contains(got.Timeline[1].Detail, "deferred: media") {
			t.Errorf("%+v", got.Timeline)
		}
	})
	t.Run("but not for ever", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		var checks atomic.Int64
		b.opts.Media = mediaFunc(func(context.Context, *message.Message) ([]sinch.Media, error) {
			checks.Add(1)
			return nil, down
		})
		b.run(t)
		m := b.accept(t)
		b.dispatch(t, m)
		got := b.await(t, m.ID, message.StatusFailed)
		if got.Reason == nil || got.Reason.Code != message.ReasonMedia || got.Attempts != 0 || b.sinch.count(m.ID) != 0 {
			t.Errorf("%+v", got)
		}
		if n := checks.Load(); n != int64(b.opts.Backoff.Max)+1 {
			t.Errorf("%d checks", n)
		}
	})
}

// TestCheckLeavesTimeForTheCall: a check that takes all the time it has does
// not make the call run into the end of the task.
func TestCheckLeavesTimeForTheCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opts.Timing = dispatch.Timing{Call: time.Second, Task: 2 * time.Second}
	b.queue = queue.New(b.rdb, b.opts.Timing.Task)
	var checks atomic.Int64
	b.opts.Media = mediaFunc(func(ctx context.Context, _ *message.Message) ([]sinch.Media, error) {
		if checks.Add(1) == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, nil
	})
	var late atomic.Bool
	b.sinch.answer = func(_ int, m sinch.Message) message.Outcome {
		late.Store(time.Until(m.Deadline) < b.opts.Timing.Call/2)
		return message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T1"}
	}
	b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	got := b.await(t, m.ID, message.StatusSent)
	if late.Load() || checks.Load() != 2 || got.Attempts != 1 || got.Deferrals != 0 {
		t.Errorf("%+v after %d checks; late: %t", got, checks.Load(), late.Load())
	}
}

// TestMessageThatIsCanceledDuringACheck stays canceled with either result.
func TestMessageThatIsCanceledDuringACheck(t *testing.T) {
	t.Parallel()
	b := setup(t)
	requested, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b.opts.Media = mediaFunc(func(context.Context, *message.Message) ([]sinch.Media, error) {
		close(requested)
		<-release
		defer close(done)
		return nil, &dispatch.MediaError{Detail: "media_not_found: its host does not have it"}
	})
	r := b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	<-requested
	if _, err := b.ledger.Update(t.Context(), m.ID, func(m *message.Message, now time.Time) error { return m.Cancel(now) }); err != nil {
		t.Fatal(err)
	}
	close(release)
	<-done
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.Stop(ctx) // the task has ended then
	if got, err := b.ledger.Get(t.Context(), m.ID); err != nil || got.Status != message.StatusCanceled {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestStoppingWorkerDoesNotWaitForMedia: the message goes back to the queue.
func TestStoppingWorkerDoesNotWaitForMedia(t *testing.T) {
	t.Parallel()
	b := setup(t)
	requested := make(chan struct{})
	b.opts.Media = mediaFunc(func(ctx context.Context, _ *message.Message) ([]sinch.Media, error) {
		close(requested)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	b.opts.Timing.Task, b.opts.Shutdown = time.Minute, time.Minute
	b.queue = queue.New(b.rdb, b.opts.Timing.Task)
	r := b.run(t)
	m := b.accept(t)
	b.dispatch(t, m)
	<-requested
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.Stop(ctx)
	if ctx.Err() != nil {
		t.Error("it waited")
	}
	if got, err := b.ledger.Get(t.Context(), m.ID); err != nil || got.Status != message.StatusQueued {
		t.Errorf("%+v, %v", got, err)
	}
}
