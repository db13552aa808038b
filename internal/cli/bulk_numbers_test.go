package cli

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestBulkSaysWhichRowsRepeatANumber before anything is sent, however the number
// is written, in a table and in lines.
func TestBulkSaysWhichRowsRepeatANumber(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"rows.csv": "\ufefftext;to\na;+12065551212\nb;(206) 555-1212\n;\nc; 1 206.555.1212 \nd;+12065551213\ne;nobody\nf;nobody\n",
		"rows.ndjson": "\ufeff{\"to\":\"+12065551212\"}\n{\"to\":\"206-555-1212\"}\n\n{\"to\":\"1 (206) 555-1212\",\"text\":\"c\"}\n" +
			"{\"to\":\"+12065551213\"}\n{\"to\":7}\nnot JSON\n{}\n",
	} {
		for _, unique := range []bool{false, true} {
			var sent string
			b := bulk{region: "US", unique: unique}
			out, _, err := runBulkAs(t, b, name, file, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent = string(body)
				_, _ = io.WriteString(w, `{"id":"bat_1","accepted":1}`)
			})
			output, isWhole := "2 rows go to a number that an earlier row has: with --unique they are omitted\n", sent == file
			if unique {
				output = "2 rows to a number that an earlier row has: omitted\n"
			}
			if err != nil || !strings.HasPrefix(out, output) || isWhole == unique {
				t.Errorf("%s, unique %t: sent %q: %s %v", name, unique, sent, out, err)
			}
			if unique && (strings.Count(sent, "1212") != 1 || !strings.Contains(sent, "1213") || strings.Contains(sent, "\ufeff")) {
				t.Errorf("%s: sent %q", name, sent)
			}
		}
	}
}

// TestBulkOfUniqueRowsIsABatchOfItsOwn: its reference comes from the rows that are
// sent, its rejected rows are among them, and no copy stays behind.
func TestBulkOfUniqueRowsIsABatchOfItsOwn(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	references := map[string]bool{}
	for _, unique := range []bool{true, false, true} {
		out, _, err := runBulkAs(t, bulk{region: "US", unique: unique}, "rows.csv", "to\n+12065551212\n2065551212\nbad\n",
			func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				references[r.URL.Query().Get("clientReference")] = true
				index := map[bool]string{true: "1", false: "2"}[unique]
				_, _ = io.WriteString(w, `{"id":"bat_1","accepted":1,"rejected":1,"results":[{"index":`+index+
					`,"status":"rejected","error":[{"field":"to","code":"invalid"}]}]}`)
			})
		if err == nil || !strings.Contains(out, "--\nto\nbad\n--\n") {
			t.Errorf("unique %t: %s %v", unique, out, err)
		}
	}
	if len(references) != 2 {
		t.Errorf("references %v", references)
	}
	if left, err := os.ReadDir(temp); err != nil || hasCopies(left) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func hasCopies(entries []os.DirEntry) bool {
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "mmsctl-bulk") {
			return true
		}
	}
	return false
}

// TestBulkKeepsRejectedRowsOfSpreadsheets: the file of rejected rows can be read
// again, whatever the file was like.
func TestBulkKeepsRejectedRowsOfSpreadsheets(t *testing.T) {
	t.Parallel()
	const rejected = `{"id":"bat_1","rejected":1,"results":[{"index":1,"status":"rejected","error":[{"field":"to","code":"invalid"}]}]}`
	for name, c := range map[string]struct{ file, kept string }{
		"marked.ndjson": {"\ufeff{\"to\":1}\n{\"to\":2}\n", "{\"to\":2}\n"},
		"first.csv":     {"\ufeffto;text\r1;a\r;\r2;b\r", "to;text\n2;b\n"},
	} {
		out, _, _ := runBulkAs(t, bulk{region: "US"}, name, c.file, taking(rejected))
		if !strings.Contains(out, "--\n"+c.kept+"--\n") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// TestBulkNamesAWorkbook instead of sending it.
func TestBulkNamesAWorkbook(t *testing.T) {
	t.Parallel()
	_, _, err := runBulk(t, "rows.xlsx", "PK\x03\x04", func(http.ResponseWriter, *http.Request) { t.Error("it was sent") })
	if err == nil || err.Error() != "rows.xlsx is an Excel workbook: save it as CSV UTF-8" {
		t.Error(err)
	}
}
