package background_test

import (
	"context"
	"strings"
	"testing"

	"mmsdispatch/internal/background"
)

// TestReportPanic: the panic goes to the function of the context, and goes on.
func TestReportPanic(t *testing.T) {
	t.Parallel()
	var told []string
	ctx := background.WithPanics(t.Context(), func(value any, stack []byte) {
		text, _ := value.(string)
		told = append(told, text)
		if !strings.Contains(string(stack), "background_test.breakDown(") {
			t.Errorf("another stack:\n%s", stack)
		}
	})
	for _, run := range []func(context.Context){func(context.Context) {}, breakDown} {
		func() {
			defer func() {
				if value := recover(); value != nil && (value != "broken" || len(told) != 1) {
					t.Errorf("panic %v, told %v", value, told)
				}
			}()
			defer background.ReportPanic(ctx)
			run(ctx)
		}()
	}
	if len(told) != 1 || told[0] != "broken" {
		t.Errorf("told %v", told)
	}
}

// TestReportPanicWithoutReporter: without a function the panic is as it was.
func TestReportPanicWithoutReporter(t *testing.T) {
	t.Parallel()
	defer func() {
		if value := recover(); value != "broken" {
			t.Errorf("panic %v", value)
		}
	}()
	defer background.ReportPanic(t.Context())
	breakDown(t.Context())
}

func breakDown(context.Context) { panic("broken") }
