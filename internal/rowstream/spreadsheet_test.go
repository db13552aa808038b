package rowstream_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
)

// utf16Of is a text in UTF-16 with a byte order mark.
func utf16Of(text string, little bool) string {
	var encoded []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		high, low := byte(unit>>8), byte(unit)
		if little {
			high, low = low, high
		}
		encoded = append(encoded, high, low)
	}
	return string(encoded)
}

// shownRow is a row as "to|text|subject", or its problem.
func shownRow(f message.Fields) string {
	if problems := f.Problems(); len(problems) > 0 {
		return string(problems[0].Code) + ": " + problems[0].Message
	}
	text := func(name string) string {
		if value := f.Text(name); value != nil {
			return *value
		}
		return "-"
	}
	return text("to") + "|" + text("text") + "|" + text("subject")
}

// readAll reads a table to its end.
func readAll(t *testing.T, file string) (rows []string, wrong []message.FieldError) {
	t.Helper()
	table := rowstream.NewTable(strings.NewReader(file))
	if wrong := table.Begin(); len(wrong) > 0 {
		return nil, wrong
	}
	for {
		fields, err := table.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return append(rows, err.Error()), nil
		}
		rows = append(rows, shownRow(fields))
	}
}

// TestTablesAsSpreadsheetsWriteThem: all of these say the same two rows.
func TestTablesAsSpreadsheetsWriteThem(t *testing.T) {
	t.Parallel()
	const plain = "to,text,subject\n1,hi,\n2,\"a,b\nc\",s\n"
	semicolons := strings.NewReplacer("to,text,subject", "to;text;subject", "1,hi,", "1;hi;", "2,", "2;", ",s", ";s").Replace(plain)
	tabs := strings.ReplaceAll(semicolons, ";", "\t")
	for name, file := range map[string]string{
		"plain":                       plain,
		"UTF-8 with a mark":           "\ufeff" + plain,
		"UTF-16, little end first":    utf16Of(plain, true),
		"UTF-16, big end first":       utf16Of(plain, false),
		"UTF-16 with tabs and CRLF":   utf16Of(strings.ReplaceAll(strings.ReplaceAll(tabs, "\n", "\r\n"), "b\r\nc", "b\nc"), true),
		"semicolons":                  semicolons,
		"tabs":                        tabs,
		"a mark and semicolons":       "\ufeff" + semicolons,
		"a hint for the separator":    "sep=;\r\n" + semicolons,
		"empty lines before":          "\n \r\n" + semicolons,
		"empty lines before, CR":      "\r\r" + strings.ReplaceAll(semicolons, "\n", "\r"),
		"a cleared row before":        ";;\n" + semicolons,
		"CRLF":                        strings.ReplaceAll(plain, "\n", "\r\n"),
		"CR":                          strings.ReplaceAll(plain, "\n", "\r"),
		"CR and a mark":               "\ufeff" + strings.ReplaceAll(plain, "\n", "\r"),
		"no end of the last line":     strings.TrimSuffix(plain, "\n"),
		"missing empty cells":         "to,text,subject\n1,hi\n2,\"a,b\nc\",s\n",
		"surplus empty cells":         "to,text,subject\n1,hi,,,,\n2,\"a,b\nc\",s,\n",
		"empty columns behind":        "to,text,subject,,\n1,hi,,,\n2,\"a,b\nc\",s,,\n",
		"an empty column between":     "to,,text,subject\n1,,hi,\n2,,\"a,b\nc\",s\n",
		"cleared rows":                ",,\nto,text,subject\n,,\n1,hi,\n , ,\n\"\",\"\",\n2,\"a,b\nc\",s\n,,,,,\n\n",
		"spaces around cells":         " to , text,subject \n 1 ,  hi ,  \n2 , \"a,b\nc\" , s\n",
		"tabs around cells":           "to\t,\ttext,subject\n\t1,hi\t,\n2,\t\"a,b\nc\"\t,s\n",
		"no-break spaces":             "to\u00a0,text,subject\n\u00a01\u00a0,hi,\n2,\"a,b\nc\",\u00a0s\n",
		"the end mark of DOS":         strings.ReplaceAll(plain, "\n", "\r\n")[:len("to,text,subject\r\n1,hi,\r\n")] + "2,\"a,b\nc\",s\r\n\x1a",
		"a mark before the last row":  "\ufeffto,text,subject\n1,hi,\n\ufeff2,\"a,b\nc\",s\n",
		"tabs inside of quotes":       "to,text,subject\n\"1\t\",\"\thi\",\"\t\"\n2,\"a,b\nc\",s\n",
		"everything in quotes":        "\"to\",\"text\",\"subject\"\n\"1\",\"hi\",\"\"\n\"2\",\"a,b\nc\",\"s\"\n",
		"spaces inside of the quotes": "\" to\",\"text \",subject\n\"1 \",\" hi\",\n2,\"a,b\nc\",s\n",
	} {
		rows, wrong := readAll(t, file)
		if got := fmt.Sprintf("%q", rows); got != `["1|hi|-" "2|a,b\nc|s"]` || len(wrong) > 0 {
			t.Errorf("%s: %s %v", name, got, wrong)
		}
	}
}

