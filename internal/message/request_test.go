package message

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/strictjson"
)

func testRules() *Rules {
	return NewRules(RuleOptions{
		DefaultRegion: "US", Destinations: []string{"US", "CA", "AU", "PR"},
		Sender: "12065550100", Senders: []string{"+12065550101", "28444"},
	})
}

func testNow() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// found writes problems as "field code", in order.
func found(problems []FieldError) []string {
	out := make([]string, 0, len(problems))
	for _, p := range problems {
		out = append(out, p.Field+" "+string(p.Code))
	}
	return out
}

const minimal = `"to":"+12065551212","mediaUrl":"https://example.com/a.jpg"`

func TestParseTakesEverything(t *testing.T) {
	t.Parallel()
	body := `{"to":" (206) 555-1212 ","text":"Tab\t, CR LF\r\n, \ud83d\ude00",
		"media":["https://example.com/a.jpg","HTTP://Example.com:8080/b?c=d%20e"],
		"subject":"Grüße – “Łódź”", "clientReference":"order 1", "from":"12065550101", "priority":"bulk",
		"sendAt":"2026-03-02T01:00:00.123456+02:00",
		"expiresAt":"2026-03-03T00:00:00Z","fallbackText":"see https://example.com","callbackUrl":"https://app.example.com/mms",
		"metadata":{"k":"v","ü":""}}`
	draft, err := testRules().Parse([]byte(body), nil, testNow())
	if err != nil {
		t.Fatal(err)
	}
	if problems := slices.Concat(draft.Problems, draft.Late); len(problems) > 0 {
		t.Fatalf("problems: %v", found(problems))
	}
	want := Content{
		To: "+12065551212", From: "+12065550101", Subject: "Grüße – “Łódź”", Text: "Tab\t, CR LF\r\n, 😀",
		Media: []string{"https://example.com/a.jpg", "HTTP://Example.com:8080/b?c=d%20e"}, ClientReference: "order 1", Priority: Bulk,
		SendAt: time.Date(2026, 3, 1, 23, 0, 0, 123e6, time.UTC), ExpiresAt: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC),
		FallbackText: "see https://example.com", CallbackURL: "https://app.example.com/mms", Metadata: map[string]string{"k": "v", "ü": ""},
	}
	if diff := cmp.Diff(want, draft.Content); diff != "" {
		t.Error(diff)
	}
	if draft.From != "+12065550101" {
		t.Errorf("From = %q", draft.From)
	}
}

func TestSameContent(t *testing.T) {
	t.Parallel()
	parse := func(body string) Draft {
		draft, err := testRules().Parse([]byte(body), nil, testNow())
		if err != nil || len(draft.Problems) > 0 {
			t.Fatalf("%s: %v %v", body, err, found(draft.Problems))
		}
		return draft
	}
	base := parse(`{` + minimal + `}`)
	for name, body := range map[string]string{
		"order of fields":  `{"mediaUrl":"https://example.com/a.jpg","to":"+12065551212"}`,
		"form of number":   `{"to":"206-555-1212","mediaUrl":"https://example.com/a.jpg"}`,
		"list of media":    `{"to":"+12065551212","media":["https://example.com/a.jpg"]}`,
		"escapes":          `{"to":"\u002b12065551212","mediaUrl":"https:\/\/example.com\/a.jpg"}`,
		"default priority": `{` + minimal + `,"priority":"normal"}`,
		"empty is absent":  `{` + minimal + `,"text":"","subject":"","metadata":{}}`,
		"null is absent": `{` + minimal + `,"text":null,"subject":null,"clientReference":null,"from":null,"priority":null,"sendAt":null,
			"expiresAt":null,"fallbackText":null,"callbackUrl":null,"metadata":null,"media":null}`,
	} {
		if draft := parse(body); !draft.Content.Equal(base.Content) {
			t.Errorf("%s: contents differ: %s", name, cmp.Diff(base.Content, draft.Content))
		}
	}
	for name, body := range map[string]string{
		"text":          `{` + minimal + `,"text":"x"}`,
		"named default": `{` + minimal + `,"from":"+12065550100"}`,
		"priority":      `{` + minimal + `,"priority":"high"}`,
		"media":         `{"to":"+12065551212","media":["https://example.com/a.jpg","https://example.com/a.jpg"]}`,
	} {
		if draft := parse(body); draft.Content.Equal(base.Content) {
			t.Errorf("%s: contents do not differ", name)
		}
	}
	utc, offset := parse(`{`+minimal+`,"sendAt":"2026-03-01T13:00:00Z"}`), parse(`{`+minimal+`,"sendAt":"2026-03-01T15:00:00.0001+02:00"}`)
	if !utc.Content.Equal(offset.Content) {
		t.Error("one time written with two offsets differs")
	}
	if small := parse(`{` + minimal + `,"sendAt":"2026-03-01t13:00:00.000z"}`); !utc.Content.Equal(small.Content) {
		t.Error("one time written with small letters differs")
	}
}

func TestFromIsKeptInOneForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`null`: "+12065550100", `"12065550100"`: "+12065550100", `"+12065550100"`: "+12065550100", `"12065550101"`: "+12065550101",
		`"28444"`: "28444", `"+28444"`: "28444",
	} {
		draft, err := testRules().Parse([]byte(`{`+minimal+`,"from":`+in+`}`), nil, testNow())
		if err != nil || len(draft.Problems) > 0 || draft.From != want {
			t.Errorf("from %s: %q, %v, %v; want %q", in, draft.From, err, found(draft.Problems), want)
		}
	}
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func pairs(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	return "{" + strings.Join(list, ",") + "}"
}

func TestProblems(t *testing.T) {
	t.Parallel()
	with := func(more string) string { return `{` + minimal + `,` + more + `}` }
	media := func(url string) string { return `{"to":"+12065551212","mediaUrl":` + url + `}` }
	longURL := `"https://example.com/` + repeat("a", 2048-len("https://example.com/")) + `"`
	tests := []struct {
		name, body string
		want       []string
	}{
		{"nothing", `{}`, []string{"to required", "mediaUrl required"}},
		{"nulls", `{"to":null,"mediaUrl":null,"media":null}`, []string{"to required", "mediaUrl required"}},
		{"all types wrong", `{"to":1,"text":[],"mediaUrl":{},"subject":true,"clientReference":1,"from":1,"priority":1,"sendAt":1,"expiresAt":1,
			"fallbackText":1,"callbackUrl":1,"metadata":"x"}`, []string{
			"to wrong_type", "text wrong_type", "mediaUrl wrong_type", "subject wrong_type", "clientReference wrong_type",
			"from wrong_type",
			"priority wrong_type", "sendAt wrong_type", "expiresAt wrong_type", "fallbackText wrong_type", "callbackUrl wrong_type",
			"metadata wrong_type",
		}},
		{"unknown", with(`"To":"x","mediaURL":"x"`), []string{"To unknown_field", "mediaURL unknown_field"}},
		{"unknown null", with(`"toString":null`), []string{"toString unknown_field"}},
		{"unknown, long", with(`"` + repeat("ü", 101) + `":1`), []string{repeat("ü", 100) + "… unknown_field"}},
		{"duplicate", with(`"to":"+12065551213"`), []string{"to duplicate_field"}},
		{"duplicate by escape", with(`"\u0074o":"+12065551213"`), []string{"to duplicate_field"}},
		{"duplicate unknown", with(`"x":1,"x":1,"x":1`), []string{"x unknown_field", "x duplicate_field", "x duplicate_field"}},
		{"duplicate null", `{"to":null,` + minimal + `}`, []string{"to duplicate_field", "to required"}},

		{"to empty", `{"to":"","mediaUrl":"https://example.com/a"}`, []string{"to invalid"}},
		{"to letters", `{"to":"206-555-CALL","mediaUrl":"https://example.com/a"}`, []string{"to invalid"}},
		{"to unsupported", `{"to":"+447400123456","mediaUrl":"https://example.com/a"}`, []string{"to destination_unsupported"}},

		{"media and mediaUrl", with(`"media":["https://example.com/b"]`), []string{"media conflict"}},
		{
			"media and mediaUrl, both wrong", `{"to":"+12065551212","mediaUrl":"ftp://example.com/a","media":["https://example.com/b",1,"https://u@example.com/c"]}`,
			[]string{"media[1] wrong_type", "media conflict", "mediaUrl invalid", "media[2] invalid"},
		},
		{"mediaUrl and too many media", with(`"media":["` + strings.Repeat(`https://example.com/b","`, 8) + `https://example.com/b"]`), []string{"media conflict", "media too_many"}},
		{"media empty", `{"to":"+12065551212","media":[]}`, []string{"media required"}},
		{"media nine", `{"to":"+12065551212","media":[` + repeat(`"https://e.com/a",`, 8) + `"https://e.com/a"]}`, []string{"media too_many"}},
		{"media not a list", `{"to":"+12065551212","media":"https://example.com/a"}`, []string{"media wrong_type"}},
		{"media elements", `{"to":"+12065551212","media":[1,"https://example.com/a",null,"","ftp://x"]}`, []string{
			"media[0] wrong_type", "media[2] wrong_type", "media[3] invalid", "media[4] invalid",
		}},
		{"url empty", media(`""`), []string{"mediaUrl invalid"}},
		{"url 2048", media(longURL), nil},
		{"url 2049", media(longURL[:len(longURL)-1] + `a"`), []string{"mediaUrl too_long"}},
		{"url control", media(`"https://example.com/\n"`), []string{"mediaUrl control_characters"}},
		{"url C1 control", media(`"https://example.com/\u0085"`), []string{"mediaUrl control_characters"}},

		{"text 5000", with(`"text":"` + repeat("😀", 5000) + `"`), nil},
		{"text 5001", with(`"text":"` + repeat("x", 5001) + `"`), []string{"text too_long"}},
		{"text controls", with(`"text":"\u0000"`), []string{"text control_characters"}},
		{"text DEL", with(`"text":"\u007f"`), []string{"text control_characters"}},
		{"text twice wrong", with(`"text":"\u001b` + repeat("x", 5000) + `"`), []string{"text too_long", "text control_characters"}},
		{"subject 80", with(`"subject":"` + repeat("ß", 80) + `"`), nil},
		{"subject 81", with(`"subject":"` + repeat("x", 81) + `"`), []string{"subject too_long"}},
		{"subject tab", with(`"subject":"a\tb"`), []string{"subject control_characters"}},
		{"subject latin end", with(`"subject":"\u024f\u2000\u205f"`), nil},
		{"subject beyond latin", with(`"subject":"\u0250"`), []string{"subject subject_characters"}},
		{"subject beyond punctuation", with(`"subject":"\u2070"`), []string{"subject subject_characters"}},
		{"subject emoji", with(`"subject":"😀"`), []string{"subject subject_characters"}},

		{"reference empty", with(`"clientReference":""`), []string{"clientReference invalid"}},
		{"reference 64", with(`"clientReference":"` + repeat("~", 64) + `"`), nil},
		{"reference 65", with(`"clientReference":"` + repeat("x", 65) + `"`), []string{"clientReference too_long"}},
		{"reference umlaut", with(`"clientReference":"ü"`), []string{"clientReference invalid"}},
		{"reference tab", with(`"clientReference":"a\tb"`), []string{"clientReference control_characters"}},
		{"reference space first", with(`"clientReference":" a"`), []string{"clientReference invalid"}},
		{"reference space last", with(`"clientReference":"a "`), []string{"clientReference invalid"}},

		{"from empty", with(`"from":""`), []string{"from invalid"}},
		{"from plus", with(`"from":"+"`), []string{"from invalid"}},
		{"from other", with(`"from":"+12065550199"`), []string{"from invalid"}},
		{"from twice plus", with(`"from":"++12065550100"`), []string{"from invalid"}},
		{"priority empty", with(`"priority":""`), []string{"priority invalid"}},
		{"priority case", with(`"priority":"High"`), []string{"priority invalid"}},
		{"fallback empty", with(`"fallbackText":""`), []string{"fallbackText invalid"}},
		{"fallback 1600", with(`"fallbackText":"` + repeat("x", 1600) + `"`), nil},
		{"fallback 1601", with(`"fallbackText":"` + repeat("x", 1601) + `"`), []string{"fallbackText too_long"}},
		{"fallback control", with(`"fallbackText":"\u0007"`), []string{"fallbackText control_characters"}},
		{"callback empty", with(`"callbackUrl":""`), []string{"callbackUrl invalid"}},
		{"callback credentials", with(`"callbackUrl":"https://u:p@example.com/"`), []string{"callbackUrl invalid"}},

		{"metadata 20", with(`"metadata":` + pairs(20)), nil},
		{"metadata 21", with(`"metadata":` + pairs(21)), []string{"metadata too_many"}},
		{"metadata list", with(`"metadata":[]`), []string{"metadata wrong_type"}},
		{"metadata values", with(`"metadata":{"a":1,"b":null,"c":{},"d":"\n","e":"` + repeat("x", 501) + `"}`), []string{
			"metadata.a wrong_type", "metadata.b wrong_type", "metadata.c wrong_type", "metadata.d control_characters",
			"metadata.e too_long",
		}},
		{"metadata value 500", with(`"metadata":{"e":"` + repeat("😀", 500) + `"}`), nil},
		{"metadata key empty", with(`"metadata":{"":"x"}`), []string{"metadata. invalid"}},
		{"metadata key 40", with(`"metadata":{"` + repeat("k", 40) + `":"x"}`), nil},
		{"metadata key 41", with(`"metadata":{"` + repeat("k", 41) + `":"x"}`), []string{"metadata." + repeat("k", 41) + " too_long"}},
		{"metadata key control", with(`"metadata":{"\t":"x"}`), []string{"metadata.\t control_characters"}},
		{"metadata duplicate", with(`"metadata":{"a":"x","a":"y"}`), []string{"metadata.a duplicate_field"}},

		{"sendAt empty", with(`"sendAt":""`), []string{"sendAt invalid"}},
		{
			"expiresAt before sendAt", with(`"sendAt":"2026-03-02T00:00:00Z","expiresAt":"2026-03-01T23:59:59Z"`),
			[]string{"expiresAt conflict"},
		},
		{"expiresAt is sendAt", with(`"sendAt":"2026-03-02T00:00:00Z","expiresAt":"2026-03-02T00:00:00Z"`), []string{"expiresAt conflict"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			draft, err := testRules().Parse([]byte(tt.body), nil, testNow())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, found(draft.Problems)); len(tt.want)+len(draft.Problems) > 0 && diff != "" {
				t.Error(diff)
			}
			if len(draft.Late) > 0 {
				t.Errorf("late: %v", found(draft.Late))
			}
		})
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://example.com": true, "http://example.com/": true, "https://example.com:65535/a?b=c": true, "https://192.0.2.1/a": true,
		"https://[2001:db8::1]:8443/a": true, "https://bücher.example/ä": true, "https://a_b.example./x%20y": true,
		"https://example.com/?q=%zz": true,
		"ftp://example.com/a":        false, "file:///etc/passwd": false, "//example.com/a": false, "example.com/a": false,
		"https:example.com": false,
		"https:///a":        false, "https://": false, "https://:443/": false, "javascript:alert(1)": false, "data:image/png;base64,AA": false,
		"https://user@example.com/": false, "https://user:pw@example.com/": false, "https://@example.com/": false,
		"https://example.com/#":   false,
		"https://example.com/a#b": false, "https://example.com/a b": false, " https://example.com/": false,
		"https://example.com/\u00a0": false,
		`https://example.com\a`:      false, `https:\\example.com`: false, "https://example.com:0/": false, "https://example.com:65536/": false,
		"https://example.com:/": false, "https://example.com:x/": false, "https://example.com/%zz": false, "https://[::1%25eth0]/": false,
		"https://[example.com]/": false, "https://exa<mple.com/": false, "https://.../": false, "https://a..b/": false,
		"https://%41.com/":      false,
		"https://مثال.example/": true, "https://日本語.example/": true, "https://a℀b.example/": false, "https://xn--a.example/": true, //nolint:gosmopolitan // hosts have them
		"https://a\u202eb.example/": false, "https://ａ／b.example/": false,
		"https://exam\u200bple.com/": false,
	} {
		if got := wrongURL(url); (got == "") != ok {
			t.Errorf("%s: %q, want ok %v", url, got, ok)
		}
	}
}

