package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"mmsdispatch/client"
	"mmsdispatch/client/openapi"
)

// loadVerify is the second phase of a load test.
type loadVerify struct {
	api         api
	until       string
	timeout     time.Duration
	connections int
	simulator   string
}

func newLoadVerify() *cobra.Command {
	const connections, timeout = 16, 5 * time.Minute
	v := loadVerify{}
	cmd := &cobra.Command{
		Use:   "verify FILE.ndjson",
		Short: "Verify that each message of mmsctl load push arrived once, and how long it took",
		Long: "Looks up each message of the file until it has ended, and reports the times from accepted to sent and to delivered.\n" +
			"With --simulator it counts the calls that a simulator of Sinch has accepted for each of them: more than one is a\n" +
			"doubled message. Exits 1 when one is missing or doubled, or ended otherwise.",
		Example: "  mmsctl load verify run-1.ndjson --simulator http://127.0.0.1:8181",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return v.run(cmd, args[0]) },

		ValidArgsFunction: completeRecords,
	}
	v.api.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&v.until, "until", string(openapi.StatusDelivered),
		"what each message has to become: delivered, or sent where no receipts are expected")
	f.DurationVar(&v.timeout, "timeout", timeout, "how long to wait without another message that has ended")
	f.IntVarP(&v.connections, "connections", "c", connections, "requests at once")
	f.StringVar(&v.simulator, "simulator", "", "base URL of the control API of the simulator; empty: doubled messages are not looked for")
	completeValues(cmd, "until", string(openapi.StatusDelivered), string(openapi.StatusSent))
	return cmd
}

// verified is the result of the second phase, in JSON.
type verified struct {
	Messages  int            `json:"messages"`
	Arrived   int            `json:"arrived"` // as --until says
	Ended     map[string]int `json:"ended"`   // otherwise, by status
	Pending   int            `json:"pending"` // not final within --timeout
	Missing   []string       `json:"missing"` // references of accepted messages that the api does not know
	Refused   int            `json:"refused"` // never accepted
	Retried   int            `json:"retried"` // of those that arrived, with more than one attempt
	Doubled   []string       `json:"doubled"` // ids; null: not looked for
	Sent      quantiles      `json:"sent"`    // from accepted to accepted by Sinch
	Delivered quantiles      `json:"delivered"`
}

func (v *verified) ok() bool {
	return v.Arrived == v.Messages-v.Refused && len(v.Missing) == 0 && len(v.Doubled) == 0
}

func (v *loadVerify) run(cmd *cobra.Command, file string) error {
	if v.until != string(openapi.StatusDelivered) && v.until != string(openapi.StatusSent) {
		return fmt.Errorf("--until %s: must be delivered or sent", v.until)
	}
	if v.connections < 1 {
		return errors.New("--connections is at least 1")
	}
	records, err := readRecords(file)
	if err != nil {
		return err
	}
	c, err := v.api.connect()
	if err != nil {
		return err
	}
	found, err := v.await(cmd.Context(), c, records)
	if err != nil {
		return v.api.explained(err)
	}
	shown := v.summary(records, found)
	if v.simulator != "" {
		if shown.Doubled, err = v.doubled(cmd.Context(), found); err != nil {
			return err
		}
	}
	if err := result(cmd, shown, shown.write); err != nil {
		return err
	}
	if !shown.ok() {
		return errReported
	}
	return nil
}

// readRecords reads the file of load push.
func readRecords(name string) ([]loadRecord, error) {
	file, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("read the messages of load push: %w", err)
	}
	defer file.Close()
	var records []loadRecord
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var record loadRecord
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil || record.Reference == "" {
			return nil, fmt.Errorf("%s is no file of mmsctl load push: line %d has no reference", name, len(records)+1)
		}
		records = append(records, record)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%s has no messages", name)
	}
	return records, nil
}

// await looks messages up until each has ended, or none has for a while. Those that
// the api does not know are nil.
func (v *loadVerify) await(ctx context.Context, c *client.Client, records []loadRecord) ([]*client.Message, error) {
	const again = time.Second
	found := make([]*client.Message, len(records))
	waiting := make([]int, len(records))
	for i := range records {
		waiting[i] = i
	}
	for moved := time.Now(); ; {
		if err := v.lookUp(ctx, c, records, found, waiting); err != nil {
			return nil, err
		}
		before := len(waiting)
		waiting = slices.DeleteFunc(waiting, func(i int) bool { return found[i] == nil || v.ended(found[i]) })
		if len(waiting) == 0 {
			return found, nil
		}
		if len(waiting) < before {
			moved = time.Now()
		}
		if time.Since(moved) > v.timeout {
			return found, nil
		}
		if err := sleep(ctx, again); err != nil {
			return nil, errors.New("stopped before each message has ended")
		}
	}
}

// lookUp reads messages, several at once.
func (v *loadVerify) lookUp(ctx context.Context, c *client.Client, records []loadRecord, found []*client.Message, which []int) error {
	requests, ctx := errgroup.WithContext(ctx)
	requests.SetLimit(v.connections)
	for _, i := range which {
		requests.Go(func() error {
			var err error
			found[i], err = readOne(ctx, c, records[i])
			return err
		})
	}
	return requests.Wait() //nolint:wrapcheck // explained by the caller
}

