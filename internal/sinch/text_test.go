package sinch_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mmsdispatch/internal/sinch"
)

// An odd field is empty; it does not make the object around it unreadable.
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

func TestTextBounds(t *testing.T) {
	t.Parallel()
	long := sinch.Text(strings.Repeat("x", 1000))
	if code, id := long.Code(), long.ID(); len(code) != 64 || len(id) != 256 {
		t.Errorf("code of %d bytes, id of %d; want 64 and 256", len(code), len(id))
	}
	for text, want := range map[sinch.Text]string{
		"E111": "E111", "a b": "a b", "TU1TXzU5Nzg3OQ==": "TU1TXzU5Nzg3OQ==", "": "",
		"a\nb\tc\x00\x7f": "abc", "\x1b[31m": "[31m", "äE1": "E1", "\xff\xfeE1": "E1",
	} {
		if code, id := text.Code(), text.ID(); code != want || id != want {
			t.Errorf("%q: code %q, id %q; want %q", text, code, id, want)
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