// TestWireURL: the form that is checked and sent is an escaped one, and whatever
// is escaped already stays to the byte.
func TestWireURL(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"https://media.example.com/café.jpg":               "https://media.example.com/caf%C3%A9.jpg",
		"https://media.example.com/cafe\u0301.jpg":         "https://media.example.com/cafe%CC%81.jpg",
		"https://media.example.com/caf%C3%A9.jpg":          "https://media.example.com/caf%C3%A9.jpg",
		"https://media.example.com/café%2Fbar%2fé.jpg":     "https://media.example.com/caf%C3%A9%2Fbar%2f%C3%A9.jpg",
		"https://bücher.example:8443/ä?name=ö&sig=a%2Bb+c": "https://xn--bcher-kva.example:8443/%C3%A4?name=%C3%B6&sig=a%2Bb+c",
		"https://BÜCHER.example":                           "https://xn--bcher-kva.example",
		"https://日本語.example?x=日":                          "https://xn--wgv71a119e.example?x=%E6%97%A5", //nolint:gosmopolitan // hosts have them
		"https://%C3%BC.example/a":                         "https://xn--tda.example/a",
		"HTTPS://Example.COM/A":                            "https://Example.COM/A",
		"https://e.com/a{1}|<b>\"`^":                       "https://e.com/a%7B1%7D%7C%3Cb%3E%22%60%5E",
		"https://e.com/?q=100%&r=%zz&s=%4":                 "https://e.com/?q=100%25&r=%25zz&s=%254",
		"https://e.com/a//b/../c;d=1,2:3@4?a[]=b":          "https://e.com/a//b/../c;d=1,2:3@4?a[]=b",
		"https://[2001:db8::1]:8443/ä":                     "https://[2001:db8::1]:8443/%C3%A4",
		"https://e.com/😀.gif":                              "https://e.com/%F0%9F%98%80.gif",
		"not a url":                                        "not a url",
	} {
		if got := WireURL(written); got != want || WireURL(got) != got {
			t.Errorf("%s is sent as %s, want %s; that again as %s", written, got, want, WireURL(got))
		}
	}
}

