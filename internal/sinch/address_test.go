package sinch_test

import (
	"testing"

	"mmsdispatch/internal/sinch"
)

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		override string
		api      sinch.API
		region   string
		want     string
	}{
		{"", sinch.APIMMS, "us", "https://api.ci.mblox.com"},
		{"", sinch.APIMMS, "", "https://api.ci.mblox.com"},
		{"", sinch.APIBatches, "", "https://us.sms.api.sinch.com"},
		{"", sinch.APIBatches, "eu", "https://eu.sms.api.sinch.com"},
		{"", sinch.APIConversation, "br", "https://br.conversation.api.sinch.com"},
		{"", sinch.APISimulator, "us", ""},
		{"", "sms", "us", ""},
		{"http://127.0.0.1:8181", sinch.APIMMS, "us", "http://127.0.0.1:8181"},
		{"http://127.0.0.1:8181//", sinch.APIBatches, "eu", "http://127.0.0.1:8181"},
		{"https://user:secret@sinch.example.com/", sinch.APIMMS, "", "https://sinch.example.com"},
	} {
		if got := sinch.BaseURL(tc.override, tc.api, tc.region); got != tc.want {
			t.Errorf("%q %s %q: %q, want %q", tc.override, tc.api, tc.region, got, tc.want)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	listed := sinch.Rule{
		Code: "E114", Meaning: "blocked", Kind: sinch.Refused, Reason: sinch.ReasonSuppressed, MaxRetries: 2, Suppress: true,
	}
	table := sinch.NewTable([]sinch.Rule{listed})
	want := sinch.Outcome{
		Kind: sinch.Refused, Code: sinch.ReasonSuppressed, SinchCode: "E114", Detail: "blocked", MaxRetries: 2, Suppress: true,
	}
	if got := table["E114"].Outcome(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	want = sinch.Outcome{Kind: sinch.Refused, Code: sinch.ReasonContent, SinchCode: "X1", Detail: sinch.DetailUnlisted}
	if got := sinch.Unlisted("X1", sinch.ReasonContent).Outcome(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
