package batches_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

func TestMagicNumbersBatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		digits  string
		refused string
		hangs   bool
		codes   []any
		status  string // of the last report
	}{
		{digits: "9001", refused: "illegal_number_type"},
		{digits: "9002", codes: []any{3001.0}, status: "Rejected"},
		{digits: "9003", codes: []any{414.0}, status: "Rejected"},
		{digits: "9004", codes: []any{401.0, 415.0}, status: "Rejected"},
		{digits: "9005", codes: []any{401.0, 406.0}, status: "Expired"},
		{digits: "9007"},
		{digits: "9008", hangs: true},
		{digits: "9009", hangs: true, codes: []any{401.0, 0.0}, status: "Delivered"},
		{digits: "9010", codes: []any{401.0, 0.0}, status: "Delivered"},
		{digits: "1212", codes: []any{401.0, 0.0}, status: "Delivered"},
	}
	for _, tt := range tests {
		t.Run(tt.digits, func(t *testing.T) {
			t.Parallel()
			s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
			body := simtest.Batch().With("to", []any{"+1206555" + tt.digits})
			if tt.hangs {
				s.CheckHangs(t, "/xms/v1/"+simtest.Plan+"/batches", simtest.BearerHeader(simtest.Token), body)
			} else {
				got := s.SendBatch(t, body)
				if tt.refused != "" && (got.Status != http.StatusForbidden || got.Fields["code"] != tt.refused) {
					t.Fatalf("answer %d %s", got.Status, got.Raw)
				}
				if tt.refused == "" && got.Status != http.StatusCreated {
					t.Fatalf("answer %d %s", got.Status, got.Raw)
				}
			}
			var last simtest.Postback
			var codes []any
			for range tt.codes {
				last = rec.Next(t)
				codes = append(codes, last.Fields["code"])
			}
			if diff := cmp.Diff(tt.codes, codes); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
			if len(codes) > 0 && last.Fields["status"] != tt.status {
				t.Errorf("status %v, want %s", last.Fields["status"], tt.status)
			}
			s.AwaitReceipts(t)
			if n := s.Stats().Receipts.Scheduled; n != uint64(len(tt.codes)) {
				t.Errorf("%d receipts, want %d", n, len(tt.codes))
			}
		})
	}
}

// Each recipient of a batch has the behaviour of its own number.
func TestMagicNumbersInOneBatch(t *testing.T) {
	t.Parallel()
	s, rec := simtest.StartWithReceiver(t, sinchsim.Options{})
	s.SendBatch(t, simtest.Batch().With("to", []any{"12065551212", "12065559004", "12065559005"}).With("delivery_report", "full"))
	p := rec.Next(t)
	want := []any{
		map[string]any{"code": 0.0, "status": "Delivered", "count": 1.0, "recipients": []any{"12065551212"}},
		map[string]any{"code": 406.0, "status": "Expired", "count": 1.0, "recipients": []any{"12065559005"}},
		map[string]any{"code": 415.0, "status": "Rejected", "count": 1.0, "recipients": []any{"12065559004"}},
	}
	if diff := cmp.Diff(want, p.Fields["statuses"]); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}
