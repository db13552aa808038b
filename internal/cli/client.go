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

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 8 << 20

// client is for requests to our own processes.
func client() *http.Client { return &http.Client{Timeout: requestTimeout} }

// api is where the commands that talk to a running service send to.
type api struct {
	url, key string
}

// addFlags lets a command say which service it means.
func (a *api) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.url, "url", envOr("MMS_URL", "http://127.0.0.1:3000"), "base URL of the api, or MMS_URL")
	cmd.Flags().StringVar(&a.key, "key", "", "API key; better MMS_KEY, which no process list shows")
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// call sends a request and returns the answer. An answer of 400 and above is a
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

// unreachable names the api that did not answer. The URL of the request stays out
// of it: its query may hold a number.
func (a *api) unreachable(err error) error {
	if sent, ok := errors.AsType[*url.Error](err); ok {
		err = sent.Err
	}
	return fmt.Errorf("the api at %s cannot be reached (--url or MMS_URL names it): %w", a.shownURL(), err)
}

// shownURL is the address of the api without a password.
func (a *api) shownURL() string {
	base, err := url.Parse(a.url)
	if err != nil {
		return "--url"
	}
	return base.Redacted()
}

// request makes a request with the caller's key.
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
		return nil, errors.New("--url or MMS_URL is no base URL: it begins with http:// or https://, as http://127.0.0.1:3000 does")
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(a.url, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	return req, nil
}

// refusal is a problem that the api answered with.
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

	// What was taken of a batch before.
	ID         string `json:"id"`
	Accepted   int64  `json:"accepted"`
	Duplicates int64  `json:"duplicates"`
	Rejected   int64  `json:"rejected"`
}

// readRefusal reads a problem; of an answer that is none, as proxies give, the
// status is left.
func readRefusal(status string, answer []byte) *refusal {
	r := &refusal{}
	if json.Unmarshal(answer, r) != nil {
		r = &refusal{}
	}
	r.status = status
	return r
}

// Error implements error. Each rule that was broken has a line.
func (r *refusal) Error() string {
	var text strings.Builder
	text.WriteString("the api answered " + r.status)
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

// visible writes characters that would not be seen, as the mark that some
// programs begin a file with, by their number.
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

// show prints an answer, indented when it is JSON.
func show(out io.Writer, answer []byte) {
	var pretty bytes.Buffer
	if json.Indent(&pretty, answer, "", "  ") == nil {
		answer = pretty.Bytes()
	}
	fmt.Fprintln(out, strings.TrimSpace(string(answer)))
}

// find returns the id of what a list of messages or batches has under a client
// reference; empty: there is none.
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

// The lists of what there is.
const (
	messagesPath = "/v1/messages"
	batchesPath  = "/v1/batches"
)

// pathOf is the path of what a caller names: a message or a batch, by its id or
// its reference. Where both have the reference it is the message's.
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

// What ids begin with.
const (
	batchPrefix   = "bat_"
	messagePrefix = "msg_"
)
