package httpapi

import (
	"bytes"
	"context"
	"encoding/csv"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/messagelog"
)

// reportTimeout bounds the making of a report: below the time that a response may
// take.
const reportTimeout = eraseTimeout

// reportLine is a line of a report in responses.
type reportLine struct {
	Key    *string                  `json:"key"`
	Counts map[message.Status]int64 `json:"counts"`
	P50    *float64                 `json:"p50Seconds"`
	P95    *float64                 `json:"p95Seconds"`
}

// report counts the caller's messages by day, hour, batch, reason, sender or carrier.
func (a *api) report(c echo.Context, caller Caller) error {
	q := readQuery(c.Request(), "from", "to", "by")
	by := messagelog.ByDay
	if word, given := q.get("by"); given {
		by = messagelog.Grouping(word)
		if !slices.Contains(messagelog.Groupings(), by) {
			q.wrong("by", message.ProblemInvalid, "must be day, hour, batch, reason, sender or carrier")
		}
	}
	first, days := a.days(q)
	if len(q.problems) > 0 {
		return invalid(q.problems)
	}
	if a.LongLog == nil {
		return newProblem(codeUnavailable, "Reports need the long-term log, which this installation does not have.")
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), reportTimeout)
	defer cancel()
	lines, err := a.LongLog.Report(ctx, caller.Scope, by, first, first.AddDate(0, 0, days))
	if err != nil {
		return err
	}
	shown := make([]reportLine, len(lines))
	for i, l := range lines {
		shown[i] = reportLine{Key: some(l.Key), Counts: l.Counts, P50: rounded(l.P50), P95: rounded(l.P95)}
	}
	c.Response().Header().Add(echo.HeaderVary, echo.HeaderAccept)
	if wantsCSV(c.Request()) {
		return writeReport(c, shown)
	}
	writeJSON(c, http.StatusOK, struct {
		Data []reportLine `json:"data"`
	}{shown})
	return nil
}

// rounded is a time in seconds to the millisecond.
func rounded(seconds *float64) *float64 {
	if seconds == nil {
		return nil
	}
	const thousandths = 1000
	return new(math.Round(*seconds*thousandths) / thousandths)
}

// mediaCSV is the media type of CSV (RFC 7111).
const mediaCSV = "text/csv"

// wantsCSV reports whether the first media type of Accept that is known is CSV.
func wantsCSV(r *http.Request) bool {
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values(echo.HeaderAccept), ","), ",") {
		kind, _, err := mime.ParseMediaType(accepted)
		switch {
		case err != nil:
		case kind == mediaCSV:
			return true
		case kind == echo.MIMEApplicationJSON || kind == "*/*":
			return false
		}
	}
	return false
}

func reportHeader(statuses []message.Status) []string {
	names := make([]string, len(statuses))
	for i, status := range statuses {
		names[i] = string(status)
	}
	return slices.Concat([]string{"key"}, names, []string{"p50Seconds", "p95Seconds"})
}

// writeReport responds with a column for each state.
func writeReport(c echo.Context, lines []reportLine) error {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	statuses := message.Statuses()
	rows := make([][]string, 1, 1+len(lines))
	rows[0] = reportHeader(statuses)
	for _, l := range lines {
		row := make([]string, len(rows[0]))
		if l.Key != nil {
			row[0] = *l.Key
		}
		for i, status := range statuses {
			row[1+i] = strconv.FormatInt(l.Counts[status], 10)
		}
		row[len(row)-2], row[len(row)-1] = cell(l.P50), cell(l.P95)
		rows = append(rows, row)
	}
	if err := w.WriteAll(rows); err != nil {
		return err //nolint:wrapcheck // that of a buffer
	}
	writeBytes(c, http.StatusOK, mediaCSV+"; charset=utf-8; header=present", out.Bytes())
	return nil
}

func cell(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return strconv.FormatFloat(*seconds, 'f', -1, 64)
}