// TestMediaAreKeptAsWritten: resources show the URL of the caller.
func TestMediaAreKeptAsWritten(t *testing.T) {
	t.Parallel()
	const written = "https://bücher.example/café.jpg"
	draft, err := testRules().Parse([]byte(`{"to":"+12065551212","mediaUrl":"`+written+`"}`), nil, testNow())
	if err != nil || len(draft.Problems) > 0 || draft.Content.Media[0] != written {
		t.Errorf("%v, %v, %v", err, found(draft.Problems), draft.Content.Media)
	}
}

// FuzzWireURL: what the rules take has a form that net/http sends as it is, and
// that leads to the same place.
func FuzzWireURL(f *testing.F) {
	f.Add("https://bücher.example/café.jpg?ä=%zz")
	f.Add("http://[::1]:80?%")
	f.Fuzz(func(t *testing.T, written string) {
		if wrongURL(written) != "" || !utf8.ValidString(written) {
			return
		}
		wire := WireURL(written)
		before, _ := url.Parse(written)
		after, err := url.Parse(wire)
		if err != nil || after.Path != before.Path || after.Port() != before.Port() || after.RawQuery == "" && before.RawQuery != "" {
			t.Fatalf("%q is sent as %q: %v", written, wire, err)
		}
		if WireURL(wire) != wire || strings.ContainsFunc(wire, func(r rune) bool { return r <= ' ' || r > unicode.MaxASCII }) {
			t.Errorf("%q is sent as %q, and that as %q", written, wire, WireURL(wire))
		}
	})
}

