package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/client"
	"mmsdispatch/client/openapi"
)

// loadPush is the first phase of a load test.
type loadPush struct {
	api                   api
	file                  string
	rate                  float64
	messages, connections int
	request               client.MessageRequest
	priority              string
	live                  bool
}

func newLoadPush() *cobra.Command {
	const rate, messages, connections = 100, 1000, 50
	p := loadPush{}
	cmd := &cobra.Command{
		Use:   "push FILE.ndjson",
		Short: "Submit messages at a steady rate, and record them in a file for mmsctl load verify",
		Long: "Submits messages at a rate that does not depend on how fast the api answers, as callers do, and reports the response\n" +
			"times from the moment that a request was due. The file must not exist.",
		Example: "  MMS_KEY=mms_test_… mmsctl load push run-1.ndjson --rate 200 --messages 10000\n" +
			"  MMS_KEY=mms_test_… mmsctl load verify run-1.ndjson",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.file = args[0]
			return p.run(cmd)
		},
	}
	p.api.addFlags(cmd)
	f := cmd.Flags()
	f.Float64Var(&p.rate, "rate", rate, "messages a second")
	f.IntVarP(&p.messages, "messages", "n", messages, "number of messages")
	f.IntVarP(&p.connections, "connections", "c", connections, "requests at once at most; more are late")
	f.StringVar(&p.request.To, "to", "+12065551212", "number to send to")
	f.StringVar(&p.request.MediaURL, "media", "https://example.com/a.jpg", "media URL")
	f.StringVar(&p.priority, "priority", "normal", "high, normal or bulk")
	f.BoolVar(&p.live, "live", false, "allow a live key: every message is really sent, unless SINCH_BASE_URL is a simulator")
	completeLanes(cmd, "priority")
	return cmd
}

// pushed is the result of the first phase, in JSON.
type pushed struct {
	File      string         `json:"file"`
	Messages  int            `json:"messages"`
	Accepted  int            `json:"accepted"`
	Seconds   float64        `json:"seconds"`
	PerSecond float64        `json:"perSecond"`
	Response  quantiles      `json:"response"` // from the moment that a request was due
	Errors    map[string]int `json:"errors"`
}

func (p *loadPush) run(cmd *cobra.Command) error {
	if p.rate <= 0 || p.messages < 1 || p.connections < 1 {
		return errors.New("--rate is above 0, --messages and --connections are at least 1")
	}
	if err := p.api.checkKey(p.live); err != nil {
		return err
	}
	c, err := p.api.connect()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(p.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists: name another file, or remove it when its messages are verified", p.file)
	}
	if err != nil {
		return fmt.Errorf("record messages: %w", err)
	}
	p.request.Priority = openapi.Priority(p.priority)
	run := pushRun{client: c, out: bufio.NewWriter(file), errors: map[string]int{}}
	begun := time.Now()
	due := schedule(cmd.Context(), p.messages, p.rate)
	var wg sync.WaitGroup
	for range p.connections {
		wg.Go(func() { run.worker(cmd.Context(), due, p.request) })
	}
	wg.Wait()
	if err := errors.Join(run.failed, run.out.Flush(), file.Close()); err != nil {
		return fmt.Errorf("record messages: %w", err)
	}
	return p.report(cmd, &run, time.Since(begun))
}

// duePush is a message and the time at which it is due.
type duePush struct {
	reference string
	at        time.Time
}

// schedule hands out messages when they are due; the channel is closed after the
// last one, or when ctx ends. Messages wait in it while all connections are busy.
func schedule(ctx context.Context, messages int, rate float64) <-chan duePush {
	due := make(chan duePush, messages)
	name, begun := "load-"+strings.ToLower(rand.Text()[:10])+"-", time.Now()
	go func() {
		defer close(due)
		timer := time.NewTimer(0)
		defer timer.Stop()
		for i := range messages {
			at := begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			timer.Reset(time.Until(at))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			due <- duePush{reference: name + strconv.Itoa(i), at: at}
		}
	}()
	return due
}

// pushRun collects what the connections have done.
type pushRun struct {
	client *client.Client

	mu       sync.Mutex
	out      *bufio.Writer
	times    []time.Duration
	accepted int
	errors   map[string]int
	failed   error // of the file
}

func (r *pushRun) worker(ctx context.Context, due <-chan duePush, request client.MessageRequest) {
	for one := range due {
		if ctx.Err() != nil {
			return
		}
		request.ClientReference = one.reference
		message, err := r.client.Send(ctx, request)
		r.record(one, message, err)
	}
}

// record writes a message to the file, also one without a response: it may have been
// accepted.
func (r *pushRun) record(one duePush, message *client.Accepted, err error) {
	took := time.Since(one.at)
	record := loadRecord{Reference: one.reference}
	if err == nil {
		record.ID = message.ID
	}
	text, encodeErr := json.Marshal(record)
	r.mu.Lock()
	defer r.mu.Unlock()
	_, writeErr := r.out.Write(append(text, '\n'))
	r.failed = errors.Join(r.failed, encodeErr, writeErr)
	r.times = append(r.times, took)
	if err == nil {
		r.accepted++
		return
	}
	r.errors[failureOf(err)]++
}

// failureOf names the kind of an error, of which there are few.
func failureOf(err error) string {
	if problem, ok := errors.AsType[*client.Error](err); ok {
		return strings.TrimSpace(strconv.Itoa(problem.StatusCode) + " " + string(problem.Code))
	}
	return "no response"
}

func (p *loadPush) report(cmd *cobra.Command, run *pushRun, took time.Duration) error {
	shown := pushed{
		File: p.file, Messages: len(run.times), Accepted: run.accepted, Seconds: took.Seconds(),
		PerSecond: float64(len(run.times)) / took.Seconds(), Response: quantilesOf(run.times), Errors: run.errors,
	}
	err := result(cmd, shown, func(out io.Writer) error {
		fmt.Fprintf(out, "%d messages in %s, %.1f a second of %g: %d accepted\n",
			shown.Messages, took.Round(time.Millisecond), shown.PerSecond, p.rate, shown.Accepted)
		fmt.Fprintln(out, "response times ", shown.Response)
		for _, kind := range sortedKeys(run.errors) {
			fmt.Fprintf(out, "%7d × %s\n", run.errors[kind], kind)
		}
		fmt.Fprintln(out, "next: mmsctl load verify", p.file)
		return nil
	})
	switch {
	case err != nil:
		return err
	case shown.Messages < p.messages:
		return fmt.Errorf("stopped after %d of %d messages", shown.Messages, p.messages)
	case shown.Accepted < shown.Messages:
		return errReported
	}
	return nil
}
