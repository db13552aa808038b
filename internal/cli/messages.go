package cli

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// newSend sends one message.
func newSend() *cobra.Command {
	var to api
	var number, text, subject, reference, priority string
	var media []string
	cmd := &cobra.Command{
		Use:     "send --to NUMBER --media URL [--text TEXT]",
		Short:   "Send one MMS",
		Example: `  mmsctl send --to +12065551212 --media https://example.com/a.jpg --text Hello --reference order-1`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			body := map[string]any{"to": number, "media": media}
			for name, value := range map[string]string{
				"text": text, "subject": subject, "clientReference": reference, "priority": priority,
			} {
				if value != "" {
					body[name] = value
				}
			}
			return to.call(cmd.Context(), cmd.OutOrStdout(), http.MethodPost, "/v1/messages", body)
		},
	}
	to.addFlags(cmd)
	cmd.Flags().StringVar(&number, "to", "", "number to send to")
	cmd.Flags().StringArrayVar(&media, "media", nil, "media URL; repeat for more")
	cmd.Flags().StringVar(&text, "text", "", "text")
	cmd.Flags().StringVar(&subject, "subject", "", "subject")
	cmd.Flags().StringVar(&reference, "reference", "", "client reference; makes sending again safe")
	cmd.Flags().StringVar(&priority, "priority", "", "high, normal or bulk")
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.MarkFlagRequired("media")
	return cmd
}

// newStatus shows a message.
func newStatus() *cobra.Command {
	var of api
	cmd := &cobra.Command{
		Use:   "status ID|REFERENCE",
		Short: "Show what became of a message",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/v1/messages/" + url.PathEscape(args[0])
			if !strings.HasPrefix(args[0], "msg_") {
				path = "/v1/messages?clientReference=" + url.QueryEscape(args[0])
			}
			return of.call(cmd.Context(), cmd.OutOrStdout(), http.MethodGet, path, nil)
		},
	}
	of.addFlags(cmd)
	return cmd
}

// newReplay starts a message anew.
func newReplay() *cobra.Command {
	var of api
	var force bool
	cmd := &cobra.Command{
		Use:   "replay ID",
		Short: "Send a message again that failed, expired, was canceled or is unknown",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/v1/messages/" + url.PathEscape(args[0]) + "/replay"
			return of.call(cmd.Context(), cmd.OutOrStdout(), http.MethodPost, path, map[string]bool{"force": force})
		},
	}
	of.addFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "replay a message of unknown outcome, which may double it")
	return cmd
}
