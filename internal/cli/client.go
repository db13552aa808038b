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
)

// requestTimeout bounds one request of the command line.
const requestTimeout = 30 * time.Second

// maxAnswer bounds the part of a response that is read, in bytes.
const maxAnswer = 8 << 20

// client returns the HTTP client for requests to our own processes.
func client() *http.Client { return &http.Client{Timeout: requestTimeout} }

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

// call sends a request and returns the response. A status of 400 and above is a
// *refusal.
func (a *api) call(ctx context.Context, method, path string, body any) (answer []byte, header http.Header, err error) {
	payload := io.Reader(http.NoBody)
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, nil, fmt.Errorf("encode request: %w", err)
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := a.request(ctx, method, path, payload)
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client().Do(req)
	if err != nil {
		return nil, nil, a.unreachable(err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode >= http.StatusBadRequest {
		return nil, nil, readRefusal(res.Status, answer)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read answer: %w", err)
	}
	return answer, res.Header, nil
}

// unreachable is the error for an api that did not respond. It omits the URL of
// the request, whose query may contain a number.
func (a *api) unreachable(err error) error {
	if sent, ok := errors.AsType[*url.Error](err); ok {
		err = sent.Err
	}
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

// request returns a request with the API key.
func (a *api) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	key := a.key
	if key == "" {
		key = os.Getenv("MMS_KEY")
	}
	if key == "" {
		return nil, errors.New("no API key: set MMS_KEY or give --key")
	}
	base, err := url.Parse(a.url)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, errors.New("--url or MMS_URL is not a base URL, which begins with http:// or https://, such as http://127.0.0.1:3000")
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(a.url, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	return req, nil
}

// refusal is a problem response.
type refusal struct {
	status string
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Errors []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`

	// flagOf names the flag that a field came from; empty: none. nil: it is not known.
	flagOf func(field string) string

	// The counts of a batch when a failure ended it.
	ID         string `json:"id"`
	Accepted   int64  `json:"accepted"`
	Duplicates int64  `json:"duplicates"`
	Rejected   int64  `json:"rejected"`
}

// readRefusal reads a problem; a response of a proxy that is not one leaves only
// the status.
func readRefusal(status string, answer []byte) *refusal {
	r := &refusal{}
	if json.Unmarshal(answer, r) != nil {
		r = &refusal{}
	}
	r.status = status
	return r
}

// Error implements error. Each field error has a line.
func (r *refusal) Error() string {
	var text strings.Builder
	text.WriteString("the api responded " + r.status)
	if r.Code != "" {
		text.WriteString(" (" + r.Code + ")")
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

// find returns the id of the message or batch in a list that has a client
// reference; empty: none has it.
func (a *api) find(ctx context.Context, list, reference string) (id string, err error) {
	answer, _, err := a.call(ctx, http.MethodGet, list+"?clientReference="+url.QueryEscape(reference), nil)
	if err != nil {
		return "", err
	}
	var page struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	if len(page.Data) == 0 {
		return "", nil
	}
	return page.Data[0].ID, nil
}

// The lists.
const (
	messagesPath = "/v1/messages"
	batchesPath  = "/v1/batches"
)

// pathOf returns the path of a message or batch, given by its id or reference.
// When both have the reference the message is chosen.
func (a *api) pathOf(ctx context.Context, name string) (string, error) {
	switch {
	case strings.HasPrefix(name, batchPrefix):
		return batchesPath + "/" + url.PathEscape(name), nil
	case strings.HasPrefix(name, messagePrefix):
		return messagesPath + "/" + url.PathEscape(name), nil
	}
	for _, list := range []string{messagesPath, batchesPath} {
		id, err := a.find(ctx, list, name)
		if err != nil {
			return "", err
		}
		if id != "" {
			return list + "/" + url.PathEscape(id), nil
		}
	}
	return "", fmt.Errorf("there is no message and no batch with the reference %s", name)
}

// The prefixes of ids.
const (
	batchPrefix   = "bat_"
	messagePrefix = "msg_"
)
