package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
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

// call sends a request and prints the answer. An answer of 400 and above is
// printed as well, and is a failure.
func (a *api) call(ctx context.Context, out io.Writer, method, path string, body any) error {
	payload := io.Reader(http.NoBody)
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := a.request(ctx, method, path, payload)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client().Do(req)
	if err != nil {
		return fmt.Errorf("call the api: %w", err)
	}
	defer res.Body.Close()
	return show(out, res)
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
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(a.url, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	return req, nil
}

// show prints an answer, indented when it is JSON.
func show(out io.Writer, res *http.Response) error {
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, answer, "", "  ") == nil {
		answer = pretty.Bytes()
	}
	fmt.Fprintln(out, strings.TrimSpace(string(answer)))
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%w: the api answered %s", errSaid, res.Status)
	}
	return nil
}
