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
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/status"
)

// top shows the overview of the console in a terminal.
type top struct {
	url, user, password string
	interval            time.Duration
	once                bool
}

func newTop() *cobra.Command {
	const interval = 2 * time.Second
	var t top
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show lanes, pace, Sinch, pauses, workers and backlogs, refreshed",
		Long: "Shows the overview of the console: what is queued and how old it is, what is in flight, the pace, how Sinch answers,\n" +
			"what is paused and why, and the workers. It reads /console/status.json of an api's admin listener. On a terminal it is\n" +
			"refreshed until Ctrl-C; otherwise, with --once and with --json it is shown once.",
		Example: "  mmsctl top\n" +
			"  MMS_ADMIN_USER=ann MMS_ADMIN_PASSWORD=… mmsctl top --admin-url https://mms-admin.example.com --once",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&t.url, "admin-url", envOr("MMS_ADMIN_URL", "http://127.0.0.1:9090"),
		"base URL of the api's admin listener, or MMS_ADMIN_URL")
	f.StringVar(&t.user, "user", "", "user of the admin listener, or MMS_ADMIN_USER")
	f.StringVar(&t.password, "password", "", "its password; prefer MMS_ADMIN_PASSWORD, which no process list shows")
	f.DurationVar(&t.interval, "interval", interval, "time between two refreshes")
	f.BoolVar(&t.once, "once", false, "show it once")
	return cmd
}

func (t *top) run(cmd *cobra.Command) error {
	if t.interval <= 0 {
		return errors.New("--interval is above 0")
	}
	if t.user == "" {
		t.user = os.Getenv("MMS_ADMIN_USER")
	}
	if t.password == "" {
		t.password = os.Getenv("MMS_ADMIN_PASSWORD")
	}
	if t.once || wantsJSON(cmd) || !isTerminal(cmd.OutOrStdout()) {
		text, s, err := t.read(cmd.Context())
		if err != nil {
			return err
		}
		return result(cmd, text, func(out io.Writer) error { return writeStatus(out, s) })
	}
	return t.refresh(cmd.Context(), cmd.OutOrStdout())
}

// The control sequences of terminals that refresh uses: the other screen, so that
// what was on the terminal is there again afterwards.
const (
	screenOpen  = "\x1b[?1049h\x1b[?25l"
	screenClose = "\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	lineEnd     = "\x1b[K\n" // clears what an earlier refresh left on the line
	screenRest  = "\x1b[J"
)

// refresh shows the overview until ctx ends. While it cannot be read, the screen says
// why and keeps what was read last.
func (t *top) refresh(ctx context.Context, out io.Writer) error {
	_, last, err := t.read(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(out, screenOpen)
	defer fmt.Fprint(out, screenClose)
	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	for {
		var screen strings.Builder
		if err := writeStatus(&screen, last); err != nil {
			return err
		}
		if err != nil {
			fmt.Fprintf(&screen, "\nNOT CURRENT: %v\n", err)
		}
		fmt.Fprint(out, screenHome+strings.ReplaceAll(screen.String(), "\n", lineEnd)+screenRest)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var next *status.Status
		if _, next, err = t.read(ctx); err == nil {
			last = next
		}
	}
}

// read reads the status, as text, too.
func (t *top) read(ctx context.Context) (json.RawMessage, *status.Status, error) {
	base, err := url.Parse(t.url)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, nil, errors.New("--admin-url or MMS_ADMIN_URL is not a base URL, such as http://127.0.0.1:9090")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(t.url, "/")+"/console/status.json", http.NoBody)
	if err != nil {
		return nil, nil, fmt.Errorf("make request: %w", err)
	}
	if t.user != "" {
		req.SetBasicAuth(t.user, t.password)
	}
	res, err := (&http.Client{Timeout: topTimeout}).Do(req)
	if err != nil {
		if sent, ok := errors.AsType[*url.Error](err); ok {
			err = sent.Err
		}
		return nil, nil, fmt.Errorf("the admin listener at %s cannot be reached (--admin-url or MMS_ADMIN_URL names it): %w",
			base.Redacted(), err)
	}
	defer res.Body.Close()
	if err := t.refused(res); err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("read the status: %w", err)
	}
	var s status.Status
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, nil, errors.New("the response is no status: --admin-url names the admin listener of an api, not its public one")
	}
	return text, &s, nil
}

