package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/message"
)

// bulkTypes are the media types of accepted files, by extension.
var bulkTypes = map[string]string{".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}

// typeOf returns the media type of a file.
func typeOf(file string) (string, error) {
	ext := strings.ToLower(filepath.Ext(file))
	if mediaType, ok := bulkTypes[ext]; ok {
		return mediaType, nil
	}
	if slices.Contains([]string{".xlsx", ".xlsm", ".xlsb", ".xls"}, ext) {
		return "", fmt.Errorf("%s is an Excel workbook: save it as CSV UTF-8", filepath.Base(file))
	}
	return "", errors.New("the file must end in .csv, .ndjson or .jsonl")
}

// newBulk sends a file of messages as one batch.
func newBulk() *cobra.Command {
	b := bulk{stall: bulkStall, pauseFunc: sleep, now: time.Now, region: envOr("DEFAULT_REGION", "US")}
	var defaults []string
	cmd := &cobra.Command{
		Use:   "bulk FILE.csv|FILE.ndjson",
		Short: "Send a file of messages as a batch; after an interruption run it again",
		Long: "Streams a file of up to a million rows to POST /v1/batches as one batch. Its reference is derived from\n" +
			"the file's content unless --reference names one, so that the same file never creates a message twice: after an\n" +
			"interruption, run the same command again. Rejected rows are written to FILE.rejected.csv (or .ndjson), to be\n" +
			"corrected and sent as a file of their own, and their problems to FILE.errors.ndjson. When the\n" +
			"api is down, or has no room for more, the command sends the file again. See docs/bulk.md.\n\n" +
			"With --template the texts have placeholders such as {{name|default}}, filled from the columns variables.NAME.\n" +
			"The command then shows the first messages as rendered, and how many would wait for the end of quiet hours,\n" +
			"and asks before it sends.",
		Example: `  mmsctl bulk campaign.csv --default mediaUrl=https://example.com/a.jpg --default priority=normal`,
		Args:    cobra.ExactArgs(1),

		ValidArgsFunction: completeTables,
		RunE: func(cmd *cobra.Command, args []string) error {
			b.file, b.in, b.out, b.log = args[0], cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			if wantsJSON(cmd) {
				b.result, b.out = b.out, b.log
			}
			return b.run(cmd.Context(), defaults)
		},
	}
	b.api.addFlags(cmd)
	cmd.Flags().StringVar(&b.reference, "reference", "", "reference of the batch; empty: derived from the file's content")
	cmd.Flags().StringArrayVar(&defaults, "default", nil, "NAME=VALUE for rows without that field; repeat for more")
	cmd.Flags().BoolVar(&b.template, "template", false, "render the placeholders of the texts; shows a preview and asks before it sends")
	cmd.Flags().BoolVar(&b.yes, "yes", false, "with --template: send without asking")
	cmd.Flags().StringVar(&b.pace, "max-per-second", "",
		"most messages of the batch in a second, decimals allowed; empty: no pace of its own")
	cmd.Flags().BoolVar(&b.unique, "unique", false, "omit rows with the number of an earlier row")
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "validate every row, accept none")
	cmd.Flags().DurationVar(&b.giveUp, "give-up", bulkGiveUp, "how long to retry while the api accepts no row; 0: one try")
	completeDefaults(cmd)
	return cmd
}

// bulk sends one file.
type bulk struct {
	api       api
	file      string
	reference string
	unique    bool
	template  bool   // the texts have placeholders
	yes       bool   // send without asking
	pace      string // messages a second; empty: none
	region    string // of numbers written without +
	source    string // the file that is sent: file, or a copy without repeated numbers
	dryRun    bool
	giveUp    time.Duration // time without an accepted row until the command gives up
	stall     time.Duration // time without a byte read or a response until a try ends
	in        io.Reader
	out, log  io.Writer
	result    io.Writer      // of the outcome as JSON; nil: none is wanted
	zone      *time.Location // of shown times; nil: the local one
	pauseFunc func(ctx context.Context, d time.Duration) error
	now       func() time.Time
}

// bulkAnswer is the response to a batch.
type bulkAnswer struct {
	ID         string    `json:"id"`
	Accepted   int64     `json:"accepted"`
	Duplicates int64     `json:"duplicates"`
	Rejected   int64     `json:"rejected"`
	Results    []bulkRow `json:"results"`

	// Of a dry run.
	Held      int64          `json:"held"`
	HeldUntil *time.Time     `json:"heldUntil"`
	Preview   []previewedRow `json:"preview"`
}

// The codes of rows that are valid.
const (
	rowTurnedAway = "backpressure"   // a lane has no room: it wants to be sent again
	rowCanceled   = "batch_canceled" // the batch was canceled: its rows must not be sent again by mistake
)

// count returns how many of the listed rows have only a problem with this code.
func (a *bulkAnswer) count(code string) (rows int64) {
	for _, row := range a.Results {
		if row.code() == code {
			rows++
		}
	}
	return rows
}

func (a *bulkAnswer) turnedAway() int64 { return a.count(rowTurnedAway) }

type bulkRow struct {
	Index  int64           `json:"index"`
	Status string          `json:"status"`
	Error  json.RawMessage `json:"error"`
}

