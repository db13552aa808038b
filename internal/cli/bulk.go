package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
)

// bulkTypes are the files that can be handed over, by their ending.
var bulkTypes = map[string]string{".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}

// newBulk hands a file of messages over.
func newBulk() *cobra.Command {
	b := bulk{pauseFunc: pause}
	var defaults []string
	cmd := &cobra.Command{
		Use:   "bulk FILE.csv|FILE.ndjson",
		Short: "Hand a file of messages over; run it again to go on where it was cut",
		Long: "Streams a file of up to a million rows to POST /v1/batches as one batch. Its reference is made of the\n" +
			"file's content unless --reference names one, so that the same file never makes a message twice: after an\n" +
			"interruption, run the same command again. Rejected rows are written to FILE.rejected.csv (or .ndjson), to be\n" +
			"corrected and handed over as a file of their own, and what is wrong with them to FILE.errors.ndjson.",
		Example: `  mmsctl bulk campaign.csv --default mediaUrl=https://example.com/a.jpg --default priority=normal`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b.file, b.out, b.log = args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
			return b.run(cmd.Context(), defaults)
		},
	}
	b.api.addFlags(cmd)
	cmd.Flags().StringVar(&b.reference, "reference", "", "reference of the batch; empty: made of the file's content")
	cmd.Flags().StringArrayVar(&defaults, "default", nil, "NAME=VALUE of a field that rows leave open; repeat for more")
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "check every row, accept none")
	return cmd
}

// bulk is one file to hand over.
type bulk struct {
	api       api
	file      string
	reference string
	dryRun    bool
	out, log  io.Writer
	pauseFunc func(ctx context.Context, d time.Duration) error
}

// bulkAnswer is what the api says of a batch.
type bulkAnswer struct {
	ID         string    `json:"id"`
	Accepted   int64     `json:"accepted"`
	Duplicates int64     `json:"duplicates"`
	Rejected   int64     `json:"rejected"`
	Results    []bulkRow `json:"results"`
	Detail     string    `json:"detail"`
}

type bulkRow struct {
	Index  int64           `json:"index"`
	Status string          `json:"status"`
	Error  json.RawMessage `json:"error"`
}

// The patience of the command with an api that is down or busy.
const (
	bulkTries    = 10
	bulkPauseMax = 30 * time.Second
)

func (b *bulk) run(ctx context.Context, defaults []string) error {
	query, err := b.query(defaults)
	if err != nil {
		return err
	}
	begun := time.Now()
	answer, err := b.sendUntilTaken(ctx, query)
	if err != nil {
		return err
	}
	rows := answer.Accepted + answer.Duplicates + answer.Rejected
	fmt.Fprintf(b.out, "batch %s: %d accepted, %d accepted before, %d rejected (%d rows in %s, %.0f a second)\n", answer.ID,
		answer.Accepted, answer.Duplicates, answer.Rejected, rows, time.Since(begun).Round(time.Millisecond),
		float64(rows)/time.Since(begun).Seconds())
	if answer.Rejected == 0 {
		return nil
	}
	if err := b.keepRejected(answer); err != nil {
		return err
	}
	return fmt.Errorf("%w: %d rows were rejected", errSaid, answer.Rejected)
}

// query are the parameters of the batch.
func (b *bulk) query(defaults []string) (url.Values, error) {
	query := url.Values{}
	for _, one := range defaults {
		name, value, ok := strings.Cut(one, "=")
		if !ok {
			return nil, fmt.Errorf("--default %s: want NAME=VALUE", name)
		}
		query.Set(name, value)
	}
	if b.dryRun {
		query.Set("dryRun", "true")
	}
	reference := b.reference
	if reference == "" {
		sum, err := b.sum()
		if err != nil {
			return nil, err
		}
		reference = "file-" + sum
	}
	query.Set("clientReference", reference)
	return query, nil
}

// sum is a hash of the file, short enough for a reference.
func (b *bulk) sum() (string, error) {
	file, err := os.Open(b.file)
	if err != nil {
		return "", fmt.Errorf("open rows: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("read rows: %w", err)
	}
	const chars = 40
	return hex.EncodeToString(hash.Sum(nil))[:chars], nil
}

// laterError says that the api wants the file again later.
type laterError struct {
	in  time.Duration
	why string
}

// Error implements error.
func (e *laterError) Error() string { return e.why }

// sendUntilTaken sends the file, again where the api could not take it to its
// end: what was taken before is found there and costs little.
func (b *bulk) sendUntilTaken(ctx context.Context, query url.Values) (bulkAnswer, error) {
	wait := time.Second
	for try := 1; ; try++ {
		answer, err := b.send(ctx, query)
		busy, again := errors.AsType[*laterError](err)
		if !again || try == bulkTries {
			return answer, err
		}
		wait = min(max(wait, busy.in), bulkPauseMax)
		fmt.Fprintf(b.log, "%s; sent again in %s\n", busy.why, wait)
		if err := b.pauseFunc(ctx, wait); err != nil {
			return bulkAnswer{}, fmt.Errorf("%w; run the same command again to go on", err)
		}
		wait *= 2
	}
}

// pause waits, or ends with the context.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send streams the file once.
func (b *bulk) send(ctx context.Context, query url.Values) (bulkAnswer, error) {
	mediaType, ok := bulkTypes[strings.ToLower(filepath.Ext(b.file))]
	if !ok {
		return bulkAnswer{}, errors.New("the file must end in .csv, .ndjson or .jsonl")
	}
	file, err := os.Open(b.file)
	if err != nil {
		return bulkAnswer{}, fmt.Errorf("open rows: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return bulkAnswer{}, fmt.Errorf("open rows: %w", err)
	}
	bar := progressbar.NewOptions64(info.Size(), progressbar.OptionSetWriter(b.log), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription(filepath.Base(b.file)), progressbar.OptionThrottle(time.Second/10))
	defer func() { _ = bar.Close(); fmt.Fprintln(b.log) }()
	body := progressbar.NewReader(file, bar)
	req, err := b.api.request(ctx, http.MethodPost, "/v1/batches?"+query.Encode(), &body)
	if err != nil {
		return bulkAnswer{}, err
	}
	req.ContentLength = info.Size()
	req.Header.Set("Content-Type", mediaType)
	// No time-out for the whole: a million rows take their time, and Ctrl-C ends it.
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return bulkAnswer{}, fmt.Errorf("%w; run the same command again to go on", ctx.Err())
		}
		return bulkAnswer{}, &laterError{why: "the api cannot be reached"}
	}
	defer res.Body.Close()
	return readBulkAnswer(res)
}

func readBulkAnswer(res *http.Response) (bulkAnswer, error) {
	var answer bulkAnswer
	err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&answer)
	switch {
	case res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return answer, &laterError{in: time.Duration(seconds) * time.Second, why: "the api answered " + res.Status}
	case res.StatusCode >= http.StatusBadRequest:
		return answer, fmt.Errorf("the api answered %s: %s", res.Status, answer.Detail)
	case err != nil:
		return answer, &laterError{why: "the answer was cut off"}
	}
	return answer, nil
}
