package strictjson_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"mmsdispatch/internal/strictjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels-1) + `{}` + strings.Repeat("}", levels-1)
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, reason string }{
		"nothing":               {"", "there is no JSON"},
		"spaces only":           {" \n\t", "there is no JSON"},
		"byte order mark":       {"\ufeff{}", "malformed JSON"},
		"Latin-1":               {"{\"a\":\"\xe9\"}", "invalid UTF-8"},
		"encoded surrogate":     {"{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8"},
		"lone high surrogate":   {`{"a":"\ud83d"}`, "half of a surrogate pair"},
		"lone low surrogate":    {`{"a":"\ude00 "}`, "half of a surrogate pair"},
		"surrogates swapped":    {`{"a":"\ude00\ud83d"}`, "half of a surrogate pair"},
		"lone surrogate as key": {`{"\ud83d":1}`, "half of a surrogate pair"},
		"cut off":               {`{"a":`, "ends too early"},
		"second value":          {`{} {}`, "something follows"},
		"comma at the end":      {`{},`, "something follows"},
		"zero byte at the end":  {"{}\x00", "something follows"},
		"raw line feed":         {"{\"a\":\"x\ny\"}", "malformed JSON"},
		"comma in object":       {`{"a":1,}`, "malformed JSON"},
		"single quotes":         {`{'a':1}`, "malformed JSON"},
		"bare name":             {`{a:1}`, "malformed JSON"},
		"comment":               {`{/* x */}`, "malformed JSON"},
		"leading zero":          {`{"a":01}`, "malformed JSON"},
		"not a number":          {`{"a":NaN}`, "malformed JSON"},
		"unknown escape":        {`{"a":"\x41"}`, "malformed JSON"},
		"brackets crossed":      {`{"a":[}]`, "malformed JSON"},
		"33 levels":             {nested(33), "nested deeper"},
		"a million brackets":    {strings.Repeat("[", 1_000_000), "nested deeper"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := strictjson.Parse([]byte(tt.text))
			syntax, ok := errors.AsType[*strictjson.SyntaxError](err)
			if !ok {
				t.Fatalf("error = %v, want a SyntaxError", err)
			}
			if !strings.Contains(syntax.Error(), tt.reason) {
				t.Errorf("error = %q, want it to say %q", syntax, tt.reason)
			}
		})
	}
}

func TestParseTakes(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, " \r\n\t{} \n", `[]`, `null`, `"x"`, `1e999`, `{"a":1,"a":2}`, nested(32),
		`{"a":"\ud83d\ude00"}`, `{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}`, `{"a":"\"[[[\\"}`, `{"\u0000":"\u0000"}`,
	} {
		if _, err := strictjson.Parse([]byte(text)); err != nil {
			t.Errorf("Parse(%s): %v", text, err)
		}
	}
}

func TestErrorsHoldNothingOfTheInput(t *testing.T) {
	t.Parallel()
	_, err := strictjson.Parse([]byte(`{"to":"+12065551212" "secret"}`))
	if err == nil || strings.ContainsAny(err.Error(), `"+`) || strings.Contains(err.Error(), "secret") {
		t.Errorf("error = %v, want one without the input", err)
	}
}

func mustParse(tb testing.TB, text string) strictjson.Value {
	tb.Helper()
	v, err := strictjson.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestMembersAndElements(t *testing.T) {
	t.Parallel()
	v := mustParse(t, ` {"z" : "\u00e9\n" ,"a":[ "x" , {"b":null} , []],"z":true} `)
	members := slices.Collect(v.Members())
	if len(members) != 3 {
		t.Fatalf("%d members", len(members))
	}
	names := make([]string, 0, len(members))
	for _, m := range members {
		names = append(names, m.Name)
	}
	if diff := cmp.Diff([]string{"z", "a", "z"}, names); diff != "" {
		t.Error(diff)
	}
	if text, ok := members[0].Value.Text(); !ok || text != "é\n" {
		t.Errorf("z = %q, %v", text, ok)
	}
	if truth, ok := members[2].Value.Bool(); !ok || !truth {
		t.Errorf("second z = %v, %v", truth, ok)
	}
	elements := slices.Collect(members[1].Value.Elements())
	if len(elements) != 3 {
		t.Fatalf("a has %d elements", len(elements))
	}
	inner := slices.Collect(elements[1].Members())
	if len(inner) != 1 || !inner[0].Value.IsNull() {
		t.Errorf("a[1] = %v", inner)
	}
	if empty := slices.Collect(elements[2].Elements()); !elements[2].IsArray() || len(empty) != 0 {
		t.Errorf("a[2] = %v", empty)
	}
	for range v.Elements() {
		t.Error("an object has elements")
	}
	for range elements[2].Members() {
		t.Error("an array has members")
	}
}

func TestWrongKinds(t *testing.T) {
	t.Parallel()
	v := mustParse(t, `1`)
	_, isText := v.Text()
	_, isBool := v.Bool()
	if isText || isBool || v.IsArray() || v.IsNull() || v.IsObject() {
		t.Error("a number passes for something else")
	}
}

// FuzzParse compares with the standard library, which takes more: whatever
// passes here must mean the same there.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":"b"}`, `[1,{"x":[null]}]`, `{"a":"\ud83d\ude00"}`, "\xff", nested(33), `"\u0000"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := strictjson.Parse(data)
		if err != nil {
			return
		}
		var want any
		if err := json.Unmarshal(data, &want); err != nil && !isRangeError(err) {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		} else if err != nil {
			return
		}
		if diff := cmp.Diff(want, plain(v, want)); diff != "" {
			t.Error(diff)
		}
	})
}

func isRangeError(err error) bool {
	_, ok := errors.AsType[*json.UnmarshalTypeError](err)
	return ok
}

// plain turns v into what encoding/json makes of it, numbers taken from want.
func plain(v strictjson.Value, want any) any {
	if text, ok := v.Text(); ok {
		return text
	}
	if truth, ok := v.Bool(); ok {
		return truth
	}
	if v.IsNull() {
		return nil
	}
	if v.IsArray() {
		array, _ := want.([]any)
		out := []any{}
		for e := range v.Elements() {
			var like any
			if len(out) < len(array) {
				like = array[len(out)]
			}
			out = append(out, plain(e, like))
		}
		return out
	}
	if v.IsObject() {
		object, _ := want.(map[string]any)
		out := make(map[string]any)
		for m := range v.Members() {
			out[m.Name] = plain(m.Value, object[m.Name])
		}
		return out
	}
	return want
}
