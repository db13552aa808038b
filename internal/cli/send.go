package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/client"
	"mmsdispatch/client/openapi"
)

// send is the command that sends one message.
type send struct {
	api      api
	request  client.MessageRequest
	priority string
	quiet    string
	sendAt   string
	expires  string
	metadata []string
	data     []string
	dryRun   bool
	wait     waiting
}

// newSend sends one message.
func newSend() *cobra.Command {
	var s send
	cmd := &cobra.Command{
		Use:   "send --to NUMBER --media URL [--text TEXT]",
		Short: "Send one MMS, and with --wait follow it until it has ended",
		Long: "Sends one MMS and shows the message. It gets a random reference unless --reference names one, so that a request\n" +
			"that is repeated after a broken connection never sends it twice.\n\n" +
			"With --wait the command shows the timeline until the message has ended, and the exit code is how:\n" +
			"  0  delivered, or with --until sent: accepted by Sinch\n" +
			"  1  it was not accepted by the api, or the api did not answer\n" +
			"  2  undelivered, failed, expired or canceled\n" +
			"  3  unknown: Sinch may or may not have it\n" +
			"  4  none of these within --timeout; mmsctl status shows it later\n\n" +
			"With --template the texts have placeholders such as {{name|default}}, filled from --data.",
		Example: "  mmsctl send --to +12065551212 --media https://example.com/a.jpg --text Hello --reference from-mmsctl\n" +
			"  mmsctl send --to +12065551212 --media https://example.com/a.jpg --template --text 'Hello {{name}}' --data name=Ann --wait",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	s.addFlags(cmd)
	return cmd
}

func (s *send) addFlags(cmd *cobra.Command) {
	s.api.addFlags(cmd)
	s.wait.addFlags(cmd)
	f, r := cmd.Flags(), &s.request
	f.StringVar(&r.To, "to", "", "number to send to")
	f.StringArrayVar(&r.Media, mediaField, nil, "media URL, or the id of an upload; repeat for more")
	f.StringVar(&r.Text, textField, "", "text")
	f.StringVar(&r.Subject, "subject", "", "subject")
	f.StringVar(&r.ClientReference, "reference", "", "client reference; empty: a random one")
	f.StringVar(&s.priority, "priority", "", "high, normal or bulk")
	f.StringVar(&r.From, "from", "", "number to send from; empty: that of the service")
	f.StringVar(&s.sendAt, "send-at", "", "when to send, as 2030-01-31T09:00:00Z; empty: now")
	f.StringVar(&s.expires, "expires-at", "", "when to stop trying, in the same form")
	f.StringVar(&r.FallbackText, "fallback-text", "", "SMS text for handsets without MMS")
	f.StringVar(&r.CallbackURL, "callback-url", "", "https URL that every change of this message is posted to")
	f.StringArrayVar(&s.metadata, "metadata", nil, "NAME=VALUE to get back with the message; repeat for more")
	f.StringVar(&s.quiet, "quiet-hours", "", "respect or ignore; empty: ignore for the priority high, else respect")
	f.BoolVar(&r.Template, "template", false, "render the placeholders of the texts")
	f.StringArrayVar(&s.data, "data", nil, "NAME=VALUE of a placeholder, with --template; repeat for more")
	f.BoolVar(&s.dryRun, "dry-run", false, "show the message as it would be, and send nothing")
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.MarkFlagRequired(mediaField)
	cmd.MarkFlagsMutuallyExclusive("dry-run", "wait")
	completeLanes(cmd, "priority")
	completeValues(cmd, "quiet-hours", string(openapi.MessageRequestQuietHoursRespect), string(openapi.MessageRequestQuietHoursIgnore))
}

// referenceField is the field of a message, and the query parameter of a batch, that
// holds the reference of the caller.
const (
	referenceField = "clientReference"
	textField      = "text"
	mediaField     = "media"
)

// complete reads the flags that are not texts.
func (s *send) complete() error {
	r := &s.request
	r.Priority, r.QuietHours = openapi.Priority(s.priority), openapi.MessageRequestQuietHours(s.quiet)
	for _, at := range []struct {
		flag, text string
		time       *time.Time
	}{{"--send-at", s.sendAt, &r.SendAt}, {"--expires-at", s.expires, &r.ExpiresAt}} {
		if at.text == "" {
			continue
		}
		var err error
		if *at.time, err = time.Parse(time.RFC3339, at.text); err != nil {
			return fmt.Errorf("%s %s: want a time such as 2030-01-31T09:00:00Z", at.flag, at.text)
		}
	}
	var err error
	if r.Metadata, err = pairsOf("--metadata", s.metadata); err != nil {
		return err
	}
	data, err := pairsOf("--data", s.data)
	if err != nil {
		return err
	}
	if len(data) > 0 && !r.Template {
		return errors.New("--data needs --template: without it no placeholder is filled")
	}
	for name, value := range data {
		if r.Variables == nil {
			r.Variables = make(map[string]*string, len(data))
		}
		r.Variables[name] = &value
	}
	if r.ClientReference == "" && !s.dryRun {
		r.ClientReference = "mmsctl-" + strings.ToLower(rand.Text())
	}
	return nil
}

func (s *send) run(cmd *cobra.Command) error {
	if err := s.complete(); err != nil {
		return err
	}
	if err := s.wait.check(); err != nil {
		return err
	}
	c, err := s.api.connect()
	if err != nil {
		return err
	}
	var params *openapi.CreateMessageParams
	if s.dryRun {
		params = &openapi.CreateMessageParams{DryRun: new(true)}
	}
	res, err := c.OpenAPI().CreateMessage(client.Repeatable(cmd.Context()), params, s.request)
	answer, err := s.api.read(res, err)
	if err != nil {
		return namingFlags(err, sendFlag)
	}
	if res.Header.Get("Idempotent-Replayed") == "true" {
		fmt.Fprintln(cmd.ErrOrStderr(), "accepted before: this is the message with the reference, nothing was sent again")
	}
	if !s.wait.on {
		show(cmd.OutOrStdout(), answer)
		return nil
	}
	var accepted client.Message
	if err := json.Unmarshal(answer, &accepted); err != nil {
		return fmt.Errorf("read the response: %w", err)
	}
	return s.wait.follow(cmd, &s.api, c, &accepted)
}

// sendFields are the flags of the fields that the api names, where they differ.
var sendFields = map[string]string{
	mediaField: mediaField, "mediaUrl": mediaField, "metadata": "metadata", "to": "to", textField: textField, "subject": "subject",
	referenceField: "reference", "priority": "priority", "from": "from", "sendAt": "send-at", "expiresAt": "expires-at",
	"fallbackText": "fallback-text", "callbackUrl": "callback-url", "quietHours": "quiet-hours", "template": "template",
}

// sendFlag is the flag for a field that the api names; empty: there is none.
func sendFlag(field string) string {
	if name, isVariable := strings.CutPrefix(field, "variables."); isVariable {
		return "--data " + visible(name)
	}
	name, _, _ := strings.Cut(field, "[")
	name, _, _ = strings.Cut(name, ".")
	if flag, known := sendFields[name]; known {
		return "--" + flag
	}
	return ""
}

// pairsOf reads the NAME=VALUE arguments of a flag; nil: there are none.
func pairsOf(flag string, args []string) (map[string]string, error) {
	var pairs map[string]string
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("%s %s: want NAME=VALUE", flag, arg)
		}
		if pairs == nil {
			pairs = make(map[string]string, len(args))
		}
		pairs[name] = value
	}
	return pairs, nil
}
