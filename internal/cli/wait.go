package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/client"
	"mmsdispatch/client/openapi"
)

// waiting follows a message until it has ended.
type waiting struct {
	on      bool
	until   string
	timeout time.Duration
}

// waitTimeout is longer than carriers usually take for a receipt.
const waitTimeout = 10 * time.Minute

func (w *waiting) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&w.on, "wait", false, "show the timeline until the message has ended; the exit code is how")
	f.StringVar(&w.until, "until", string(openapi.StatusDelivered), "with --wait: delivered, or sent where no receipts are expected")
	f.DurationVar(&w.timeout, "timeout", waitTimeout, "with --wait: how long; 0: as long as it takes")
	completeValues(cmd, "until", string(openapi.StatusDelivered), string(openapi.StatusSent))
}

func (w *waiting) check() error {
	if w.until != string(openapi.StatusDelivered) && w.until != string(openapi.StatusSent) {
		return fmt.Errorf("--until %s: must be delivered or sent", w.until)
	}
	if w.timeout < 0 {
		return errors.New("--timeout cannot be negative")
	}
	return nil
}

// errEnough ends a wait for sent.
var errEnough = errors.New("the message is sent")

// follow shows the timeline of a message, and returns the exit code that its end has.
// With --json the timeline goes to stderr, and the message to stdout.
func (w *waiting) follow(cmd *cobra.Command, to *api, c *client.Client, accepted *client.Message) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if wantsJSON(cmd) {
		out = cmd.ErrOrStderr()
	}
	if w.timeout > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, w.timeout)
		defer end()
	}
	fmt.Fprintln(out, accepted.ID)
	shown := timeline{out: out}
	m, err := c.Wait(ctx, accepted.ID, func(m *client.Message) error {
		shown.add(m)
		if m.Status == openapi.StatusSent && w.until == string(openapi.StatusSent) {
			return errEnough
		}
		return nil
	})
	m = cmp.Or(m, accepted)
	switch {
	case ctx.Err() != nil && err != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "it is still %s; mmsctl status %s shows what becomes of it\n", m.Status, m.ID)
		err = exitError(exitPending)
	case err != nil && !errors.Is(err, errEnough):
		return to.explained(err)
	default:
		err = w.outcome(m)
	}
	if !wantsJSON(cmd) {
		return err
	}
	if encodeErr := json.NewEncoder(cmd.OutOrStdout()).Encode(m); encodeErr != nil {
		return fmt.Errorf("write the message: %w", encodeErr)
	}
	return err
}

// outcome is the exit code of a message that has ended.
func (w *waiting) outcome(m *client.Message) error {
	switch {
	case m.Status == openapi.StatusDelivered, m.Status == openapi.StatusSent && w.until == string(openapi.StatusSent):
		return nil
	case m.Status == openapi.StatusUnknown:
		return exitError(exitUnknown)
	default:
		return exitError(exitNotDelivered)
	}
}

// timeline prints the entries of a message that have not been printed yet.
type timeline struct {
	out  io.Writer
	last openapi.TimelineEntry
	some bool
}

// add prints what is new. A long timeline has lost entries from its middle, so that
// what follows the last one that was printed is new.
func (t *timeline) add(m *client.Message) {
	first := 0
	for i, entry := range m.Timeline {
		if t.some && !entry.At.After(t.last.At) && sameEntry(entry, t.last) {
			first = i + 1
		}
	}
	for _, entry := range m.Timeline[first:] {
		attempt := ""
		if entry.Attempt != nil {
			attempt = fmt.Sprintf(" (attempt %d)", *entry.Attempt)
		}
		at := entry.At.Local().Format("15:04:05.000") //nolint:gosmopolitan // shown to the person at this machine
		fmt.Fprintf(t.out, "%s  %-11s  %s%s\n", at, entry.Status, visible(entry.Detail), attempt)
		t.last, t.some = entry, true
	}
}

func sameEntry(a, b openapi.TimelineEntry) bool {
	return a.At.Equal(b.At) && a.Status == b.Status && a.Detail == b.Detail
}
