package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestBadInput: every invalid request gets a 4xx problem that names the field,
// and the service continues.
func TestBadInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	with := messageBody
	to := func(value string) string { return `{"to":` + value + `,"mediaUrl":"https://e.com/a"}` }
	media := func(value string) string { return `{"to":"+12065551212","mediaUrl":` + value + `}` }
	deep := func(levels int) string { return strings.Repeat(`[`, levels) + strings.Repeat(`]`, levels) }
	longKey := strings.Repeat("k", 41)
	const unreadable = ""
	tests := []struct{ name, body, want string }{
		{"nothing", ``, unreadable},
		{"spaces", "  \n", unreadable},
		{"cut off", `{"to":"+1206`, unreadable},
		{"array", `[]`, unreadable},
		{"null", `null`, unreadable},
		{"string", `"x"`, unreadable},
		{"number", `7`, unreadable},
		{"two objects", with("") + with(""), unreadable},
		{"garbage behind", with("") + `x`, unreadable},
		{"zero byte behind", with("") + "\x00", unreadable},
		{"byte order mark", "\xef\xbb\xbf" + with(""), unreadable},
		{"UTF-16", "{\x00}\x00", unreadable},
		{"Latin-1", with("\"text\":\"caf\xe9\""), unreadable},
		{"overlong UTF-8", with("\"text\":\"\xc0\xaf\""), unreadable},
		{"surrogate in UTF-8", with("\"text\":\"\xed\xa0\x80\""), unreadable},
		{"lone surrogate", with(`"text":"\ud800"`), unreadable},
		{"lone surrogate in a name", with(`"\udfff":1`), unreadable},
		{"raw line feed", with("\"text\":\"a\nb\""), unreadable},
		{"single quotes", `{'to':'+12065551212'}`, unreadable},
		{"comment", `{"to":"+12065551212"/**/}`, unreadable},
		{"comma behind", `{"to":"+12065551212",}`, unreadable},
		{"form", `to=%2B12065551212&mediaUrl=x`, unreadable},
		{"XML", `<message to="+12065551212"/>`, unreadable},
		{"33 levels", `{"x":` + deep(33) + `}`, unreadable},
		{"100,000 levels", `{"x":` + deep(100_000) + `}`, unreadable},
		{"31 levels of something unknown", with(`"x":` + deep(31)), "x unknown_field"},
		{"huge number", to(`1e400`), "to wrong_type"},
		{"number for a number", to(`12065551212`), "to wrong_type"},
		{"no number", `{"mediaUrl":"https://e.com/a"}`, "to required"},
		{"null number", to(`null`), "to required"},
		{"empty number", to(`""`), "to invalid"},
		{"short number", to(`"911"`), "to invalid"},
		{"letters", to(`"1-800-FLOWERS"`), "to invalid"},
		{"extension", to(`"+12065551212x9"`), "to invalid"},
		{"two numbers", to(`"+12065551212,+12065551213"`), "to invalid"},
		{"list of numbers", to(`["+12065551212"]`), "to wrong_type"},
		{"Arabic digits", to(`"+١٢٠٦٥٥٥١٢١٢"`), "to invalid"},
		{"invisible character", to(`"+1206\u200b5551212"`), "to invalid"},
		{"zero byte in a number", to(`"+12065551212\u0000"`), "to invalid"},
		{"very long number", to(`"` + strings.Repeat("1", 100_000) + `"`), "to invalid"},
		{"unknown country", to(`"+999123456789"`), "to invalid"},
		{"country not served", to(`"+447400123456"`), "to destination_unsupported"},
		{"no media", `{"to":"+12065551212"}`, "mediaUrl required"},
		{"media twice", with(`"media":["https://e.com/a"]`), "media conflict"},
		{"no media in list", `{"to":"+12065551212","media":[]}`, "media required"},
		{"nine media", `{"to":"+12065551212","media":["https://e.com/a"` + strings.Repeat(`,"https://e.com/a"`, 8) + `]}`, "media too_many"},
		{"media is a string", `{"to":"+12065551212","media":"https://e.com/a"}`, "media wrong_type"},
		{"media item is an object", `{"to":"+12065551212","media":["https://e.com/a",{"url":"x"}]}`, "media[1] wrong_type"},
		{"file", media(`"file:///etc/passwd"`), "mediaUrl invalid"},
		{"gopher", media(`"gopher://e.com/a"`), "mediaUrl invalid"},
		{"javascript", media(`"javascript:alert(1)"`), "mediaUrl invalid"},
		{"data", media(`"data:image/png;base64,AAAA"`), "mediaUrl invalid"},
		{"no scheme", media(`"e.com/a.jpg"`), "mediaUrl invalid"},
		{"no host", media(`"https:///a.jpg"`), "mediaUrl invalid"},
		{"credentials", media(`"https://user:secret@e.com/a.jpg"`), "mediaUrl invalid"},
		{"fragment", media(`"https://e.com/a.jpg#x"`), "mediaUrl invalid"},
		{"space in URL", media(`"https://e.com/a b.jpg"`), "mediaUrl invalid"},
		{"backslash in URL", media(`"https://e.com\\@evil.com/"`), "mediaUrl invalid"},
		{"line feed in URL", media(`"https://e.com/\r\nX: y"`), "mediaUrl control_characters"},
		{"port", media(`"https://e.com:99999/"`), "mediaUrl invalid"},
		{"long URL", media(`"https://e.com/` + strings.Repeat("a", 2048) + `"`), "mediaUrl too_long"},
		{"wrong escape in URL", media(`"https://e.com/%zz"`), "mediaUrl invalid"},
		{"unknown field", with(`"txt":"x"`), "txt unknown_field"},
		{"wrong case", with(`"Text":"x"`), "Text unknown_field"},
		{"prototype", with(`"__proto__":{"x":1}`), "__proto__ unknown_field"},
		{"empty name", with(`"":1`), " unknown_field"},
		{"name twice", with(`"text":"a","text":"b"`), "text duplicate_field"},
		{"name twice, escaped", with(`"text":"a","te\u0078t":"b"`), "text duplicate_field"},
		{"text is a number", with(`"text":5`), "text wrong_type"},
		{"long text", with(`"text":"` + strings.Repeat("é", 5001) + `"`), "text too_long"},
		{"zero byte in text", with(`"text":"\u0000"`), "text control_characters"},
		{"escape character in text", with(`"text":"\u001b[2J"`), "text control_characters"},
		{"long subject", with(`"subject":"` + strings.Repeat("x", 81) + `"`), "subject too_long"},
		{"emoji in subject", with(`"subject":"😀"`), "subject subject_characters"},
		{"Cyrillic subject", with(`"subject":"Привет"`), "subject subject_characters"},
		{"line feed in subject", with(`"subject":"a\nb"`), "subject control_characters"},
		{"empty reference", with(`"clientReference":""`), "clientReference invalid"},
		{"long reference", with(`"clientReference":"` + strings.Repeat("x", 65) + `"`), "clientReference too_long"},
		{"space in front of reference", with(`"clientReference":" x"`), "clientReference invalid"},
		{"foreign sender", with(`"from":"+12065559999"`), "from invalid"},
		{"unknown priority", with(`"priority":"urgent"`), "priority invalid"},
		{"no time", with(`"sendAt":"tomorrow"`), "sendAt invalid"},
		{"Unix time", with(`"sendAt":1772366400`), "sendAt wrong_type"},
		{"time without zone", with(`"sendAt":"2026-03-02T00:00:00"`), "sendAt invalid"},
		{"30th of February", with(`"sendAt":"2026-02-30T00:00:00Z"`), "sendAt invalid"},
		{"past", with(`"sendAt":"2026-03-01T11:58:00Z"`), "sendAt in_past"},
		{"far future", with(`"sendAt":"2027-03-01T00:00:00Z"`), "sendAt too_far"},
		{"expired", with(`"expiresAt":"2026-03-01T11:00:00Z"`), "expiresAt in_past"},
		{"expires before it is sent", with(`"sendAt":"2026-03-03T00:00:00Z","expiresAt":"2026-03-02T00:00:00Z"`), "expiresAt conflict"},
		{"empty fallback", with(`"fallbackText":""`), "fallbackText invalid"},
		{"long fallback", with(`"fallbackText":"` + strings.Repeat("x", 1601) + `"`), "fallbackText too_long"},
		{"callback to a file", with(`"callbackUrl":"file:///x"`), "callbackUrl invalid"},
		{"metadata is a list", with(`"metadata":["a"]`), "metadata wrong_type"},
		{"metadata is nested", with(`"metadata":{"a":{"b":"c"}}`), "metadata.a wrong_type"},
		{"long metadata key", with(`"metadata":{"` + longKey + `":"v"}`), "metadata." + longKey + " too_long"},
		{"control character in metadata", with(`"metadata":{"a":"\u0001"}`), "metadata.a control_characters"},
		{"metadata key twice", with(`"metadata":{"a":"x","a":"y"}`), "metadata.a duplicate_field"},
	}
	if least := 60; len(tests) < least {
		t.Fatalf("%d cases, want at least %d", len(tests), least)
	}
	for _, path := range []string{"/v1/messages", "/send-mms"} {
		for _, tt := range tests {
			r := post(path, tt.body).with("X-Request-Id", "bad-input")
			if tt.body == "" {
				r = r.with("Content-Type", "application/json")
			}
			if tt.want == unreadable {
				if p := b.do(t, r).refused(t, http.StatusBadRequest, "invalid_json"); len(p.Errors) > 0 {
					t.Errorf("%s: does not come alone: %v", tt.name, p.fields())
				}
				continue
			}
			if p := b.do(t, r).invalid(t); !slices.Equal(p.fields(), []string{tt.want}) {
				t.Errorf("%s: %v, want %s alone", tt.name, p.fields(), tt.want)
			}
		}
	}
	if n := b.ledger.size(); n > 0 {
		t.Errorf("%d messages were accepted", n)
	}
	b.create(t, "")
}

func TestAllProblemsComeAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := `{"to":5,"media":[1,"ftp://x"],"text":"\u0000","priority":"x","sendAt":"2020-01-01T00:00:00Z","metadata":{"a":1},` +
		`"x":1,"text":"y"}`
	r := post("/v1/messages?dryrun=true", body).with("Idempotency-Key", " a b ").with("Idempotency-Key", "c")
	p := b.do(t, r).invalid(t)
	want := []string{
		"dryrun unknown_field", "to wrong_type", "media[0] wrong_type", "metadata.a wrong_type", "x unknown_field", "text duplicate_field",
		"Idempotency-Key conflict", "text control_characters", "media[1] invalid", "priority invalid", "sendAt in_past",
	}
	if !slices.Equal(p.fields(), want) {
		t.Errorf("%v, want %v", p.fields(), want)
	}
	if b.metrics.get("message none rejected") != 1 {
		t.Error("not counted")
	}
}
