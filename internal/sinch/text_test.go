package sinch_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"mmsdispatch/internal/sinch"
)

// A field of an unexpected type is empty; its object stays readable.
func TestText(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]sinch.Text{
		`"E111"`: "E111", `""`: "", `"ä"`: "ä", `"\u0041"`: "A",
		`35674`: "35674", `-1`: "-1", `0.5`: "0.5", `1e3`: "1e3", `99999999999999999999`: "99999999999999999999",
		`null`: "", `true`: "", `{}`: "", `{"a":"b"}`: "", `[]`: "", `["a"]`: "",
	} {
		v := struct{ Code, Next sinch.Text }{Code: "before"}
		if err := json.Unmarshal([]byte(`{"Code":`+written+`,"Next":"n"}`), &v); err != nil || v.Code != want || v.Next != "n" {
			t.Errorf("%s: %q, next %q, %v; want %q", written, v.Code, v.Next, err, want)
		}
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[sinch.Text]string{
		"": "", "E111": "E111", "0": "0", "-1": "-1", "3001": "3001", "999999": "999999",
		"syntax_invalid_parameter_format": "syntax_invalid_parameter_format", "too-many-requests": "too-many-requests", "v1.E7": "v1.E7",
		sinch.Text(strings.Repeat("x", 64)): strings.Repeat("x", 64),
		sinch.Text(strings.Repeat("x", 65)): sinch.CodeWithheld,

		"12065551212": sinch.CodeWithheld, "+12065551212": sinch.CodeWithheld, "5551212": sinch.CodeWithheld,
		"206-555-1212": sinch.CodeWithheld, "1.206.555.1212": sinch.CodeWithheld, "E110_12065551212": sinch.CodeWithheld,
		"bad number 555 121": sinch.CodeWithheld, "a b": sinch.CodeWithheld, "+1": sinch.CodeWithheld, "E111\n": sinch.CodeWithheld,
		"\x1b[31m": sinch.CodeWithheld, "äE1": sinch.CodeWithheld, "\xff\xfeE1": sinch.CodeWithheld, "١٢": sinch.CodeWithheld,
	} {
		if code := text.Code(); code != want {
			t.Errorf("%q: code %q, want %q", text, code, want)
		}
	}
}

// Every code in the tables is kept unchanged. Other tests check that docs/sinch.md
// agrees with the tables.
func TestDocumentedCodesAreKept(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/sinch.md")
	if err != nil {
		t.Fatal(err)
	}
	tables := strings.Split(string(page), "<!-- table: ")[1:]
	if len(tables) != 8 {
		t.Errorf("%d tables", len(tables))
	}
	for _, table := range tables {
		rows, _, _ := strings.Cut(table, "<!-- end -->")
		codes := regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(rows, -1)
		if len(codes) == 0 {
			t.Errorf("no codes in %s", rows)
		}
		for _, code := range codes {
			if got := sinch.Text(code[1]).Code(); got != code[1] {
				t.Errorf("%s becomes %s", code[1], got)
			}
		}
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	for text, want := range map[sinch.Text]string{
		"": "", "a b": "a b", "TU1TXzU5Nzg3OQ==": "TU1TXzU5Nzg3OQ==", "a\nb\tc\x00\x7f": "abc", "\x1b[31m": "[31m", "äE1": "E1", "\xff\xfeE1": "E1",
		sinch.Text(strings.Repeat("x", 1000)): strings.Repeat("x", 256),
	} {
		if id := text.ID(); id != want {
			t.Errorf("%q: id %q, want %q", text, id, want)
		}
	}
}

func TestDigits(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"+12065551212": "12065551212", "28444": "28444", "+1 (206) 555-1212": "12065551212", "": "", "+": "", "١٢": "",
	} {
		if got := sinch.Digits(number); got != want {
			t.Errorf("%q: %q, want %q", number, got, want)
		}
	}
}
