package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/client"
	"mmsdispatch/client/openapi"
	"mmsdispatch/internal/telemetry"
)

// requestTimeout bounds one request of the command line.
const requestTimeout = 30 * time.Second

// maxAnswer bounds the part of a response that is read, in bytes.
const maxAnswer = 8 << 20

// api is the service that a command sends requests to.
type api struct {
	url, key string
}

// addFlags adds the flags that select the service.
func (a *api) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.url, "url", envOr("MMS_URL", "http://127.0.0.1:3000"), "base URL of the api, or MMS_URL")
	cmd.Flags().StringVar(&a.key, "key", "", "API key; prefer MMS_KEY, which no process list shows")
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// connect returns the client of the service.
func (a *api) connect() (*client.Client, error) {
	key := a.apiKey()
	if key == "" {
		return nil, errNoKey
	}
	c, err := client.New(a.url, key, client.Options{
		Retries: apiRetries, RetryAfterMax: apiWaitMax, UserAgent: "mmsctl/" + telemetry.ReadBuild("mmsctl").Version,
	})
	if err != nil {
		return nil, errBaseURL
	}
	return c, nil
}

const (
	// apiRetries is how often a request is repeated: a person waits for it.
	apiRetries = 2
	apiWaitMax = 10 * time.Second
)

// The errors of a service that is not named.
var (
	errNoKey   = errors.New("no API key: set MMS_KEY or give --key")
	errBaseURL = errors.New("--url or MMS_URL is not a base URL, which begins with http:// or https://, such as http://127.0.0.1:3000")
)

func (a *api) apiKey() string {
	if a.key != "" {
		return a.key
	}
	return os.Getenv("MMS_KEY")
}

// read returns a response as it is. That of a refused request is a *refusal.
func (a *api) read(res *http.Response, err error) (json.RawMessage, error) {
	answer, err := client.Read[json.RawMessage](res, err)
	return answer, a.explained(err)
}

// explained turns an error of the client into one that says what to do.
func (a *api) explained(err error) error {
	if refused, ok := errors.AsType[*client.Error](err); ok {
		return &refusal{problem: refused}
	}
	if missing, ok := errors.AsType[*client.NoResponseError](err); ok {
		return a.unreachable(missing.Err)
	}
	return err
}

// unreachable is the error for an api that did not respond.
func (a *api) unreachable(err error) error {
	return fmt.Errorf("the api at %s cannot be reached (--url or MMS_URL names it): %w", a.shownURL(), err)
}

// shownURL is the base URL without a password.
func (a *api) shownURL() string {
	base, err := url.Parse(a.url)
	if err != nil {
		return "--url"
	}
	return base.Redacted()
}

// request returns a request with the API key, for commands that measure requests or
// stream a file and have rules of their own for what is repeated.
func (a *api) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	key := a.apiKey()
	if key == "" {
		return nil, errNoKey
	}
	base, err := url.Parse(a.url)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, errBaseURL
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(a.url, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	return req, nil
}

type problem = client.Error

// refusal is a problem response.
type refusal struct {
	*problem

	// flagOf names the flag that a field came from; empty: none. nil: it is not known.
	flagOf func(field string) string
}

// Error implements error. Each field error has a line.
func (r *refusal) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "the api responded %d %s", r.StatusCode, http.StatusText(r.StatusCode))
	if r.Code != "" {
		fmt.Fprintf(&text, " (%s)", r.Code)
	}
	if r.Detail != "" {
		text.WriteString(": " + r.Detail)
	}
	for _, one := range r.Errors {
		text.WriteString("\n  ")
		if one.Field != "" {
			text.WriteString(r.name(one.Field) + ": ")
		}
		text.WriteString(visible(one.Message))
	}
	if r.RetryAfter > 0 {
		fmt.Fprintf(&text, "\n  it asks to try again in %s", r.RetryAfter)
	}
	return text.String()
}

// name is the name of a field that the user knows.
func (r *refusal) name(field string) string {
	if r.flagOf != nil {
		if flag := r.flagOf(field); flag != "" {
			return flag
		}
	}
	return visible(field)
}

// namingFlags has a refusal name the flags of the command for the fields of the api.
func namingFlags(err error, flagOf func(field string) string) error {
	if refused, ok := errors.AsType[*refusal](err); ok {
		refused.flagOf = flagOf
	}
	return err
}

// visible replaces invisible characters, such as a byte order mark, by their
// code.
func visible(text string) string {
	var shown strings.Builder
	for _, r := range text {
		if strconv.IsPrint(r) {
			shown.WriteRune(r)
		} else {
			shown.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return shown.String()
}

// show prints a response, indented when it is JSON.
func show(out io.Writer, answer []byte) {
	var pretty bytes.Buffer
	if json.Indent(&pretty, answer, "", "  ") == nil {
		answer = pretty.Bytes()
	}
	fmt.Fprintln(out, strings.TrimSpace(string(answer)))
}

// target is a message or a batch.
type target struct {
	id    string
	batch bool
}

// find returns the message or batch with an id or a reference. When both have the
// reference the message is chosen.
func (a *api) find(ctx context.Context, c *client.Client, name string) (target, error) {
	switch {
	case strings.HasPrefix(name, batchPrefix):
		return target{id: name, batch: true}, nil
	case strings.HasPrefix(name, messagePrefix):
		return target{id: name}, nil
	}
	messages, err := client.Read[idPage](c.OpenAPI().ListMessages(ctx, &openapi.ListMessagesParams{ClientReference: &name}))
	if err != nil {
		return target{}, a.explained(err)
	}
	if len(messages.Data) > 0 {
		return target{id: messages.Data[0].ID}, nil
	}
	batches, err := client.Read[idPage](c.OpenAPI().ListBatches(ctx, &openapi.ListBatchesParams{ClientReference: &name}))
	if err != nil {
		return target{}, a.explained(err)
	}
	if len(batches.Data) > 0 {
		return target{id: batches.Data[0].ID, batch: true}, nil
	}
	return target{}, fmt.Errorf("there is no message and no batch with the reference %s", name)
}

// idPage is the part of a page that find needs.
type idPage struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
}

// The prefixes of ids.
const (
	batchPrefix   = "bat_"
	messagePrefix = "msg_"
)
