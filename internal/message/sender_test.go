package message

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSendersOfTenants(t *testing.T) {
	t.Parallel()
	rules := NewRules(RuleOptions{
		DefaultRegion: "US", Destinations: []string{"US"}, Sender: "12065550100", Senders: []string{"28444", "+12065550101"},
		SenderTenants: SenderTenants{"+12065550100": {"shop"}, "28444": {"bank", "shop"}},
	})
	for _, tt := range []struct{ tenant, from, sender, problem string }{
		{"shop", "", "+12065550100", ""},
		{"shop", "28444", "28444", ""},
		{"bank", "28444", "28444", ""},
		{"bank", "12065550101", "+12065550101", ""}, // belongs to all
		{"bank", "", "", "from required"},
		{"bank", "+12065550100", "", "from invalid"},
		{"other", "28444", "", "from invalid"},
	} {
		body := `{"to":"+12065551212","mediaUrl":"https://a.example/a.jpg"`
		if tt.from != "" {
			body += `,"from":"` + tt.from + `"`
		}
		draft, err := rules.For(tt.tenant).Parse([]byte(body+"}"), nil, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var problems []string
		for _, p := range draft.Problems {
			problems = append(problems, p.Field+" "+string(p.Code))
		}
		if got := strings.Join(problems, ", "); got != tt.problem || tt.problem == "" && draft.From != tt.sender {
			t.Errorf("%s from %q: sender %q, problems %q; want %q, %q", tt.tenant, tt.from, draft.From, got, tt.sender, tt.problem)
		}
	}
	if wrong := rules.For("bank").CheckDefaults(Fields{}, ""); len(wrong) > 0 {
		t.Errorf("defaults without from: %v", wrong)
	}
	for number, want := range map[string]string{"12065550100": "+12065550100", "+12065550101": "+12065550101", "28444": "28444", "1": ""} {
		if sender, ok := rules.Sender(number); sender != want || ok != (want != "") {
			t.Errorf("%s is %q, %v", number, sender, ok)
		}
	}
	if rules.DefaultSender() != "+12065550100" || !slices.Equal(SenderTenants(nil)["x"], nil) || !SenderTenants(nil).Allows("shop", "x") {
		t.Error("without tenants a sender belongs to all")
	}
}
