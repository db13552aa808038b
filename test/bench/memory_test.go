package bench_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsdispatch/internal/redistest"
)

// rssBound is the goal of BenchmarkMemory, in MiB.
const rssBound = 400

// load is a kind of request that costs the api as much memory as a caller can
// make it cost.
type load struct {
	name, path, mediaType string
	callers               int
	body                  []byte // empty: a GET
}

// BenchmarkMemory measures the largest resident set of one api process under
// each load.
func BenchmarkMemory(b *testing.B) {
	b.Run("bound", func(b *testing.B) { b.ReportMetric(rssBound, "rss-MiB") })
	b.Run("dispatcher", func(b *testing.B) {
		service := startAPI(b, redistest.Start(b))
		largest := 0.0
		for _, one := range loads() {
			resetPeak(b, service.pid)
			outcome := one.run(b, service.base)
			peak := peakMemory(b, service.pid)
			largest = max(largest, peak)
			b.Logf("%-40s %4.0f MiB, statuses %v", one.name, peak, outcome)
		}
		b.ReportMetric(largest, "rss-MiB")
	})
}

func loads() []load {
	const ndjson, document, table = "application/x-ndjson", "application/json", "text/csv"
	unknown := unknownNames(13_900_000/10_000, `{"to":"+12065551212"`)
	wide := unknownNames(6900, `{"to":"+12065551212"`)
	heavy := heavyRow()
	list := func(item string) []byte { return fmt.Appendf(nil, `{"messages":[%s]}`, item) }
	return []load{
		{"batches of unknown names", "/v1/batches", document, 4, list(join(unknown, 9_990))},
		{"the same, sixteen at once", "/v1/batches", document, 16, list(join(unknown, 9_990))},
		{"batches of one item of unknown names", "/v1/batches", document, 4, list(unknownNames(13_900_000, `{"to":"+12065551212"`))},
		{"batches of numbers", "/v1/batches", document, 4, list(strings.Repeat("0,", 6_900_000) + "0")},
		{"batches of one item of pairs", "/v1/batches", document, 4, list(unknownNames(13_900_000, `{"metadata":{"a":""`) + "}")},
		{"batches of one item of media", "/v1/batches", document, 4, list(`{"media":[` + strings.Repeat("0,", 6_900_000) + "0]}")},
		{"streams of rows of unknown names", "/v1/batches", ndjson, 8, []byte(strings.Repeat(wide+"\n", 1000))},
		{"messages of unknown names", "/v1/messages", document, 64, []byte(unknownNames(1_000_000, `{"to":"+12065551212"`))},
		{"tables of empty columns", "/v1/batches", table, 8, []byte(strings.Repeat("a,", 32_000) + "\n")},
		{"batches of large messages", "/v1/batches", document, 4, list(join(heavy, 13_900_000/len(heavy)))},
		{"streams of large rows", "/v1/batches", ndjson, 8, []byte(strings.Repeat(heavy+"\n", 400))},
		{"lists of large messages", "/v1/messages?limit=200", "", 20, nil},
	}
}

// unknownNames is an object of about size bytes that begins as given.
func unknownNames(size int, begin string) string {
	var out strings.Builder
	out.WriteString(begin)
	for n := 0; out.Len() < size; n++ {
		out.WriteString(`,"` + strconv.FormatInt(int64(n), 36) + `":""`)
	}
	out.WriteString("}")
	return out.String()
}

// heavyRow is a valid message of nearly 62 KB.
func heavyRow() string {
	var pairs strings.Builder
	for n := range 20 {
		fmt.Fprintf(&pairs, `,"key-%02d":%q`, n, strings.Repeat("😀", 500))
	}
	return fmt.Sprintf(`{"to":"+12065551212","mediaUrl":"https://media.example.com/a.jpg","text":%q,"metadata":{%s}}`,
		strings.Repeat("\u5b57", 5000), pairs.String()[1:])
}

func join(item string, times int) string { return strings.Repeat(item+",", times-1) + item }

// run sends the load from all callers at once, and counts the statuses.
func (l load) run(b *testing.B, base string) map[int]int {
	b.Helper()
	client := &http.Client{Timeout: 3 * time.Minute}
	b.Cleanup(client.CloseIdleConnections)
	statuses := make(map[int]int)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range l.callers {
		all.Go(func() {
			status := l.send(b, client, base)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	all.Wait()
	return statuses
}

// send returns the status of the answer; 0 when the connection broke.
func (l load) send(b *testing.B, client *http.Client, base string) int {
	method := http.MethodPost
	if len(l.body) == 0 {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(b.Context(), method, base+l.path, bytes.NewReader(l.body))
	if err != nil {
		b.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", l.mediaType)
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

// resetPeak makes the kernel reset the largest resident set.
func resetPeak(b *testing.B, pid int) {
	b.Helper()
	const peak = "5" // of proc(5)
	if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/clear_refs", []byte(peak), 0); err != nil {
		b.Skip("the largest resident set can be measured on Linux only: ", err)
	}
}

// peakMemory is the largest resident set of a process, in MiB.
func peakMemory(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	const mebibyte = 1024
	return number(b, kilobytes) / mebibyte
}
