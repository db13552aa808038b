package message

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestParseOptOut(t *testing.T) {
	t.Parallel()
	rules := NewRules(RuleOptions{Sender: "12065550100", Senders: []string{"28444"}})
	long := strings.Repeat("é", optOutReasonMax)
	tests := []struct {
		body string
		want OptOutRequest
		bad  []string
	}{
		{`{}`, OptOutRequest{}, nil},
		{`{"sender":null,"reason":null}`, OptOutRequest{}, nil},
		{`{"sender":"+12065550100","reason":"asked by phone"}`, OptOutRequest{"+12065550100", "asked by phone"}, nil},
		{`{"sender":"12065550100"}`, OptOutRequest{Sender: "+12065550100"}, nil},
		{`{"sender":"28444","reason":"` + long + `"}`, OptOutRequest{"28444", long}, nil},
		{`{"sender":"+12065550199"}`, OptOutRequest{}, []string{"sender invalid"}},
		{`{"sender":""}`, OptOutRequest{}, []string{"sender invalid"}},
		{`{"sender":28444,"reason":[],"number":"x"}`, OptOutRequest{}, []string{"sender wrong_type", "reason wrong_type", "number unknown_field"}},
		{`{"reason":""}`, OptOutRequest{}, []string{"reason invalid"}},
		{`{"reason":"` + long + `x"}`, OptOutRequest{Reason: long + "x"}, []string{"reason too_long"}},
		{`{"reason":"a\nb"}`, OptOutRequest{Reason: "a\nb"}, []string{"reason control_characters"}},
		{`{"sender":"28444","sender":"28444"}`, OptOutRequest{Sender: "28444"}, []string{"sender duplicate_field"}},
	}
	for _, tt := range tests {
		got, bad, err := rules.ParseOptOut([]byte(tt.body))
		if err != nil || got != tt.want || !slices.Equal(found(bad), tt.bad) {
			t.Errorf("%s: %+v, %v, %v; want %+v, %v", tt.body, got, found(bad), err, tt.want, tt.bad)
		}
	}
	if _, _, err := rules.ParseOptOut([]byte(`[]`)); err == nil {
		t.Error("an array was accepted")
	}
}

// A request without problems is within the rules.
func FuzzOptOut(f *testing.F) {
	for _, seed := range []string{`{}`, `{"sender":"28444","reason":"x"}`, `{"sender":null,"reason":1}`, `{"reason":"\u0000"}`, `[]`, `{"a":{},"a":{}}`} {
		f.Add([]byte(seed))
	}
	rules := NewRules(RuleOptions{Sender: "12065550100", Senders: []string{"28444"}})
	f.Fuzz(func(t *testing.T, body []byte) {
		got, bad, err := rules.ParseOptOut(body)
		if err != nil || len(bad) > 0 {
			return
		}
		if !slices.Contains([]string{"", "+12065550100", "28444"}, got.Sender) {
			t.Errorf("a sender that is none of ours was accepted")
		}
		if utf8.RuneCountInString(got.Reason) > optOutReasonMax || strings.ContainsFunc(got.Reason, unicode.IsControl) {
			t.Errorf("the reason %q was accepted", got.Reason)
		}
	})
}