func TestTimes(t *testing.T) {
	t.Parallel()
	tests := []struct{ field, at, late string }{
		{"sendAt", "2026-03-01T11:59:00Z", ""},
		{"sendAt", "2026-03-01T11:58:59.999Z", "in_past"},
		{"sendAt", "2026-03-31T12:00:00Z", ""},
		{"sendAt", "2026-03-31T12:00:00.001Z", "too_far"},
		{"expiresAt", "2026-03-01T12:00:00Z", "in_past"},
		{"expiresAt", "2026-03-01T12:00:00.001Z", ""},
		{"expiresAt", "2036-03-01T12:00:00-12:00", ""},
		{"sendAt", "2026-03-01t11:59:00z", ""},
		{"sendAt", "2026-03-01t11:58:59.999z", "in_past"},
		{"expiresAt", "2036-03-01t12:00:00.5+00:00", ""},
	}
	for _, tt := range tests {
		draft, err := testRules().Parse([]byte(`{`+minimal+`,"`+tt.field+`":"`+tt.at+`"}`), nil, testNow())
		if err != nil || len(draft.Problems) > 0 {
			t.Errorf("%s %s: %v %v", tt.field, tt.at, err, found(draft.Problems))
		}
		var want []string
		if tt.late != "" {
			want = []string{tt.field + " " + tt.late}
		}
		if got := found(draft.Late); !slices.Equal(got, want) {
			t.Errorf("%s %s: late %v, want %v", tt.field, tt.at, got, want)
		}
	}
	for _, wrong := range []string{
		"2026-03-02", "2026-03-02T00:00:00", "2026-03-02 00:00:00Z", "2026-03-02T00:00Z", "2026-02-30T00:00:00Z", "2026-03-02T24:00:00Z",
		"2026-03-02T00:00:00,5Z", "2026-03-02T0:00:00Z", "2026-03-02T00:00:00+24:00", "1772323200", "tomorrow", " 2026-03-02T00:00:00Z",
		"0000-01-01T00:00:00+01:00",
	} {
		if at, ok := ParseTime(wrong); ok {
			t.Errorf("ParseTime(%s) = %v", wrong, at)
		}
	}
}

