package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/redistest"
)

// TestCutStreamSaysHowToContinue: the advice depends on whether rows were
// accepted, and on whether a reference identifies them.
func TestCutStreamSaysHowToContinue(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	const head, row = "to,mediaUrl\n", "\n+12065551212,https://e.com/a\n"
	const torn = "+12065551213,\"https://e.com/a\n" + row
	for query, c := range map[string]struct {
		rows   int
		detail string
	}{
		"clientReference=c":             {1, "The rows before the error were accepted. Correct it and send the whole body again under the same reference."},
		"":                              {2, "no reference that would identify them in a second request. Correct it and send only the rows after them."},
		"clientReference=d":             {0, "Nothing was accepted. Correct it and send the whole body again."},
		"dryRun=true&to=+12065551212":   {1, "Nothing was accepted: this was a dry run. Correct it and send the whole body again."},
		"clientReference=e&dryRun=true": {1001, "Nothing was accepted: this was a dry run."},
	} {
		query = strings.ReplaceAll(query, "+", "%2B")
		p := b.do(t, stream(csv, query, head+strings.Repeat(row, c.rows)+torn)).invalid(t)
		if !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %s", query, p.Detail)
		}
		field, line := fmt.Sprintf("messages[%d]", c.rows), fmt.Sprintf("begins in line %d has a quote", 2+2*c.rows)
		if len(p.Errors) != 1 || p.Errors[0].Field != field || p.Errors[0].Code != "invalid" || !strings.Contains(p.Errors[0].Message, line) {
			t.Errorf("%s: %v, want %s and %s", query, p.Errors, field, line)
		}
	}
	if list := b.do(t, get("/v1/batches")).ok(t, http.StatusOK)["data"].([]any); len(list) != 2 {
		t.Errorf("%d batches were created, want one for each that accepted rows", len(list))
	}
}

// TestStreamThatEndsTooEarly: Content-Length is larger than the body.
func TestStreamThatEndsTooEarly(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	for query, want := range map[string]string{
		"clientReference=c": "The rows before the error were accepted. Send the whole body again under the same reference.",
		"dryRun=true":       "Nothing was accepted: this was a dry run. Send the whole body again.",
	} {
		if detail := cutAfter(t, b, query, `{"to":"+12065551212","mediaUrl":"https://e.com/a"}`+"\n{"); !strings.HasSuffix(detail, want) {
			t.Errorf("%s: %s", query, detail)
		}
	}
}

// losing is a record whose storage fails before rows are recorded.
type losing struct{ *ledger.Ledger }

func (losing) AcceptRows(context.Context, ledger.Batch, []ledger.Row) ([]ledger.RowResult, error) {
	return nil, ledger.ErrUnavailable
}

// TestCutStreamWhoseRowsWereLost: rows that could not be recorded are not
// reported as accepted.
func TestCutStreamWhoseRowsWereLost(t *testing.T) {
	t.Parallel()
	l, err := ledger.New(redistest.Shared(t).Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *httpapi.Options) { o.Ledger, o.Batches = l, losing{l} })
	b.do(t, stream(csv, "clientReference=c", "to,mediaUrl\n+12065551212,https://e.com/a\n1,\"torn\n")).
		refused(t, http.StatusServiceUnavailable, "unavailable")
}

// cutAfter sends the beginning of a stream and closes the connection.
func cutAfter(t *testing.T, b *bundle, query, begin string) (detail string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/batches?%s HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n%s",
		query, liveKey, ndjson, begin)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}.refused(t, http.StatusBadRequest, "invalid_json").Detail
}
