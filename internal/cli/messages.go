package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"mmsdispatch/client"
	"mmsdispatch/client/openapi"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/replay"
)

// howNamed explains the argument of commands on a message or batch.
const howNamed = ". The argument is its id or its\n" +
	"reference, which mmsctl bulk prints; when a message and a batch have it, the message is chosen."

// newStatus shows a message or a batch.
func newStatus() *cobra.Command {
	var of api
	cmd := &cobra.Command{
		Use:   "status ID|REFERENCE",
		Short: "Show the state of a message or a batch; exits 1 when it does not exist",
		Long:  "Show the state of a message or a batch" + howNamed,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return of.show(cmd, args[0])
		},
	}
	of.addFlags(cmd)
	return cmd
}

// show shows a message or a batch.
func (a *api) show(cmd *cobra.Command, name string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	found, err := a.find(cmd.Context(), c, name)
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if found.batch {
		answer, err = a.read(c.OpenAPI().GetBatch(cmd.Context(), found.id, nil))
	} else {
		answer, err = a.read(c.OpenAPI().GetMessage(cmd.Context(), found.id, nil))
	}
	if err != nil {
		return err
	}
	show(cmd.OutOrStdout(), answer)
	return nil
}

// change changes a message or a batch, and shows the response. When REDIS_URL is set
// the change is that of an operator, and is recorded before the request.
func (a *api) change(cmd *cobra.Command, action operator.Action, name string, request changeRequest) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	found, err := a.find(cmd.Context(), c, name)
	if err != nil {
		return err
	}
	if action == operator.ActionMessageReplay && found.batch {
		return errBatchReplay
	}
	if err := recorded(cmd, operator.Change{Action: action, Target: found.id}); err != nil {
		return err
	}
	answer, err := a.read(request(cmd.Context(), c.OpenAPI(), found))
	if err != nil {
		return err
	}
	show(cmd.OutOrStdout(), answer)
	return nil
}

// changeRequest changes a message or a batch.
type changeRequest func(ctx context.Context, c *openapi.Client, of target) (*http.Response, error)

// cancel takes a message back, or what has not begun of a batch; twice is no error.
func cancel(ctx context.Context, c *openapi.Client, of target) (*http.Response, error) {
	ctx = client.Repeatable(ctx)
	if of.batch {
		return c.CancelBatch(ctx, of.id, nil)
	}
	return c.CancelMessage(ctx, of.id, nil)
}

// errBatchReplay is the error for a replay of a batch.
var errBatchReplay = errors.New("a batch cannot be replayed, only its messages: GET /v1/messages?batchId= lists them")

// errUnrecorded refuses to act under the name of an operator where nothing can be
// recorded.
var errUnrecorded = errors.New("--as names an operator, whose changes are recorded: REDIS_URL is not set")

// recorded records a change that goes through the api, if REDIS_URL is set. A
// caller's machine has no access to Redis: there the change is the tenant's own,
// and the command says so.
func recorded(cmd *cobra.Command, change operator.Change) error {
	environ, err := config.OSEnviron()
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if environ["REDIS_URL"] == "" {
		if cmd.Flags().Changed(asFlag) {
			return errUnrecorded
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "REDIS_URL is not set: this is a change of the tenant, which the audit does not have")
		return nil
	}
	return withRedis(func(cmd *cobra.Command, _ []string, s session) error {
		return s.operator.Record(cmd.Context(), change)
	})(cmd, nil)
}

// newCancel cancels waiting messages.
func newCancel() *cobra.Command {
	var (
		of   api
		many *groupChange
	)
	cmd := &cobra.Command{
		Use:   "cancel ID|REFERENCE | --status STATES --because TEXT",
		Short: "Cancel a waiting message, the waiting messages of a batch, or all that are in some state",
		Long: "Cancel a waiting message, or the waiting messages of a batch, through the api" + howNamed + "\n" +
			"With --status the workers cancel all messages in these states over all tenants, and the command shows their progress; that\n" +
			"needs REDIS_URL. So does the id of a replay or of another change of many messages, rpl_…, which is ended then.",
		Example: "  mmsctl cancel order-1\n" +
			"  mmsctl cancel --status queued --reason throttled --tenant acme --dry-run",
		Args: func(cmd *cobra.Command, args []string) error { return oneOrMany(many.given())(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if many.given() {
				return withRedis(func(cmd *cobra.Command, _ []string, s session) error { return many.run(cmd, s) })(cmd, nil)
			}
			if replay.ValidID(args[0]) {
				return withRedis(func(cmd *cobra.Command, args []string, s session) error { return many.stop(cmd, s, args[0]) })(cmd, args)
			}
			return of.change(cmd, operator.ActionMessageCancel, args[0], cancel)
		},
	}
	of.addFlags(cmd)
	many = newGroupChange(cmd, replay.Cancel)
	return cmd
}

// oneOrMany is the check of the arguments of a command on one message, or on many that
// its flags select.
func oneOrMany(many bool) cobra.PositionalArgs {
	if many {
		return cobra.NoArgs
	}
	return cobra.ExactArgs(1)
}

// newReplay replays a message, or all that are in some state.
func newReplay() *cobra.Command {
	var (
		of    api
		many  manyReplays
		force bool
	)
	cmd := &cobra.Command{
		Use:   "replay ID|REFERENCE | --status STATES",
		Short: "Send a message again that failed, expired, was canceled or is unknown, or all such messages",
		Long: "Send a message again, through the api. With --status the workers replay all messages in these states over all tenants,\n" +
			"and the command shows their progress; that needs REDIS_URL.",
		Example: "  mmsctl replay order-1\n" +
			"  mmsctl replay --status failed --reason account --since 24h --dry-run",
		Args: func(cmd *cobra.Command, args []string) error { return oneOrMany(many.given())(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if many.given() {
				return withRedis(func(cmd *cobra.Command, _ []string, s session) error {
					return many.replayMany(cmd, s, force)
				})(cmd, nil)
			}
			return of.change(cmd, operator.ActionMessageReplay, args[0],
				func(ctx context.Context, c *openapi.Client, of target) (*http.Response, error) {
					return c.ReplayMessage(ctx, of.id, nil, openapi.ReplayRequest{Force: force})
				})
		},
	}
	of.addFlags(cmd)
	many.addFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "replay messages of unknown outcome, which may double them")
	return cmd
}
