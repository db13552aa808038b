package jobs

import (
	"testing"

	"mmsdispatch/internal/background"
	"mmsdispatch/internal/background/backgroundtest"
)

func TestRunnerIsAService(t *testing.T) {
	t.Parallel()
	b := setup(t)
	backgroundtest.Check(t, func(*testing.T) background.Service { return NewRunner(b.opts) })
}
