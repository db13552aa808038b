// Command table makes the page of benchmarks from the output of go test -bench:
// medians of the runs, their ratios to the baselines and the targets.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is one line of the table: what is measured, beside what, and the ratio it
// should reach, at least or at most.
type row struct {
	what, baseline string
	metric         string
	ours, theirs   string // names of benchmarks
	target         float64
	atMost         bool
}

func rows() []row {
	return []row{
		{
			what: "bulk accept: validate, dedupe, record, enqueue; one NDJSON stream", baseline: "raw `asynq.Client.Enqueue`, 256 goroutines",
			metric: "msg/s", ours: "Bulk", theirs: "RawEnqueue", target: 0.8,
		},
		{
			what: "`POST /v1/messages`, 64 connections", baseline: "a bare Echo handler that decodes and validates the same body",
			metric: "req/s", ours: "Post/dispatcher", theirs: "Post/bare-echo", target: 0.5,
		},
		{
			what: "dispatch, Sinch answers at once, one worker", baseline: "one asynq server with a no-op handler, same concurrency",
			metric: "msg/s", ours: "Dispatch/dispatcher", theirs: "Dispatch/no-op-asynq", target: 0.75,
		},
		{
			what: "dispatch, Sinch answers after 150 ms, one worker, 200 calls at once", baseline: "200 / 150 ms",
			metric: "msg/s", ours: "DispatchSlow/dispatcher", theirs: "DispatchSlow/ideal", target: 0.95,
		},
		{what: "two workers, 150 ms", baseline: "one worker", metric: "msg/s", ours: "Workers/2", theirs: "Workers/1", target: 1.9},
		{what: "four workers, 150 ms", baseline: "one worker", metric: "msg/s", ours: "Workers/4", theirs: "Workers/1", target: 3.6},
		{
			what: "wait of a caller (p99) while a campaign is being sent", baseline: "without one",
			metric: "p99-ms", ours: "AcceptUnderLoad/dispatching", theirs: "AcceptUnderLoad/idle", target: 3, atMost: true,
		},
		{
			what: "callbacks, one worker to one endpoint", baseline: "a client that posts as much over as many connections, 8",
			metric: "msg/s", ours: "Callbacks/dispatcher", theirs: "Callbacks/bare-client", target: 0.1,
		},
		{
			what: "bulk accept while a callback and a stream ask for events", baseline: "without them",
			metric: "msg/s", ours: "EventsAccept/on", theirs: "EventsAccept/off", target: 0.85,
		},
		{
			what: "dispatch with both, Sinch answers after 150 ms, 200 calls at once", baseline: "without them",
			metric: "msg/s", ours: "EventsDispatchSlow/on", theirs: "EventsDispatchSlow/off", target: 0.85,
		},
		{
			what: "dispatch with both, Sinch answers at once", baseline: "without them",
			metric: "msg/s", ours: "EventsDispatch/on", theirs: "EventsDispatch/off", target: 0.85,
		},
		{
			what: "Redis memory of a waiting message", baseline: "a raw asynq task with the request as its payload",
			metric: "redis-B/msg", ours: "Bulk", theirs: "RawEnqueue", target: 1.2, atMost: true,
		},
		{
			what: "Redis memory of a sent message", baseline: "the goal",
			metric: "redis-B/msg", ours: "Finished/sent", theirs: "Finished/goal", target: 1, atMost: true,
		},
		{
			what: "Redis memory of a delivered message", baseline: "the goal",
			metric: "redis-B/msg", ours: "Finished/delivered", theirs: "Finished/goal", target: 1, atMost: true,
		},
		{
			what: "Redis commands of an idle worker, three side by side", baseline: "the goal",
			metric: "cmd/s", ours: "Idle/worker", theirs: "Idle/goal", target: 1, atMost: true,
		},
		{
			what: "Redis connections of an idle worker", baseline: "the goal",
			metric: "conns", ours: "Idle/worker", theirs: "Idle/goal", target: 1, atMost: true,
		},
		{
			what: "from a request to Sinch's answer (p99), idle system", baseline: "the goal",
			metric: "pickup-ms", ours: "Idle/worker", theirs: "Idle/goal", target: 1, atMost: true,
		},
		{
			what: "calls in the fullest 10 s of eight workers at `SINCH_RATE=50`", baseline: "500",
			metric: "most-calls", ours: "Pace/eight-workers", theirs: "Pace/goal", target: 1.05, atMost: true,
		},
		{
			what: "calls in the emptiest 10 s of them", baseline: "500",
			metric: "least-calls", ours: "Pace/eight-workers", theirs: "Pace/goal", target: 0.95,
		},
		{what: "their pace over all", baseline: "50/s", metric: "msg/s", ours: "Pace/eight-workers", theirs: "Pace/goal", target: 0.97},
		{
			what: "`POST /v1/messages` with `RECORD_KEYS`", baseline: "without",
			metric: "req/s", ours: "Encryption/post-encrypted", theirs: "Encryption/post-plain", target: 0.9,
		},
		{
			what: "dispatch with `RECORD_KEYS`, Sinch answers at once", baseline: "without",
			metric: "msg/s", ours: "Encryption/dispatch-encrypted", theirs: "Encryption/dispatch-plain", target: 0.9,
		},
		{
			what: "Redis memory of a waiting message with `RECORD_KEYS`", baseline: "without",
			metric: "redis-B/msg", ours: "Encryption/bulk-encrypted", theirs: "Encryption/bulk-plain", target: 1.2, atMost: true,
		},
		{
			what: "long-term log: messages written by one writer", baseline: "messages sent by two workers, Sinch answers at once",
			metric: "msg/s", ours: "Log/writer", theirs: "Log/two-workers", target: 1,
		},
		{
			what: "long-term log: messages written by one writer, five indexes and the timeline included", baseline: "a bare `COPY` of the same messages",
			metric: "msg/s", ours: "Log/writer", theirs: "Log/copy", target: 0.1,
		},
		{
			what: "a JPEG of 4000 × 3000 made to fit into 600 kB (`MEDIA_FIT`)", baseline: "the library's bare decode, resize and encode, once",
			metric: "pictures/s", ours: "Fit/dispatcher", theirs: "Fit/bare-library", target: 0.8,
		},
		{
			what: "dispatch of messages with one picture that is made to fit for all", baseline: "with one that is sent under its own URL",
			metric: "msg/s", ours: "MediaDispatch/fitted", theirs: "MediaDispatch/plain", target: 0.95,
		},
		{
			what: "`POST /v1/messages` while one hosted picture is fetched 10,000 times", baseline: "without the fetches",
			metric: "req/s", ours: "Hosted/fetching", theirs: "Hosted/without", target: 0.75,
		},
		{
			what: "largest resident set of the api while callers send what costs it most", baseline: "400 MiB",
			metric: "rss-MiB", ours: "Memory/dispatcher", theirs: "Memory/bound", target: 1, atMost: true,
		},
	}
}

