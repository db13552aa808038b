package mms_test

import (
	"testing"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestMagicNumbersMMS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		digits  string
		refused string   // error code
		hangs   bool     // accepted and never answered
		codes   []string // receipts
		sentAs  string
	}{
		{digits: "9001", refused: "E110"},
		{digits: "9002", refused: "E114"},
		{digits: "9003", refused: "E351"},
		{digits: "9004", codes: []string{"N101", "E102"}},
		{digits: "9005", codes: []string{"N101", "N103"}},
		{digits: "9007"},
		{digits: "9008", hangs: true},
		{digits: "9009", hangs: true, codes: []string{"N101", "N102"}},
		{digits: "9010", codes: []string{"N101", "N202"}, sentAs: "SMS"},
		{digits: "1212", codes: []string{"N101", "N102"}, sentAs: "MMS"},
	}
	for _, tt := range tests {
		t.Run(tt.digits, func(t *testing.T) {
			t.Parallel()
			s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
			body := simtest.MMS().With("to", "1206555"+tt.digits)
			if tt.hangs {
				s.CheckHangs(t, simtest.MMSPath, simtest.MMSHeader(), body)
			} else {
				got := s.SendMMS(t, body)
				if code, _ := got.Fields["error-code"].(string); code != tt.refused {
					t.Fatalf("answer %s", got.Raw)
				}
			}
			var accepted uint64 = 1
			if tt.refused != "" {
				accepted = 0
			}
			if n := s.Stats().Accepted; n != accepted {
				t.Errorf("%d accepted calls, want %d", n, accepted)
			}
			for i, code := range tt.codes {
				p := rec.Next(t)
				if p.Fields["code"] != code {
					t.Errorf("receipt %d is %v, want %s", i, p.Fields["code"], code)
				}
				if i > 0 && tt.sentAs != "" && p.Fields["sent-as"] != tt.sentAs {
					t.Errorf("sent as %v", p.Fields["sent-as"])
				}
			}
			s.AwaitReceipts(t)
			if n := s.Stats().Receipts.Scheduled; n != uint64(len(tt.codes)) {
				t.Errorf("%d receipts, want %d", n, len(tt.codes))
			}
		})
	}
}
