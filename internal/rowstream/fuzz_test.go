package rowstream_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"mmsdispatch/internal/message"
	"mmsdispatch/internal/rowstream"
)

// stretched is a body with a long piece put into it, so that rows of any
// length come from small inputs.
func stretched(body []byte, at, length uint32, with byte) []byte {
	const longest = 3 * rowstream.LengthMax
	place := int(at) % (len(body) + 1)
	return slices.Insert(slices.Clone(body), place, bytes.Repeat([]byte{with}, int(length)%longest)...)
}

// rowCode is why a row cannot be read; empty: it can.
func rowCode(fields message.Fields) message.ProblemCode {
	if problems := fields.Problems(); len(problems) == 1 && problems[0].Field == "" {
		return problems[0].Code
	}
	return ""
}

// withoutEnd is a line without what ends it.
func withoutEnd(line []byte) []byte {
	line, ended := bytes.CutSuffix(line, []byte("\n"))
	if ended {
		line = bytes.TrimSuffix(line, []byte("\r"))
	}
	return line
}

// FuzzLines: NDJSON has a row for each line that is not blank, and a line over
// the limit is one row that cannot be read.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"to\":\"+12065551212\"}\n\n \r\n{}"), uint32(0), uint32(0), byte('x'))
	f.Add([]byte("{}\n{}\n"), uint32(1), uint32(rowstream.LengthMax), byte(' '))
	f.Add([]byte("a\nb"), uint32(2), uint32(rowstream.LengthMax-2), byte('"'))
	f.Add([]byte("\n"), uint32(0), uint32(rowstream.LengthMax+1), byte('\n'))
	f.Fuzz(func(t *testing.T, body []byte, at, length uint32, with byte) {
		body = stretched(body, at, length, with)
		var want []message.ProblemCode
		if bytes.HasPrefix(body, []byte("\xff\xfe")) || bytes.HasPrefix(body, []byte("\xfe\xff")) {
			return // UTF-16 has other lines
		}
		for line := range bytes.Lines(bytes.TrimPrefix(body, []byte("\ufeff"))) {
			switch {
			case len(withoutEnd(line)) > rowstream.LengthMax:
				want = append(want, message.ProblemTooLong)
			case len(bytes.TrimSpace(line)) > 0:
				want = append(want, rowCode(message.ReadRow(line)))
			}
		}
		read := rowstream.NewLines(bytes.NewReader(body))
		var got []message.ProblemCode
		for {
			fields, err := read.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, rowCode(fields))
		}
		if !slices.Equal(got, want) {
			t.Errorf("rows %q, want %q", got, want)
		}
	})
}

// FuzzTable: a CSV has the rows that package csv finds, too long ones among
// them, but for those without content. Whatever it holds, a row is never longer
// than its limit, and takes at least one line: what comes after a bad row keeps
// its number.
func FuzzTable(f *testing.F) {
	f.Add([]byte("to,text\n+12065551212,hi\n\"+1\",\"a\nb\"\n"), uint32(0), uint32(0), byte('x'))
	f.Add([]byte("to,media\r\n1,\"a\"b\"\r\n2,c\r\n"), uint32(20), uint32(2*rowstream.LengthMax), byte('y'))
	f.Add([]byte("to\n\"1\n2\n3"), uint32(4), uint32(rowstream.LengthMax), byte('\n'))
	f.Add([]byte("to,metadata.a,metadata.a\n1,2"), uint32(0), uint32(0), byte(0))
	f.Add([]byte("to,text\n1,\"a\nb\"\"\n\"\r\n\n2,c\n"), uint32(12), uint32(rowstream.LengthMax), byte('x'))
	f.Add([]byte("to,text\n1\",\"a\nb\"\n2,c\n"), uint32(9), uint32(rowstream.LengthMax), byte('x'))
	f.Add([]byte("to,text\n1,a\r\n2,c\n"), uint32(8), uint32(2*rowstream.LengthMax), byte('\n'))
	f.Fuzz(func(t *testing.T, body []byte, at, length uint32, with byte) {
		body = stretched(body, at, length, with)
		read := rowstream.NewTable(bytes.NewReader(body))
		if wrong := read.Begin(); len(wrong) > 0 {
			return
		}
		codes, ended := readTable(t, read)
		if lines := bytes.Count(body, []byte("\n")) + bytes.Count(body, []byte("\r")); len(codes) > lines {
			t.Errorf("%d rows in %d lines", len(codes), lines)
		}
		if !ended || bytes.ContainsAny(body, " ;\t\r\v\f\u0085\u00a0") || bytes.HasPrefix(body, []byte("sep=")) {
			return // package csv reads these otherwise
		}
		if want := countRecords(body) - 1; len(codes) != want {
			t.Errorf("%d rows, want %d", len(codes), want)
		}
	})
}

// readTable reads rows to their end, or to one whose end cannot be found, and
// returns why each cannot be read.
func readTable(t *testing.T, read *rowstream.Table) (codes []message.ProblemCode, ended bool) {
	t.Helper()
	for {
		fields, err := read.Next()
		if errors.Is(err, io.EOF) {
			return codes, true
		}
		if _, torn := errors.AsType[*rowstream.EndlessError](err); torn {
			return codes, false
		}
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, rowCode(fields))
		if size := sizeOf(fields); size > rowstream.LengthMax {
			t.Errorf("a row of %d bytes was taken", size)
		}
	}
}

// sizeOf is how many bytes the cells of a row hold.
func sizeOf(f message.Fields) int {
	size := 0
	for _, column := range message.Columns() {
		if cell := f.Text(column); cell != nil {
			size += len(*cell)
		}
	}
	for _, url := range f.Media {
		if url != nil {
			size += len(*url)
		}
	}
	for _, pair := range f.Metadata {
		size += len(pair.Value)
	}
	return size
}

// countRecords counts the records of a CSV that have content, broken ones
// included.
func countRecords(body []byte) int {
	reader := csv.NewReader(bytes.NewReader(body))
	reader.FieldsPerRecord = -1
	for n := 0; ; {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil || strings.TrimSpace(strings.Join(record, "")) != "" {
			n++
		}
	}
}
