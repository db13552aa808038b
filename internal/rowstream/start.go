package rowstream

import (
	"bufio"
	"bytes"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// The byte order marks.
const (
	markUTF8    = "\xef\xbb\xbf"
	markUTF16LE = "\xff\xfe"
	markUTF16BE = "\xfe\xff"
)

// open reads the byte order mark and returns the text after it, in UTF-8.
func open(in *bufio.Reader) *bufio.Reader {
	const longest = len(markUTF8)
	head, _ := in.Peek(longest) // an error is returned again when the text is read
	switch {
	case bytes.HasPrefix(head, []byte(markUTF8)):
		_, _ = in.Discard(longest)
		return in
	case bytes.HasPrefix(head, []byte(markUTF16LE)), bytes.HasPrefix(head, []byte(markUTF16BE)):
		decoded := transform.NewReader(in, unicode.BOMOverride(transform.Nop))
		return bufio.NewReaderSize(decoded, lengthWithEnd)
	default:
		return in
	}
}

// charsets are the names of encodings, by the order of bytes of a text in it that
// begins with no mark.
var charsets = map[string]unicode.Endianness{"utf-16": unicode.BigEndian, "utf-16be": unicode.BigEndian, "utf-16le": unicode.LittleEndian}

// Charsets lists the names of the encodings that a table can have.
func Charsets() []string { return []string{"utf-8", "utf-16", "utf-16le", "utf-16be"} }

// InUTF8 decodes a text in one of Charsets. A mark at its beginning wins over the
// name. Without one a text in utf-16 is read by the order that its first character
// has, which is an ASCII one in a header.
func InUTF8(in io.Reader, charset string) io.Reader {
	order, wide := charsets[charset]
	if !wide {
		return in
	}
	text := bufio.NewReader(in)
	if head, _ := text.Peek(2); charset == "utf-16" && len(head) == 2 && head[1] == 0 {
		order = unicode.LittleEndian
	}
	return transform.NewReader(text, unicode.BOMOverride(unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder()))
}

// peekLine is the first line of a text with its end, or as much of it as the
// buffer holds. Of a text whose lines end in CR it is the first one, too.
func peekLine(in *bufio.Reader) []byte {
	for want := 1; ; {
		_, err := in.Peek(want)
		head, _ := in.Peek(in.Buffered())
		end := bytes.IndexAny(head, "\r\n")
		switch {
		case end >= 0 && head[end] == '\n':
			return head[:end+1]
		case end >= 0 && end+1 < len(head):
			return head[:end+1+bytes.Count(head[end+1:end+2], []byte{'\n'})]
		case err != nil:
			return head
		}
		want = len(head) + 1
	}
}

// skipBlank skips the lines without content before the first one with some, and
// returns their number and that line.
func skipBlank(in *bufio.Reader) (blank int64, line []byte) {
	for {
		line = peekLine(in)
		if len(line) == 0 || len(bytes.TrimSpace(line)) > 0 {
			return blank, line
		}
		_, _ = in.Discard(len(line)) // it is buffered
		blank++
	}
}

// oldLines converts CR line endings to LF.
type oldLines struct{ in io.Reader }

// Read implements io.Reader.
func (o oldLines) Read(p []byte) (int, error) {
	n, err := o.in.Read(p)
	for i, c := range p[:n] {
		if c == '\r' {
			p[i] = '\n'
		}
	}
	return n, err //nolint:wrapcheck // callers compare with io.EOF
}

// notTable identifies a file that is not CSV by its first line; empty: it may be
// CSV.
func notTable(line []byte) string {
	begins := func(with string) bool { return bytes.HasPrefix(line, []byte(with)) }
	text := bytes.TrimSpace(line)
	switch {
	case begins("PK\x03\x04"), begins("\xd0\xcf\x11\xe0"):
		return "this is an Excel workbook: save it as CSV UTF-8"
	case begins("\x1f\x8b"):
		return "this is a gzip file: unpack it"
	case begins("%PDF"):
		return "this is a PDF: export the table as CSV UTF-8"
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")):
		return "this is JSON, not CSV: a message a line is NDJSON (application/x-ndjson, a file that ends in .ndjson)"
	case bytes.HasPrefix(text, []byte("<")):
		return "this is HTML or XML, not CSV: save the table as CSV UTF-8"
	case bytes.IndexByte(line, 0) >= 0:
		return "this is not UTF-8 text but binary or UTF-16 without a byte order mark: save it as CSV UTF-8"
	case !utf8.Valid(line):
		return "the header is not UTF-8: save the file as CSV UTF-8"
	default:
		return ""
	}
}
