package app

import (
	"context"
	"errors"
	"testing"

	"mmsdispatch/internal/jobs/dispatch"
	"mmsdispatch/internal/media"
	"mmsdispatch/internal/message"
)

func TestWorstOfSeveralMedia(t *testing.T) {
	t.Parallel()
	good := media.Verdict{Info: media.Info{Type: "image/jpeg"}}
	bad, down := media.Verdict{Err: &media.Error{Code: media.CodeEmpty}}, media.Verdict{Err: &media.Error{Code: media.CodeTimeout}}
	canceled := media.Verdict{Err: context.Canceled}
	tests := map[string]struct {
		verdicts  []media.Verdict
		detail    string // empty: nothing is bad
		temporary bool
		unknown   bool
	}{
		"all good":      {verdicts: []media.Verdict{good, good}},
		"one":           {verdicts: []media.Verdict{bad}, detail: "media_empty: it is empty"},
		"the second":    {verdicts: []media.Verdict{good, bad}, detail: "media[1]: media_empty: it is empty"},
		"bad for good":  {verdicts: []media.Verdict{down, canceled, bad}, detail: "media[2]: media_empty: it is empty"},
		"down":          {verdicts: []media.Verdict{canceled, down}, detail: "media[1]: media_timeout: its host did not answer in time", temporary: true},
		"unknown":       {verdicts: []media.Verdict{good, canceled}, unknown: true},
		"no media (so)": {},
	}
	for name, tt := range tests {
		err := worst(tt.verdicts)
		if tt.detail == "" {
			if errors.Is(err, context.Canceled) != tt.unknown || (err != nil) != tt.unknown {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		got, ok := errors.AsType[*dispatch.MediaError](err)
		if !ok || got.Detail != tt.detail || got.Temporary != tt.temporary || (got.RetryIn > 0) != tt.temporary {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

// Where media are not fetched, a name that says that no slide carries it is refused,
// unless the message never reaches Sinch.
func TestMediaThatAreNotFetchedAreRefusedByName(t *testing.T) {
	t.Parallel()
	m := &message.Message{Content: message.Content{Media: []string{"https://e.example/a.jpg", "https://e.example/notes.txt"}}}
	for free, want := range map[bool]string{true: "", false: "media[1]: media_type: its type is not named, or is none that an MMS carries"} {
		_, err := (&workerMedia{free: func(*message.Message) bool { return free }}).Check(t.Context(), m)
		bad, refused := errors.AsType[*dispatch.MediaError](err)
		if refused != (want != "") || refused && (bad.Detail != want || bad.Temporary) {
			t.Errorf("free %v: %v", free, err)
		}
	}
}