// TestTablesInOtherCharsets: a mark wins over the name of the encoding.
func TestTablesInOtherCharsets(t *testing.T) {
	t.Parallel()
	const text = "to,text\n1,hé\n"
	little, big := utf16Of(text, true), utf16Of(text, false)
	for _, c := range []struct{ charset, file string }{
		{"utf-8", text},
		{"utf-16", little},
		{"utf-16", big},
		{"utf-16", little[2:]},
		{"utf-16", big[2:]},
		{"utf-16", "\ufeff" + text},
		{"utf-16le", little[2:]},
		{"utf-16le", little},
		{"utf-16le", big},
		{"utf-16be", big[2:]},
		{"utf-16be", big},
		{"utf-16be", little},
	} {
		table := rowstream.NewTable(rowstream.InUTF8(strings.NewReader(c.file), c.charset))
		if wrong := table.Begin(); len(wrong) > 0 {
			t.Errorf("%s, %q: %v", c.charset, c.file[:4], wrong)
			continue
		}
		if row, err := table.Next(); err != nil || shownRow(row) != "1|hé|-" {
			t.Errorf("%s, %q: %s, %v", c.charset, c.file[:4], shownRow(row), err)
		}
	}
}

// TestColumnWithoutNameIsNamedByItsPlace in the rows that have a cell there.
func TestColumnWithoutNameIsNamedByItsPlace(t *testing.T) {
	t.Parallel()
	rows, wrong := readAll(t, "to,,text,\n1,,hi,\n2,SECRET,hi\n3,,hi,SECRET\n4,,hi,,SECRET\n")
	if len(wrong) > 0 || len(rows) != 4 || rows[0] != "1|hi|-" {
		t.Fatalf("%q %v", rows, wrong)
	}
	for i, place := range []string{"column 2 ", "column 4 ", "column 5 "} {
		if !strings.HasPrefix(rows[i+1], "invalid: "+place) {
			t.Errorf("%q", rows[i+1])
		}
	}
}

