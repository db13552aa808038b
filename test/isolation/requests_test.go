package isolation_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/redisconn"
	"mmsdispatch/test/harness"
)

// probes are the requests of the victim beside those of the other.
const probes = 40

// Rows with thousands of unknown names, from several callers at once.
func TestHugeRowsWithManyProblems(t *testing.T) {
	t.Parallel()
	s := start(t, settings{noWorker: true})
	var wide strings.Builder
	wide.WriteString(`{"to":"+12065551212"`)
	for n := range 900 {
		wide.WriteString(`,"` + strconv.Itoa(n) + `":""`)
	}
	rows := strings.Repeat(wide.String()+"}\n", 500)
	_, alone := s.victim.sends(probes)
	beside := alone
	times := meanwhile(t, 3, func(ctx context.Context) error {
		_, err := s.greedy.client.Do(ctx, http.MethodPost, s.base+"/v1/batches", rows, harness.Bearer(s.greedy.key), ndjson())
		return err
	}, func() { _, beside = s.victim.sends(probes) })
	s.answeredBeside(alone, beside, times)
}

// Connections that announce a large body and send a little of it now and then.
func TestTricklingUploads(t *testing.T) {
	t.Parallel()
	s := start(t, settings{noWorker: true})
	done := make(chan struct{})
	defer close(done)
	for range 50 {
		conn, err := net.Dial("tcp", s.base[len("http://"):])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprintf(conn, "POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
			"Content-Length: 16000000\r\n\r\n%s", s.greedy.key, `{"messages":[`+strings.Repeat(" ", 70_000)); err != nil {
			t.Fatal(err)
		}
		go trickle(conn, done)
	}
	s.victim.sends(probes)
	for range 5 {
		if b := s.victim.stream(s.victim.rows(20, nil)); b.Accepted != 20 {
			t.Errorf("the victim's batch: %+v", b)
		}
	}
}

// trickle writes a byte now and then until done is closed or the api ends the
// connection.
func trickle(conn net.Conn, done chan struct{}) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			if _, err := io.WriteString(conn, " "); err != nil {
				return
			}
		}
	}
}

// heavy are changes that make a message of nearly 60 KB.
func heavy() map[string]any {
	metadata := make(map[string]string)
	for n := range 20 {
		metadata[fmt.Sprintf("key-%02d", n)] = strings.Repeat("\U0001f600", 500)
	}
	return map[string]any{"text": strings.Repeat("\u5b57", 4800), "metadata": metadata, "sendAt": time.Now().Add(time.Hour)}
}

// Lists of large records delay another tenant's messages little more than as many
// callers that read one small message each time: what is compared was measured on
// the same machine in turns.
func TestListsOfLargeRecords(t *testing.T) {
	t.Parallel()
	s := start(t, settings{noWorker: true})
	for range 60 {
		s.greedy.send(heavy())
	}
	small, _ := s.greedy.send(nil)
	_, alone := s.victim.sends(probes)
	const callers, rounds, most = 20, 4, 3
	beside := func(path string) []time.Duration {
		var times []time.Duration
		meanwhile(t, callers, func(ctx context.Context) error {
			return s.discard(ctx, s.base+path, s.greedy.key)
		}, func() { _, times = s.victim.timed(probes / rounds) })
		return times
	}
	var reads, lists []time.Duration
	for range rounds {
		reads = append(reads, beside("/v1/messages/"+small.ID)...)
		lists = append(lists, beside("/v1/messages?limit=200")...)
	}
	t.Logf("median of the victim: %s alone, %s beside %d callers that read, %s beside as many that list",
		alone, median(reads), callers, median(lists))
	if median(lists) > most*median(reads) {
		t.Errorf("lists of large records delay the victim's messages to %s, reads to %s", median(lists), median(reads))
	}
}

// A cursor that was made up costs Redis no more than one that was given.
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	s := start(t, settings{noWorker: true})
	s.greedy.stream(s.greedy.rows(100, nil))
	got := s.greedy.post("/v1/batches", s.greedy.rows(100, nil), ndjson())
	id := got.Header.Get("Location")[len("/v1/batches/"):]
	// reads counts the reads of the batch's list of messages, which nothing else does.
	reads := func() int {
		text, err := s.redis.Client(t).Info(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		_, calls, _ := strings.Cut(redisconn.ParseInfo(text)["cmdstat_getrange"], "calls=")
		calls, _, _ = strings.Cut(calls, ",")
		n, err := strconv.Atoi(calls)
		if err != nil && calls != "" {
			t.Fatal(err)
		}
		return n
	}
	list := func(cursor string) (cost int) {
		before := reads()
		answer, err := s.greedy.client.Get(t.Context(), s.base+"/v1/messages?limit=10&status=failed&batchId="+id+cursor, harness.Bearer(s.greedy.key))
		if err != nil || answer.Status >= http.StatusInternalServerError {
			t.Fatalf("%s %v", answer, err)
		}
		return reads() - before
	}
	honest := list("")
	if honest == 0 {
		t.Error("a list of the batch reads nothing of it")
	}
	for _, place := range []string{"1000000", "9000000000000", "9223372036854775807"} {
		forged := base64.RawURLEncoding.EncodeToString([]byte("places " + place))
		if cost := list("&cursor=" + forged); cost > honest {
			t.Errorf("a cursor at %s costs %d reads of the batch, none %d", place, cost, honest)
		}
	}
}