// code returns the code of the row's problem; empty when it has several.
func (r bulkRow) code() string {
	var problems []struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(r.Error, &problems) != nil || len(problems) != 1 {
		return ""
	}
	return problems[0].Code
}

// wrong reports whether the row must be corrected before it can be accepted.
func (r bulkRow) wrong() bool {
	code := r.code()
	return r.Status == "rejected" && code != rowTurnedAway && code != rowCanceled
}

func (b *bulk) run(ctx context.Context, defaults []string) error {
	query, err := b.query(defaults)
	if err != nil {
		return err
	}
	release, err := b.prepare()
	if err != nil {
		return err
	}
	defer release()
	if err := b.name(query); err != nil {
		return err
	}
	flagged := func(err error) error {
		return namingFlags(err, func(field string) string { return bulkFlag(field, query) })
	}
	if b.template && !b.dryRun {
		if err := b.confirm(ctx, query); err != nil {
			return flagged(err)
		}
	}
	begun := b.now()
	answer, err := b.sendUntilAccepted(ctx, query)
	if err != nil {
		return flagged(err)
	}
	if err := b.report(answer, b.now().Sub(begun)); err != nil {
		return err
	}
	if answer.Rejected == 0 {
		return b.dropRejected()
	}
	if err := b.keepRejected(answer.bulkAnswer); err != nil {
		return err
	}
	if canceled := answer.count(rowCanceled); canceled > 0 {
		return fmt.Errorf("the batch was canceled and takes no more rows; left out, and in no file: %s or more", rowCount(canceled))
	}
	if waiting := answer.turnedAway(); waiting > 0 {
		return fmt.Errorf("the api has no room for %s or more%s", rowCount(waiting), b.continuation())
	}
	return errReported
}

// paceField is the query parameter with the pace of a batch.
const paceField = "maxPerSecond"

// bulkFlag is the flag for a field of the batch that the api names; empty: it is a
// column of the file.
func bulkFlag(field string, query url.Values) string {
	switch {
	case field == referenceField:
		return "--reference"
	case field == paceField:
		return "--max-per-second"
	case message.Column(field) && query.Has(field):
		return "--default " + field
	default:
		return ""
	}
}

// shownBulk is the outcome of a file in JSON.
type shownBulk struct {
	ID         string  `json:"id"` // empty: of a dry run
	Reference  string  `json:"reference"`
	DryRun     bool    `json:"dryRun"`
	Accepted   int64   `json:"accepted"`
	Duplicates int64   `json:"duplicates"`
	Rejected   int64   `json:"rejected"`
	Seconds    float64 `json:"seconds"`
}

// report prints the outcome of the rows in one line.
func (b *bulk) report(answer bulkOutcome, took time.Duration) error {
	b.reportText(answer, took)
	if b.result == nil {
		return nil
	}
	err := json.NewEncoder(b.result).Encode(shownBulk{
		ID: answer.ID, Reference: b.reference, DryRun: b.dryRun, Accepted: answer.Accepted, Duplicates: answer.Duplicates,
		Rejected: answer.Rejected, Seconds: took.Seconds(),
	})
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

func (b *bulk) reportText(answer bulkOutcome, took time.Duration) {
	rows := answer.Accepted + answer.Duplicates + answer.Rejected
	took = max(took.Round(time.Millisecond), time.Millisecond)
	speed := fmt.Sprintf("%s in %s, %.0f a second", rowCount(rows), took, float64(rows)/took.Seconds())
	if b.dryRun {
		b.showPreview(bulkAnswer{Held: answer.Held, HeldUntil: answer.HeldUntil, Preview: b.previewed(answer)})
		fmt.Fprintf(b.out, "dry run: %d would be accepted, %d would be rejected (%s)\n", answer.Accepted, answer.Rejected, speed)
		return
	}
	before := "accepted before"
	if answer.cut {
		before = "accepted before or by an interrupted try"
	}
	fmt.Fprintf(b.out, "batch %s: %d accepted, %d %s, %d rejected (%s)\n",
		answer.ID, answer.Accepted, answer.Duplicates, before, answer.Rejected, speed)
}

// query returns the query parameters of the batch.
func (b *bulk) query(defaults []string) (url.Values, error) {
	if _, err := typeOf(b.file); err != nil {
		return nil, err
	}
	query := url.Values{}
	for _, one := range defaults {
		name, value, ok := strings.Cut(one, "=")
		switch {
		case !ok:
			return nil, fmt.Errorf("--default %s: want NAME=VALUE", name)
		case name == referenceField:
			return nil, errors.New("--default clientReference: every row needs one of its own; --reference names the batch")
		case !message.Column(name):
			return nil, fmt.Errorf("--default %s: a message has no field of this name", name)
		case query.Has(name):
			return nil, fmt.Errorf("--default %s: given more than once", name)
		}
		query.Set(name, value)
	}
	if b.dryRun {
		query.Set("dryRun", "true")
	}
	if b.template {
		query.Set("template", "true")
	}
	if b.pace != "" {
		query.Set(paceField, b.pace)
	}
	return query, nil
}

// name sets the reference of the batch.
func (b *bulk) name(query url.Values) error {
	if b.reference == "" {
		sum, err := b.sum()
		if err != nil {
			return err
		}
		b.reference = "file-" + sum
	}
	query.Set(referenceField, b.reference)
	return nil
}