// topTimeout bounds a request: a status is read within a second, or Redis is down.
const topTimeout = 10 * time.Second

// refused is the error of a response without a status.
func (t *top) refused(res *http.Response) error {
	switch res.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return errors.New("the admin listener wants a user and a password: set MMS_ADMIN_USER and MMS_ADMIN_PASSWORD")
	case http.StatusNotFound:
		return errors.New("there is no console: --admin-url names the admin listener of an api, not its public one nor a worker's")
	case http.StatusServiceUnavailable:
		return errors.New("the api cannot read the status now: mmsctl doctor checks Redis and the database")
	default:
		return fmt.Errorf("the admin listener responded %s", res.Status)
	}
}

// writeStatus writes the overview.
func writeStatus(out io.Writer, s *status.Status) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "accepted %.1f/s\tsent %.1f/s\tpace %s\tunknown %d\tfailed in an hour %d\n",
		s.AcceptedPerSecond, s.SentPerSecond, paceOf(s.Rate), s.Unknown, s.FailedLastHour)
	fmt.Fprintf(table, "Sinch %s\tp50 %d ms\tp99 %d ms\terrors %d/min\t%s\n",
		s.Sinch.State, s.Sinch.P50Ms, s.Sinch.P99Ms, s.Sinch.ErrorsPerMinute, given(s.Sinch.Reason))
	fmt.Fprintf(table, "callbacks %d\toldest %s\tdisabled %d\tlog %d behind\tby %s\n\n",
		s.Callbacks.Waiting, age(s.Callbacks.OldestSeconds), s.Callbacks.Disabled, s.Log.Backlog, age(s.Log.LagSeconds))
	fmt.Fprintln(table, "LANE\tWAITING\tOLDEST\tSCHEDULED\tSENDING\t")
	for _, l := range s.Lanes {
		fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%d\t%s\n",
			l.Name, l.Waiting, age(l.OldestSeconds), l.Scheduled, l.Sending, pausedWord(l.Paused))
	}
	fmt.Fprintf(table, "\nWORKER\tHOST\tVERSION\tSTARTED\tSENDING\n")
	for _, w := range s.Workers {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d of %d\n",
			visible(w.ID), visible(w.Host), visible(w.Version), w.StartedAt.Format(time.RFC3339), w.Sending, w.Concurrency)
	}
	if len(s.Workers) == 0 {
		fmt.Fprintln(table, "none: nothing is sent")
	}
	if len(s.Pauses) > 0 {
		fmt.Fprintf(table, "\nPAUSED\tSINCE\tUNTIL\tBY\tREASON\n")
	}
	for _, p := range s.Pauses {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			visible(p.Scope), p.Since.Format(time.RFC3339), stamp(p.Until), visible(p.Actor), visible(p.Reason))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the status: %w", err)
	}
	return nil
}

// paceOf shows the pace and how much of it is used.
func paceOf(r status.Rate) string {
	if r.PerSecond == 0 {
		return fmt.Sprintf("%.1f/s, no limit", r.Used)
	}
	const percent = 100
	return fmt.Sprintf("%.1f of %g/s, %.0f%% (%s)", r.Used, r.PerSecond, percent*r.Used/r.PerSecond, visible(r.Source))
}

func given(text *string) string {
	if text == nil {
		return ""
	}
	return visible(*text)
}

func pausedWord(paused bool) string {
	if paused {
		return "paused"
	}
	return ""
}

// age shows seconds; "-": none waits.
func age(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Minute {
		return d.Round(time.Second / 10).String()
	}
	return d.Round(time.Second).String()
}
