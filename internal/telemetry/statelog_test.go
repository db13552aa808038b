package telemetry_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/rs/zerolog"

	"mmsdispatch/internal/telemetry"
)

func TestStateLogWritesChangesOnly(t *testing.T) {
	t.Parallel()

	refused := errors.New("dial redis://user:secret@10.0.0.1:6379: refused")
	for level, want := range map[zerolog.Level]string{
		zerolog.InfoLevel: `{"level":"warn","error":"dial redis://[redacted]@10.0.0.1:6379: refused","message":"heartbeats fail"}` + "\n" +
			`{"level":"info","message":"heartbeats go on"}` + "\n",
		zerolog.DebugLevel: `{"level":"warn","error":"dial redis://[redacted]@10.0.0.1:6379: refused","message":"heartbeats fail"}` + "\n" +
			`{"level":"debug","error":"dial redis://[redacted]@10.0.0.1:6379: refused","message":"heartbeats fail"}` + "\n" +
			`{"level":"info","message":"heartbeats go on"}` + "\n",
	} {
		var out bytes.Buffer

		state := telemetry.NewStateLog(zerolog.New(&out).Level(level), "heartbeats fail", "heartbeats go on")
		for _, err := range []error{nil, refused, refused, nil, nil} {
			state.Report(err)
		}

		if out.String() != want {
			t.Errorf("%s:\n%s", level, out.String())
		}
	}
}
