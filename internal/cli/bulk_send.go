package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/mattn/go-isatty"

	"mmsdispatch/client"
)

// The retries while the api is down or busy.
const (
	bulkGiveUp   = 10 * time.Minute // without an accepted row
	bulkPauseMax = 30 * time.Second
	bulkStall    = 2 * time.Minute // without a byte or a response: the connection is broken
	bulkFullWait = 10 * time.Second
)

// laterError says that the file has to be sent again later.
type laterError struct {
	in  time.Duration
	why string
}

// Error implements error.
func (e *laterError) Error() string { return e.why }

// bulkOutcome is the outcome of a file over all tries.
type bulkOutcome struct {
	bulkAnswer
	cut bool // a try ended before it reported all rows
}

// sendUntilAccepted sends the file until the api has accepted all valid rows;
// rows accepted before are duplicates, which cost little. It gives up when no row
// was accepted for the time of --give-up.
func (b *bulk) sendUntilAccepted(ctx context.Context, query url.Values) (bulkOutcome, error) {
	var sum bulkOutcome
	wait, moved := time.Second, b.now()
	for {
		answer, err := b.send(ctx, query)
		busy, again := errors.AsType[*laterError](err)
		if err != nil && !again {
			return sum, b.refused(err, sum)
		}
		if answer.Accepted > 0 {
			wait, moved = time.Second, b.now()
		}
		// Rows accepted by earlier tries of this run are the duplicates of this one.
		answer.Duplicates = max(0, answer.Duplicates-sum.Accepted)
		answer.Accepted += sum.Accepted
		sum = bulkOutcome{bulkAnswer: answer, cut: sum.cut || again}
		if full := answer.turnedAway(); !again && full > 0 {
			again = true
			busy = &laterError{in: bulkFullWait, why: fmt.Sprintf("too many messages wait, %s or more not accepted", rowCount(full))}
		}
		if !again {
			return sum, nil
		}
		wait = min(max(wait, busy.in), bulkPauseMax)
		if b.now().Add(wait).Sub(moved) > b.giveUp {
			return sum, b.gaveUp(err, sum.Accepted)
		}
		fmt.Fprintf(b.log, "%s; sent again in %s\n", busy.why, wait)
		if err := b.pauseFunc(ctx, wait); err != nil {
			return sum, errors.New("stopped between two tries" + b.continuation())
		}
		wait *= 2
	}
}

// gaveUp is the error after the last try. After a response there is none: the
// response is reported, with the rest.
func (b *bulk) gaveUp(err error, accepted int64) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; given up (--give-up %s), %s accepted by this run as far as is known%s",
		err, b.giveUp, rowCount(accepted), b.continuation())
}

// refused adds, to a refusal in the middle of the file or of a later try, the
// rows that were accepted before.
func (b *bulk) refused(err error, tries bulkOutcome) error {
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case ok && refused.ID != nil:
		return fmt.Errorf("%w\nrows before: %d accepted, %d accepted before, %d rejected%s",
			err, count(refused.Accepted), count(refused.Duplicates), count(refused.Rejected), b.continuation())
	case tries.Accepted > 0 || tries.cut:
		return fmt.Errorf("%w\n%s accepted by earlier tries as far as is known%s", err, rowCount(tries.Accepted), b.continuation())
	default:
		return err
	}
}

// count is a count of a problem; 0 when it has none.
func count(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// continuation describes how to proceed with a batch that may have begun. A changed
// file has another hash, so that only the reference makes it the same batch.
func (b *bulk) continuation() string {
	if b.dryRun {
		return "\n  to continue: run the same command again"
	}
	return fmt.Sprintf("\n  to continue: run the same command again; if the file is changed first, with --reference %[1]s\n"+
		"  to cancel the waiting messages: mmsctl cancel %[1]s", b.reference)
}

// rowCount formats a number of rows.
func rowCount(rows int64) string {
	if rows == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", rows)
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
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
	mediaType, err := typeOf(b.file)
	if err != nil {
		return bulkAnswer{}, err
	}
	file, err := os.Open(b.source)
	if err != nil {
		return bulkAnswer{}, fmt.Errorf("open rows: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return bulkAnswer{}, fmt.Errorf("open rows: %w", err)
	}
	stalled, cancel := context.WithCancel(ctx)
	defer cancel()
	body := &sending{in: file, stall: b.stall, alive: time.AfterFunc(b.stall, cancel)}
	defer body.alive.Stop()
	if isTerminal(b.log) {
		shown := newProgress(file, filepath.Base(b.file), info.Size(), b.log)
		defer shown.end()
		body.in = shown
	}
	req, err := b.api.request(stalled, http.MethodPost, "/v1/batches?"+query.Encode(), body)
	if err != nil {
		return bulkAnswer{}, err
	}
	req.ContentLength = info.Size()
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Expect", "100-continue") // a refusal of the parameters or the key comes before the rows, and is not lost
	// No timeout for the whole request: a million rows take time, and Ctrl-C cancels
	// it.
	res, err := (&http.Client{}).Do(req)
	if err == nil {
		defer res.Body.Close()
		var answer bulkAnswer
		if answer, err = readBulkAnswer(res); err == nil || ctx.Err() == nil {
			return answer, err
		}
	}
	switch {
	case ctx.Err() != nil:
		return bulkAnswer{}, fmt.Errorf("stopped after %d of %d bytes%s", body.n.Load(), info.Size(), b.continuation())
	case stalled.Err() != nil:
		return bulkAnswer{}, &laterError{why: fmt.Sprintf("the api neither read nor responded for %s", b.stall)}
	default:
		return bulkAnswer{}, &laterError{why: "the api at " + b.api.shownURL() + " cannot be reached"}
	}
}

// sending counts the bytes sent, and extends the deadline as long as bytes are
// read.
type sending struct {
	in    io.Reader
	n     atomic.Int64
	stall time.Duration
	alive *time.Timer
}

// Read implements io.Reader.
func (h *sending) Read(p []byte) (int, error) {
	h.alive.Reset(h.stall)
	n, err := h.in.Read(p)
	h.n.Add(int64(n))
	return n, err //nolint:wrapcheck // callers compare with io.EOF
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// laterStatuses are the statuses after which the file is sent again: those of the
// api, and of a proxy while the api restarts.
func laterStatuses() []int {
	return []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
}

func readBulkAnswer(res *http.Response) (bulkAnswer, error) {
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	var answer bulkAnswer
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	switch {
	case slices.Contains(laterStatuses(), res.StatusCode):
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return answer, &laterError{in: time.Duration(seconds) * time.Second, why: "the api responded " + res.Status}
	case res.StatusCode >= http.StatusBadRequest:
		return bulkAnswer{}, &refusal{problem: client.NewError(res.StatusCode, res.Header, text)}
	case err != nil:
		return bulkAnswer{}, &laterError{why: "the response was cut off"}
	}
	return answer, nil
}