// TestNoErrorRepeatsARow: a file may have no header, another form or another
// encoding, and then a row stands where a name should.
func TestNoErrorRepeatsARow(t *testing.T) {
	t.Parallel()
	const row = "+12065551212,SECRET text,https://SECRET.example/a.jpg\n"
	for name, file := range map[string]string{
		"no header":             row + row,
		"no header, one word":   "SECRET\n" + row,
		"no header, CR":         strings.ReplaceAll(row+row, "\n", "\r"),
		"no header, semicolons": strings.ReplaceAll(row, ",", ";") + row,
		"a cell named so":       "+12065551212,text,SECRET text,https://SECRET.example\n",
		"other line ends":       strings.ReplaceAll("to,text\n"+row+row, "\n", "\u2028"),
		"lines ended by VT":     strings.ReplaceAll("to,text\n"+row+row, "\n", "\v"),
		"pipes":                 strings.ReplaceAll("to,text\n"+row, ",", "|"),
		"JSON":                  `{"to":"+12065551212","text":"SECRET"}`,
		"a list in JSON":        ` [{"to":"+12065551212","text":"SECRET"}]`,
		"HTML":                  "<table><tr><td>SECRET +12065551212",
		"UTF-16 without a mark": utf16Of("to,SECRET\n", true)[2:],
		"Latin-1":               "to,\xe9SECRET\n",
		"a torn header":         "to,\"SECRET +12065551212\n",
		"a quote in the header": "to,SECRET \" +12065551212\n",
		"more cells":            "to,text\n+12065551212,SECRET,SECRET +12065551212\n",
		"a quote in a row":      "to,text\n+12065551212,SECRET \" +12065551212\n",
		"a torn row":            "to,text\n+12065551212,\"SECRET\n",
		"a row in Latin-1":      "to,text\n+12065551212,\xe9SECRET\n",
	} {
		rows, wrong := readAll(t, file)
		output, err := json.Marshal([]any{rows, wrong})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(output, []byte("SECRET")) || bytes.Contains(output, []byte("2065551212")) {
			t.Errorf("%s: %s", name, output)
		}
		if len(wrong) == 0 && len(rows) == 0 {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestFileIsNamedForWhatItIs where it is no table.
func TestFileIsNamedForWhatItIs(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"PK\x03\x04\x14\x00\x06\x00\b\x00[Content_Types].xml": "an Excel workbook: save it as CSV UTF-8",
		"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":                    "an Excel workbook: save it as CSV UTF-8",
		"\x1f\x8b\x08\x00":                                    "a gzip file",
		"%PDF-1.7\n":                                          "a PDF",
		"{\"to\":\"1\"}\n":                                    "NDJSON",
		"<!DOCTYPE html>":                                     "HTML",
		utf16Of("to,text\n1,hi\n", false)[2:]:                 "UTF-16 without a byte order mark",
		"to,t\xe9xt\n":                                        "not UTF-8",
		"":                                                    "a header row is required",
		"\ufeff":                                              "a header row is required",
		"\n\n":                                                "a header row is required",
		"1,2\n":                                               "there are to, text, mediaUrl, media, ",
		"to,mediaURL\n":                                       "there are to, text, mediaUrl, media, ",
	} {
		_, wrong := readAll(t, file)
		if len(wrong) != 1 || !strings.Contains(wrong[0].Message, want) {
			t.Errorf("%q: %v, want %s", file, wrong, want)
		}
	}
	if _, wrong := readAll(t, "to,mediaURL,text 2,text\n"); len(wrong) != 2 || wrong[0].Field != "mediaURL" || wrong[1].Field != "column 3" {
		t.Errorf("%v", wrong)
	}
}

// TestLinesWithByteOrderMark: the first line is a row like the others.
func TestLinesWithByteOrderMark(t *testing.T) {
	t.Parallel()
	const line = `{"to":"1","text":"hi"}` + "\n"
	for name, file := range map[string]string{"UTF-8": "\ufeff" + line + line, "UTF-16": utf16Of(line+line, true), "none": line + line} {
		lines := rowstream.NewLines(strings.NewReader(file))
		for range 2 {
			if fields, err := lines.Next(); err != nil || shownRow(fields) != "1|hi|-" {
				t.Errorf("%s: %s %v", name, shownRow(fields), err)
			}
		}
		if _, err := lines.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCopiedRowsCanBeReadAgain: they are the rows that were chosen, whatever the
// file was like.
func TestCopiedRowsCanBeReadAgain(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"a mark and CR": "\ufeffto;text;subject\r1;a;\r;;\r2;\"b\r\rc\";\r3;d;",
		"UTF-16":        utf16Of("sep=;\r\nto;text;subject\r\n\r\n1;a\r\n2;\"b\n\nc\"\r\n3;d\r\n", true),
	} {
		var kept bytes.Buffer
		odd := func(index int64, _ message.Fields) bool { return index%2 == 1 }
		if err := rowstream.Copy(&kept, strings.NewReader(file), true, odd); err != nil {
			t.Fatal(err)
		}
		if rows, wrong := readAll(t, kept.String()); len(rows) != 1 || rows[0] != "2|b\n\nc|-" || len(wrong) > 0 {
			t.Errorf("%s: %q is read as %q %v", name, kept.String(), rows, wrong)
		}
	}
	var kept bytes.Buffer
	long := `{"text":"` + strings.Repeat("x", 2*rowstream.LengthMax) + `"}`
	all := func(int64, message.Fields) bool { return true }
	if err := rowstream.Copy(&kept, strings.NewReader("\ufeff{}\n \n"+long), false, all); err != nil || kept.String() != "{}\n"+long+"\n" {
		t.Errorf("%d bytes, %v", kept.Len(), err)
	}
}