func TestRulesOfTheAPIInUse(t *testing.T) {
	t.Parallel()
	rules := NewRules(RuleOptions{DefaultRegion: "US", Destinations: []string{"*"}, Sender: "28444", SingleMedia: true, NoFallbackText: true})
	body := `{"to":"+447400123456","media":["https://example.com/a","https://example.com/b"],"fallbackText":"x"}`
	draft, err := rules.Parse([]byte(body), nil, testNow())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"media media_count", "fallbackText unsupported"}, found(draft.Problems)); diff != "" {
		t.Error(diff)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		keys       []string
		ref        string
		want       []string
	}{
		{"none", ``, nil, "", nil},
		{"plain", ``, []string{"order-1"}, "order-1", nil},
		{"quoted", ``, []string{`"order-1"`}, "order-1", nil},
		{"quoted quote", ``, []string{`"a\"b\\"`}, `a"b\`, nil},
		{"lines agree", ``, []string{"a", `"a"`}, "a", nil},
		{"lines differ", ``, []string{"a", "b"}, "", []string{"Idempotency-Key conflict"}},
		{"agrees with body", `"clientReference":"a"`, []string{`"a"`}, "a", nil},
		{"differs from body", `"clientReference":"a"`, []string{"b"}, "a", []string{"Idempotency-Key conflict"}},
		{"stands for null", `"clientReference":null`, []string{"b"}, "b", nil},
		{"body of wrong type", `"clientReference":1`, []string{"b"}, "", []string{"clientReference wrong_type"}},
		{"empty", ``, []string{""}, "", []string{"Idempotency-Key invalid"}},
		{"quoted empty", ``, []string{`""`}, "", []string{"Idempotency-Key invalid"}},
		{"one quote", ``, []string{`"`}, `"`, nil},
		{"quoted spaces", ``, []string{`" a"`}, "", []string{"Idempotency-Key invalid"}},
		{"too long", ``, []string{repeat("x", 65)}, "", []string{"Idempotency-Key too_long"}},
		{"not ASCII", ``, []string{"ü"}, "", []string{"Idempotency-Key invalid"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := `{` + minimal + strings.TrimSuffix(","+tt.body, ",") + `}`
			draft, err := testRules().Parse([]byte(body), tt.keys, testNow())
			if err != nil {
				t.Fatal(err)
			}
			if got := found(draft.Problems); !slices.Equal(got, tt.want) {
				t.Errorf("problems %v, want %v", got, tt.want)
			}
			if len(tt.want) == 0 && draft.Content.ClientReference != tt.ref {
				t.Errorf("reference %q, want %q", draft.Content.ClientReference, tt.ref)
			}
		})
	}
}

func TestParseRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `[]`, `null`, `"x"`, `1`, `{`, `{}{}`, "\xef\xbb\xbf{}"} {
		if _, err := testRules().Parse([]byte(body), nil, testNow()); err == nil {
			t.Errorf("%s: accepted", body)
		}
		if _, _, err := ParseReplay([]byte(body), testNow()); err == nil {
			t.Errorf("replay %s: accepted", body)
		}
		if _, err := ParseNothing([]byte(body)); err == nil {
			t.Errorf("nothing %s: accepted", body)
		}
	}
}

func TestProblemsNeverHoldValues(t *testing.T) {
	t.Parallel()
	const secret = "4155550123"
	body := `{"to":"` + secret + `x","mediaUrl":"https://u:` + secret + `@h/","text":"` + secret + `\u0000","subject":"` + secret + `😀",
		"clientReference":" ` + secret + `", "from":"` + secret + `", "priority":"` + secret + `", "sendAt":"` + secret + `",
		"callbackUrl":"` + secret + `",
		"metadata":{"k":"` + secret + `\n"}}`
	draft, err := testRules().Parse([]byte(body), []string{secret}, testNow())
	if err != nil {
		t.Fatal(err)
	}
	const wrongFields = 11
	if len(draft.Problems) != wrongFields {
		t.Errorf("%d problems, want %d: %v", len(draft.Problems), wrongFields, found(draft.Problems))
	}
	if text := fmt.Sprint(draft.Problems); strings.Contains(text, secret) {
		t.Errorf("a value shows: %s", text)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	body.WriteString(`{`)
	for i := range 100_000 {
		fmt.Fprintf(&body, `"x%d":0,`, i)
	}
	body.WriteString(minimal + `}`)
	draft, err := testRules().Parse([]byte(body.String()), nil, testNow())
	if err != nil || len(draft.Problems) != problemsKept || draft.More != 100_000-problemsKept {
		t.Errorf("%d problems and %d more, %v", len(draft.Problems), draft.More, err)
	}
}

func TestParseReplay(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		body string
		want ReplayRequest
		bad  []string
	}{
		{`{}`, ReplayRequest{}, nil},
		{`{"force":true,"expiresAt":"2026-03-02T01:00:00+01:00"}`, ReplayRequest{Force: true, ExpiresAt: at}, nil},
		{`{"force":null,"expiresAt":null}`, ReplayRequest{}, nil},
		{`{"force":"true","expiresAt":1,"x":1}`, ReplayRequest{}, []string{"force wrong_type", "expiresAt wrong_type", "x unknown_field"}},
		{`{"force":true,"force":true}`, ReplayRequest{Force: true}, []string{"force duplicate_field"}},
		{`{"expiresAt":"2026-03-01T12:00:00Z"}`, ReplayRequest{ExpiresAt: testNow()}, []string{"expiresAt in_past"}},
		{`{"expiresAt":"soon"}`, ReplayRequest{}, []string{"expiresAt invalid"}},
	}
	for _, tt := range tests {
		got, bad, err := ParseReplay([]byte(tt.body), testNow())
		if err != nil || got != tt.want || !slices.Equal(found(bad), tt.bad) {
			t.Errorf("%s: %+v, %v, %v; want %+v, %v", tt.body, got, found(bad), err, tt.want, tt.bad)
		}
	}
}

func TestParseNothing(t *testing.T) {
	t.Parallel()
	if bad, err := ParseNothing([]byte(`{}`)); err != nil || len(bad) > 0 {
		t.Errorf("{}: %v, %v", found(bad), err)
	}
	if bad, err := ParseNothing([]byte(`{"force":true}`)); err != nil || !slices.Equal(found(bad), []string{"force unknown_field"}) {
		t.Errorf("force: %v, %v", found(bad), err)
	}
}

func TestReadFieldsOfSomethingElse(t *testing.T) {
	t.Parallel()
	value, err := strictjson.Parse([]byte(`[1]`))
	if err != nil {
		t.Fatal(err)
	}
	draft := testRules().Check(ReadFields(value), testNow())
	if !slices.Contains(found(draft.Problems), " wrong_type") {
		t.Errorf("problems %v", found(draft.Problems))
	}
}

// FuzzRequest: any body is either refused or means a content that, written
// out again, is the same content.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{` + minimal + `}`, `{"to":"2065551212","media":["https://e.com/a"],"metadata":{"k":"v"},"sendAt":"2026-03-01T12:00:00.5+01:00"}`,
		`{` + minimal + `,"priority":"bulk","from":"28444","text":"\ud83d\ude00","expiresAt":"9999-12-31T23:59:59.999999999Z"}`,
		`{"to":1,"to":[]}`,
	} {
		f.Add([]byte(seed), "")
	}
	f.Add([]byte(`{`+minimal+`}`), `"a\"b"`)
	rules := testRules()
	f.Fuzz(func(t *testing.T, body []byte, key string) {
		var keys []string
		if key != "" {
			keys = []string{key}
		}
		draft, err := rules.Parse(body, keys, testNow())
		if err != nil || len(draft.Problems) > 0 {
			return
		}
		again, err := rules.Parse(written(t, draft.Content), nil, testNow())
		if err != nil || len(again.Problems) > 0 {
			t.Fatalf("written out again: %v %v", err, found(again.Problems))
		}
		if !again.Content.Equal(draft.Content) {
			t.Error(cmp.Diff(draft.Content, again.Content))
		}
	})
}

func BenchmarkParse(b *testing.B) {
	rules, now := testRules(), testNow()
	body := []byte(`{` + minimal + `,"text":"Your order is on its way.","clientReference":"order-1000001","metadata":{"order":"1000001"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if draft, err := rules.Parse(body, nil, now); err != nil || len(draft.Problems) > 0 {
			b.Fatal(err, found(draft.Problems))
		}
	}
}
