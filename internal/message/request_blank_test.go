package message

import (
	"encoding/json"
	"maps"
	"testing"
)

// parseWith checks a request with some fields beside the required ones.
func parseWith(t *testing.T, r *Rules, fields map[string]string) Draft {
	t.Helper()
	body := map[string]string{"to": "+12065551212", "mediaUrl": "https://example.com/a.jpg"}
	maps.Copy(body, fields)
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := r.Parse(text, nil, testNow())
	if err != nil {
		t.Fatal(err)
	}
	return draft
}

// TestBlankTextsAreAbsent: Sinch refuses a blank subject (E314).
func TestBlankTextsAreAbsent(t *testing.T) {
	t.Parallel()
	for _, blank := range []string{" ", "  ", "\t", "\r\n", "\u00a0", "\u3000", "\u2003 ", "\u2028"} {
		draft := parseWith(t, testRules(), map[string]string{"text": blank, "subject": blank, "fallbackText": blank})
		c := draft.Content
		if len(draft.Problems) > 0 || c.Text != "" || c.Subject != "" || c.FallbackText != "" {
			t.Errorf("%q: %q %q %q %v", blank, c.Text, c.Subject, c.FallbackText, found(draft.Problems))
		}
	}
	absent := parseWith(t, testRules(), nil).Content
	if blank := parseWith(t, testRules(), map[string]string{"text": "  ", "fallbackText": "\n"}).Content; !blank.Equal(absent) {
		t.Error("a retry without the blank texts is another message")
	}
	noFallback := NewRules(RuleOptions{DefaultRegion: "US", Destinations: []string{"*"}, Sender: "1", NoFallbackText: true})
	if draft := parseWith(t, noFallback, map[string]string{"fallbackText": "  "}); len(draft.Problems) > 0 {
		t.Errorf("a blank fallback text where there is none: %v", found(draft.Problems))
	}
	kept := parseWith(t, testRules(), map[string]string{"text": " a ", "subject": " b ", "fallbackText": "\tc\n"}).Content
	if kept.Text != " a " || kept.Subject != " b " || kept.FallbackText != "\tc\n" {
		t.Errorf("%q %q %q", kept.Text, kept.Subject, kept.FallbackText)
	}
}

// TestBlankFieldsOfARowTakeTheDefault, as absent ones do.
func TestBlankFieldsOfARowTakeTheDefault(t *testing.T) {
	t.Parallel()
	var defaults Fields
	for name, value := range map[string]string{"text": "Hello", "subject": "Hi", "fallbackText": "See", "mediaUrl": "https://example.com/a.jpg"} {
		defaults.Set(name, value)
	}
	row := ReadRow([]byte(`{"to":"+12065551212","text":"  ","subject":"\u00a0","fallbackText":" \n"}`))
	draft := testRules().CheckRow(row, defaults, testNow())
	if c := draft.Content; len(draft.Problems) > 0 || c.Text != "Hello" || c.Subject != "Hi" || c.FallbackText != "See" {
		t.Errorf("%+v %v", c, found(draft.Problems))
	}
}

// TestTextsAreComposed before the rules apply: macOS writes an é as two
// characters.
func TestTextsAreComposed(t *testing.T) {
	t.Parallel()
	const decomposed, composed = "Cafe\u0301 Mu\u0308nchen A\u030a", "Café München Å"
	names := []string{"text", "subject", "fallbackText"}
	fields := map[string]string{}
	for _, name := range names {
		fields[name] = decomposed
	}
	draft := parseWith(t, testRules(), fields)
	if c := draft.Content; len(draft.Problems) > 0 || c.Text != composed || c.Subject != composed || c.FallbackText != composed {
		t.Errorf("%+v %v", c, found(draft.Problems))
	}
	long := ""
	for range SubjectMax {
		long += "e\u0301"
	}
	if draft := parseWith(t, testRules(), map[string]string{"subject": long}); len(draft.Problems) > 0 {
		t.Errorf("80 letters of two characters: %v", found(draft.Problems))
	}
}

// TestSubjectsThatOnlyLookValid have characters that cannot be seen.
func TestSubjectsThatOnlyLookValid(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]rune{
		"zero-width space": '\u200b', "zero-width non-joiner": '\u200c', "zero-width joiner": '\u200d', "left-to-right mark": '\u200e',
		"right-to-left mark": '\u200f', "line separator": '\u2028', "paragraph separator": '\u2029', "embedding": '\u202a',
		"override": '\u202e', "word joiner": '\u2060', "invisible times": '\u2062', "isolate": '\u2066', "end of isolate": '\u2069',
		"deprecated": '\u206a', "byte order mark": '\ufeff', "soft hyphen": '\u00ad', "Arabic letter mark": '\u061c',
		"grapheme joiner": '\u034f', "unassigned": '\u2065',
	} {
		for _, subject := range []string{"a" + string(r) + "b", "q" + string(r), string(r) + "x"} {
			draft := parseWith(t, testRules(), map[string]string{"subject": subject})
			if got := found(draft.Problems); len(got) != 1 || got[0] != "subject subject_characters" {
				t.Errorf("%s: %q: %v", name, subject, got)
			}
		}
	}
	if draft := parseWith(t, testRules(), map[string]string{"subject": "“Ça va” – oui… l’été • 50 ‰"}); len(draft.Problems) > 0 {
		t.Errorf("punctuation that can be seen: %v", found(draft.Problems))
	}
}

// TestExtraAreaCodes are valid in every spelling, as long as the exchange can be
// one, and for the destinations of their countries only.
func TestExtraAreaCodes(t *testing.T) {
	t.Parallel()
	rules := NewRules(RuleOptions{
		DefaultRegion: "US", Destinations: []string{"US"}, Sender: "12065550100",
		ExtraAreaCodes: map[string]string{"861": "US", "679": "US", "942": "CA", "658": "JM", "384": "CA"},
	})
	for value, want := range map[string]string{
		"+18612345678": "", "+16795550123": "", "(861) 234-5678": "", "1 861.234.5678": "", " +1-679-555-0123 ": "", "8619999999": "",
		"+18611345678": "to invalid", "+18610345678": "to invalid", "+1861234567": "to invalid", "+186123456789": "to invalid",
		"+448612345678": "to invalid", "+18622345678": "", "+18602345678": "", "861234567": "to invalid", "+1861234567x": "to invalid",
		"+13842345678": "to destination_unsupported", "+13832345678": "to invalid",
	} {
		draft := parseWith(t, rules, map[string]string{"to": value})
		got := ""
		if problems := found(draft.Problems); len(problems) > 0 {
			got = problems[0]
		}
		if got != want || want == "" && len(draft.Content.To) != len("+18612345678") {
			t.Errorf("%s: %q %q, want %q", value, draft.Content.To, got, want)
		}
	}
	if number, ok := rules.Phone("861-234-5678"); !ok || number != "+18612345678" {
		t.Errorf("%s %v", number, ok)
	}
	if number, ok := testRules().Phone("+18612345678"); ok {
		t.Errorf("without the list: %s", number)
	}
}
