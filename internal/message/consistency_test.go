package message_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mmsdispatch/internal/message"
)

// Whatever happens to a message: what it records adds up, but for an attempt that
// Sinch accepts although look-ups or a policy have led to another one.
func TestMessagesAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		content := message.Content{To: "+12065551212", Media: []string{"https://example.com/a.jpg"}, Priority: message.Normal}
		m := message.New(message.NewID(message.RandomIdentity(), start()), message.Scope{Tenant: "shop"}, content, "+12065550000", start())
		now := start()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "seconds")) * time.Second)
			action := rapid.SampledFrom(actions()).Draw(t, "action")
			_ = action.do(t, m, now) // what it refuses changes nothing
			for _, c := range m.Contradictions(now) {
				if c.Kind != message.ContradictionDoubled && c.Kind != message.ContradictionAccepted && c.Kind != message.ContradictionOverdue {
					t.Fatalf("after %s: %+v in %+v", action.name, c, m)
				}
			}
		}
	})
}

func TestContradictionsAreFound(t *testing.T) {
	t.Parallel()
	accept := func(tb testing.TB, m *message.Message) {
		tb.Helper()
		n := begin(tb, m, start())
		must(tb, m.Conclude(n, message.Outcome{Kind: message.OutcomeAccepted, SinchID: "T"}, policy(), start()))
	}
	for name, tt := range map[string]struct {
		change func(tb testing.TB, m *message.Message)
		after  time.Duration
		want   []message.ContradictionKind
	}{
		"a message that waits": {change: func(testing.TB, *message.Message) {}},
		"one that was sent":    {change: accept},
		"one that was doubled": {
			change: func(tb testing.TB, m *message.Message) {
				tb.Helper()
				accept(tb, m)
				second := m.Calls[0]
				second.N = 2
				m.Calls, m.Attempts = append(m.Calls, second), 2
				m.Timeline = append(m.Timeline, message.Entry{Status: m.Status, Attempt: 2})
			},
			want: []message.ContradictionKind{message.ContradictionDoubled},
		},
		"failed though accepted": {
			change: func(tb testing.TB, m *message.Message) {
				tb.Helper()
				accept(tb, m)
				m.Status, m.FinalAt = message.StatusFailed, start()
				m.Timeline[len(m.Timeline)-1].Status = message.StatusFailed
			},
			want: []message.ContradictionKind{message.ContradictionAccepted},
		},
		"sent without proof": {
			change: func(tb testing.TB, m *message.Message) { tb.Helper(); accept(tb, m); m.Calls = nil },
			want:   []message.ContradictionKind{message.ContradictionUnproven},
		},
		"an attempt in progress": {change: func(tb testing.TB, m *message.Message) { tb.Helper(); begin(tb, m, start()) }},
		"an attempt in progress for long": {
			change: func(tb testing.TB, m *message.Message) { tb.Helper(); begin(tb, m, start()) }, after: time.Hour,
			want: []message.ContradictionKind{message.ContradictionOverdue},
		},
		"unknown without an attempt": {
			change: func(_ testing.TB, m *message.Message) {
				m.Status = message.StatusUnknown
				m.Timeline[0].Status = message.StatusUnknown
			},
			want: []message.ContradictionKind{message.ContradictionUnresolved},
		},
		"an attempt that is missing": {
			change: func(_ testing.TB, m *message.Message) { m.Attempts = 1 },
			want:   []message.ContradictionKind{message.ContradictionTimeline},
		},
		"a timeline of another state": {
			change: func(_ testing.TB, m *message.Message) { m.Timeline[0].Status = message.StatusScheduled },
			want:   []message.ContradictionKind{message.ContradictionTimeline},
		},
		"no timeline": {
			change: func(_ testing.TB, m *message.Message) { m.Timeline = nil },
			want:   []message.ContradictionKind{message.ContradictionTimeline},
		},
	} {
		m := queued(t)
		tt.change(t, m)
		var got []message.ContradictionKind
		for _, c := range m.Contradictions(start().Add(tt.after)) {
			got = append(got, c.Kind)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