// explanation follows the table: the distribution of the time, by profiles (CPU time a message on the machine of the first run of this page).
const explanation = `
## Where the time goes
- **Bulk accept** takes 13 µs of the api and 16 µs of Redis a row. Two fifths of the api's are the reading of JSON and the checks, three tenths
  the writing of records, the rest asynq's own client and the pipelines to Redis. The tasks of a chunk go there in one pipeline, while the
  next chunk is being recorded. Redis runs asynq's enqueue as in the baseline, and besides the script that writes the record, the dedupe
  and the batch's counts.
- **A single POST** takes about 60 µs of the api and 24 µs of Redis, and the answer is sent before the task is made. A third of the api's is the HTTP
  server, the write of the answer into its socket above all; an eighth the reading and the check of the message, as in the baseline; a sixth the
  round trips to Redis, each for 16 requests or so; the rest is spread thinly. The client takes 45 µs a request of the same two
  cores in both rows. Redis' part is the record (a third) and asynq's enqueue, one script for each message.
- **Dispatch without latency** is bounded by the machine: Sinch's stand-in (46 µs a message), the worker (145) and Redis (90, of which asynq's own
  dequeue and done are 60) share the two cores, which are busy to 85 %. A message costs one HTTP call, three round trips for the ledger (read, begin,
  outcome; those of one moment share one) and two for asynq, against asynq's two alone in the baseline. What a begin and an outcome write is what
  the promises rest on. A third of the worker's is the HTTP call, a quarter asynq's server, a quarter the ledger, a tenth garbage. With the
  latency of a real Sinch none of it shows.
- On a shared machine the same work takes up to 40 % more from one minute to the next, and the ratios move by a tenth with it: a
  baseline that waits for round trips feels it less than a row that keeps both cores busy.
`