// readOne reads the message of a record; nil: there is none.
func readOne(ctx context.Context, c *client.Client, record loadRecord) (*client.Message, error) {
	if record.ID != "" {
		m, err := c.Get(ctx, record.ID)
		if client.HasCode(err, openapi.ProblemCodeNotFound) {
			return nil, nil //nolint:nilnil // that is what the function says
		}
		return m, err
	}
	page, err := c.ListPage(ctx, client.Filter{ClientReference: record.Reference}, "")
	if err != nil || len(page.Data) == 0 {
		return nil, err
	}
	return &page.Data[0], nil
}

func (v *loadVerify) ended(m *client.Message) bool {
	return client.Final(m.Status) || m.Status == openapi.StatusSent && v.until == string(openapi.StatusSent)
}

func (v *loadVerify) arrived(m *client.Message) bool {
	return m.Status == openapi.StatusDelivered || m.Status == openapi.StatusSent && v.until == string(openapi.StatusSent)
}

func (v *loadVerify) summary(records []loadRecord, found []*client.Message) verified {
	shown := verified{Messages: len(records), Ended: map[string]int{}, Missing: []string{}}
	var sent, delivered []time.Duration
	for i, m := range found {
		switch {
		case m == nil && records[i].ID == "":
			shown.Refused++
		case m == nil:
			shown.Missing = append(shown.Missing, records[i].Reference)
		case !v.ended(m):
			shown.Pending++
		case !v.arrived(m):
			shown.Ended[string(m.Status)]++
		default:
			shown.Arrived++
			if m.Attempts > 1 {
				shown.Retried++
			}
			if m.SentAt != nil {
				sent = append(sent, m.SentAt.Sub(m.CreatedAt))
			}
			if m.FinalAt != nil {
				delivered = append(delivered, m.FinalAt.Sub(m.CreatedAt))
			}
		}
	}
	shown.Sent, shown.Delivered = quantilesOf(sent), quantilesOf(delivered)
	return shown
}

// doubled returns the ids of the messages for which the simulator has accepted more
// than one call.
func (v *loadVerify) doubled(ctx context.Context, found []*client.Message) ([]string, error) {
	mine := make(map[string]bool, len(found))
	for _, m := range found {
		if m != nil {
			mine[m.ID] = true
		}
	}
	doubled := []string{}
	for after := ""; ; {
		page, err := v.accepted(ctx, after)
		if err != nil {
			return nil, err
		}
		for _, one := range page.Counts {
			if mine[one.Key] {
				doubled = append(doubled, one.Key)
			}
		}
		if page.Next == "" {
			return doubled, nil
		}
		after = page.Next
	}
}

// acceptedPage is a page of what the simulator has accepted more than once.
type acceptedPage struct {
	Counts []struct {
		Key string `json:"key"`
	} `json:"counts"`
	Next string `json:"next"`
}

func (v *loadVerify) accepted(ctx context.Context, after string) (acceptedPage, error) {
	var page acceptedPage
	query := url.Values{"by": {"message"}, "min": {"2"}}
	if after != "" {
		query.Set("after", after)
	}
	address := strings.TrimRight(v.simulator, "/") + "/sim/accepted?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return page, fmt.Errorf("--simulator: %w", err)
	}
	res, err := (&http.Client{Timeout: client.DefaultTimeout}).Do(req)
	if err != nil {
		return page, fmt.Errorf("the simulator cannot be reached (--simulator names it): %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return page, fmt.Errorf("the simulator responded %s: --simulator is the URL of its control API", res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&page); err != nil {
		return page, fmt.Errorf("read the record of the simulator: %w", err)
	}
	return page, nil
}

// shownReferences is how many references a text names at most.
const shownReferences = 10

func (v *verified) write(out io.Writer) error {
	fmt.Fprintf(out, "%d messages: %d arrived, %d pending, %d missing, %d refused\n",
		v.Messages, v.Arrived, v.Pending, len(v.Missing), v.Refused)
	for _, status := range sortedKeys(v.Ended) {
		fmt.Fprintf(out, "%7d × %s\n", v.Ended[status], status)
	}
	if v.Doubled == nil {
		fmt.Fprintln(out, "doubled messages were not looked for (--simulator)")
	} else {
		fmt.Fprintf(out, "%d doubled; %d took more than one attempt\n", len(v.Doubled), v.Retried)
	}
	fmt.Fprintln(out, "accepted to sent     ", v.Sent)
	fmt.Fprintln(out, "accepted to delivered", v.Delivered)
	for _, list := range []struct {
		what string
		all  []string
	}{{"missing", v.Missing}, {"doubled", v.Doubled}} {
		for _, one := range list.all[:min(len(list.all), shownReferences)] {
			fmt.Fprintf(out, "%s: %s\n", list.what, one)
		}
	}
	return nil
}

// sortedKeys are the keys of a map in order.
func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
