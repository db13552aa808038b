package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

// newLoad groups the two phases of a load test.
func newLoad() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Push messages at a rate, and verify that each arrived once and how long it took",
		Long: "A load test in two phases. mmsctl load push submits messages at a steady rate and records each in a file; mmsctl\n" +
			"load verify waits until each of them has ended, and reports what is missing, what was sent twice, and the times from\n" +
			"accepted to sent and to delivered. With a test key nothing reaches Sinch. See docs/testing.md.",
	}
	cmd.AddCommand(newLoadPush(), newLoadVerify())
	return cmd
}

// errLiveLoad refuses to send real messages by mistake.
var errLiveLoad = errors.New("this is not a test key, so the messages would really be sent: " +
	"use a mms_test_… key, or --live if that is intended, as with make dev or a simulator")

// checkKey refuses a key that is not one for tests, unless that is intended.
func (a *api) checkKey(live bool) error {
	if !live && !strings.HasPrefix(a.apiKey(), "mms_test_") {
		return errLiveLoad
	}
	return nil
}

// loadRecord is a message of a load test, a line of its file.
type loadRecord struct {
	Reference string `json:"reference"`
	ID        string `json:"id"` // empty: no response said that it was accepted
}
