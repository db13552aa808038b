package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/operator"
)

// newSend sends one message.
func newSend() *cobra.Command {
	var to api
	var media, metadata []string
	cmd := &cobra.Command{
		Use:     "send --to NUMBER --media URL [--text TEXT]",
		Short:   "Send one MMS",
		Example: `  mmsctl send --to +12065551212 --media https://example.com/a.jpg --text Hello --reference from-mmsctl`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{"media": media}
			for flag, field := range sendFields {
				if value := cmd.Flag(flag).Value.String(); value != "" {
					body[field] = value
				}
			}
			pairs, err := pairsOf(metadata)
			if err != nil {
				return err
			}
			if len(pairs) > 0 {
				body["metadata"] = pairs
			}
			answer, header, err := to.call(cmd.Context(), http.MethodPost, "/v1/messages", body)
			if err != nil {
				return namingFlags(err, sendFlag)
			}
			if header.Get("Idempotent-Replayed") == "true" {
				fmt.Fprintln(cmd.ErrOrStderr(), "accepted before: this is the message with the reference, nothing was sent again")
			}
			show(cmd.OutOrStdout(), answer)
			return nil
		},
	}
	to.addFlags(cmd)
	f := cmd.Flags()
	f.String("to", "", "number to send to")
	f.StringArrayVar(&media, "media", nil, "media URL; repeat for more")
	f.String(textField, "", "text")
	f.String("subject", "", "subject")
	f.String("reference", "", "client reference; makes sending again safe")
	f.String("priority", "", "high, normal or bulk")
	f.String("from", "", "number to send from; empty: that of the service")
	f.String("send-at", "", "when to send, as 2030-01-31T09:00:00Z; empty: now")
	f.String("expires-at", "", "when to stop trying, in the same form")
	f.String("fallback-text", "", "SMS text for handsets without MMS")
	f.String("callback-url", "", "kept with the message; nothing calls it in this release")
	f.StringArrayVar(&metadata, "metadata", nil, "NAME=VALUE to get back with the message; repeat for more")
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.MarkFlagRequired("media")
	completeLanes(cmd, "priority")
	return cmd
}

// referenceField is the field of a message, and the query parameter of a batch, that
// holds the reference of the caller.
const (
	referenceField = "clientReference"
	textField      = "text"
)

// sendFields are the fields of a message by flag.
var sendFields = map[string]string{
	"to": "to", textField: textField, "subject": "subject", "reference": referenceField, "priority": "priority", "from": "from",
	"send-at": "sendAt", "expires-at": "expiresAt", "fallback-text": "fallbackText", "callback-url": "callbackUrl",
}

// sendFlag is the flag for a field that the api names; empty: there is none.
func sendFlag(field string) string {
	name, _, _ := strings.Cut(field, "[")
	name, _, _ = strings.Cut(name, ".")
	switch name {
	case "media", "mediaUrl":
		return "--media"
	case "metadata":
		return "--metadata"
	}
	for flag, known := range sendFields {
		if known == name {
			return "--" + flag
		}
	}
	return ""
}

// pairsOf reads the NAME=VALUE arguments of --metadata.
func pairsOf(args []string) (map[string]string, error) {
	pairs := make(map[string]string, len(args))
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("--metadata %s: want NAME=VALUE", arg)
		}
		pairs[name] = value
	}
	return pairs, nil
}

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
			return of.query(cmd, http.MethodGet, args[0], "")
		},
	}
	of.addFlags(cmd)
	return cmd
}

// query requests a message or a batch, and shows the response.
func (a *api) query(cmd *cobra.Command, method, what, verb string) error {
	path, err := a.pathOf(cmd.Context(), what)
	if err != nil {
		return err
	}
	answer, _, err := a.call(cmd.Context(), method, path+verb, nil)
	if err != nil {
		return err
	}
	show(cmd.OutOrStdout(), answer)
	return nil
}

// errBatchReplay is the error for a replay of a batch.
var errBatchReplay = errors.New("a batch cannot be replayed, only its messages: GET /v1/messages?batchId= lists them")

// change changes a message or a batch through the api, and shows the response.
// When REDIS_URL is set the change is that of an operator, and is recorded before
// the request.
func (a *api) change(cmd *cobra.Command, action operator.Action, what, verb string, body any) error {
	path, err := a.pathOf(cmd.Context(), what)
	if err != nil {
		return err
	}
	if action == operator.ActionMessageReplay && strings.HasPrefix(path, batchesPath) {
		return errBatchReplay
	}
	if err := recorded(cmd, operator.Change{Action: action, Target: path[strings.LastIndex(path, "/")+1:]}); err != nil {
		return err
	}
	answer, _, err := a.call(cmd.Context(), http.MethodPost, path+verb, body)
	if err != nil {
		return err
	}
	show(cmd.OutOrStdout(), answer)
	return nil
}

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
	var of api
	cmd := &cobra.Command{
		Use:   "cancel ID|REFERENCE",
		Short: "Cancel a waiting message, or the waiting messages of a batch",
		Long:  "Cancel a waiting message, or the waiting messages of a batch" + howNamed,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return of.change(cmd, operator.ActionMessageCancel, args[0], "/cancel", nil)
		},
	}
	of.addFlags(cmd)
	return cmd
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
		Args: func(cmd *cobra.Command, args []string) error {
			if len(many.statuses) > 0 {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(many.statuses) > 0 {
				return withRedis(func(cmd *cobra.Command, _ []string, s session) error {
					return many.replayMany(cmd, s, force)
				})(cmd, nil)
			}
			return of.change(cmd, operator.ActionMessageReplay, args[0], "/replay", map[string]bool{"force": force})
		},
	}
	of.addFlags(cmd)
	many.addFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "replay messages of unknown outcome, which may double them")
	return cmd
}