func main() {
	results, err := read(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
	write(os.Stdout, results)
}

// results are the values of each metric of each benchmark, one a run.
type results map[string]map[string][]float64

// read takes the lines of benchmarks: a name, how often it ran, and pairs of
// value and unit.
func read(in io.Reader) (results, error) {
	found := results{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		name, isBench := strings.CutPrefix(lines.Text(), "Benchmark")
		const least = 4
		if !isBench || len(fields) < least {
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		name = strings.TrimSuffix(strings.TrimSpace(strings.Split(name, "\t")[0]), "-"+strconv.Itoa(runtime.GOMAXPROCS(0)))
		if found[name] == nil {
			found[name] = map[string][]float64{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			found[name][fields[i+1]] = append(found[name][fields[i+1]], value)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return found, nil
}

// median is the middle value, or zero without any.
func (r results) median(name, metric string) float64 { return median(r[name][metric]) }

// ratio is the middle one of the runs' ratios, or zero without any: a machine
// that others use, too, is faster in one run than in the next.
func (r results) ratio(ours, theirs, metric string) float64 {
	a, b := r[ours][metric], r[theirs][metric]
	var ratios []float64
	for i := range min(len(a), len(b)) {
		ratios = append(ratios, a[i]/b[i])
	}
	return median(ratios)
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

func write(out io.Writer, found results) {
	runs := "One run"
	if n := len(found["RawEnqueue"]["msg/s"]); n > 1 {
		runs = fmt.Sprintf("Medians of %d runs", n)
	}
	fmt.Fprintf(out, "# Benchmarks\n\n`make bench` wrote this page on %s: %s, %d cores, %s, %s. %s; each\n"+
		"ratio is to the baseline of the same run, since on another machine only the ratios mean something. Redis writes its append-only file every second.\n\n",
		time.Now().UTC().Format(time.DateOnly), processor(), runtime.NumCPU(), redis(), runtime.Version(), runs)
	fmt.Fprintln(out, "| What | Baseline | | Baseline's | Ours | Ratio | Target |\n|---|---|---|---|---|---|---|")
	for _, r := range rows() {
		ours, theirs := found.median(r.ours, r.metric), found.median(r.theirs, r.metric)
		ratio, sign := "not run", "≥"
		if paired := found.ratio(r.ours, r.theirs, r.metric); paired > 0 {
			ratio = fmt.Sprintf("**%.2f**", paired)
		}
		if r.atMost {
			sign = "≤"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s %g |\n",
			r.what, r.baseline, r.metric, figure(theirs), figure(ours), ratio, sign, r.target)
	}
	fmt.Fprint(out, explanation)
}

// figure writes a value with as many digits as mean something.
func figure(value float64) string {
	const small = 100
	if value < small {
		return strconv.FormatFloat(value, 'f', 2, 64)
	}
	return strconv.FormatFloat(value, 'f', 0, 64)
}

// processor names the machine's processor, on Linux.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(info)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), ":"))
		}
	}
	return runtime.GOARCH
}

// redis names the server's version.
func redis() string {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return "Redis"
	}
	for word := range strings.FieldsSeq(string(out)) {
		if version, found := strings.CutPrefix(word, "v="); found {
			return "Redis " + version
		}
	}
	return "Redis"
}
