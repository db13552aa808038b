package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/httpapi"
	"mmsdispatch/internal/ledger"
	"mmsdispatch/internal/message"
	"mmsdispatch/internal/redistest"
)

// Rows that differ in nothing but the recipient get a group when ShareCalls is
// set; a row without a match gets none, and neither does a test key's.
func TestRowsThatMayShareACall(t *testing.T) {
	t.Parallel()
	row := func(i int, text string) string {
		return fmt.Sprintf(`{"to":"+120655512%02d","text":%q,"mediaUrl":"https://example.com/a.jpg"}`, i, text)
	}
	tests := map[string]struct {
		shared bool
		key    string
		rows   []string
		want   []int // a number for each group, 0: none
	}{
		"equal":       {true, liveKey, []string{row(1, "a"), row(2, "a"), row(3, "a")}, []int{1, 1, 1}},
		"two kinds":   {true, liveKey, []string{row(1, "a"), row(2, "b"), row(3, "a"), row(4, "b")}, []int{1, 2, 1, 2}},
		"one alone":   {true, liveKey, []string{row(1, "a"), row(2, "b"), row(3, "a")}, []int{1, 0, 1}},
		"all unlike":  {true, liveKey, []string{row(1, "a"), row(2, "b"), row(3, "c")}, []int{0, 0, 0}},
		"a test key":  {true, testKey, []string{row(1, "a"), row(2, "a")}, []int{0, 0}},
		"another API": {false, liveKey, []string{row(1, "a"), row(2, "a")}, []int{0, 0}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := ledger.New(redistest.Shared(t).Client(t), ledger.Options{RecordTTL: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			b := setup(t, func(o *httpapi.Options) { o.Ledger, o.Batches, o.ShareCalls = l, l, tc.shared })
			got := b.do(t, post("/v1/batches", `{"messages":[`+strings.Join(tc.rows, ",")+`]}`).as(tc.key)).ok(t, http.StatusAccepted)
			numbers := map[string]int{"": 0}
			for i, one := range got["results"].([]any) {
				id, _ := one.(map[string]any)["id"].(string)
				m, err := l.Get(t.Context(), message.ID(id))
				if err != nil {
					t.Fatal(err)
				}
				if _, known := numbers[m.Group]; !known {
					numbers[m.Group] = len(numbers)
				}
				if numbers[m.Group] != tc.want[i] {
					t.Errorf("row %d is in group %q, the %dth; want %v", i, m.Group, numbers[m.Group], tc.want)
				}
			}
		})
	}
}

// A row of a later chunk joins the group of an earlier one.
func TestGroupsGoOnInTheNextChunk(t *testing.T) {
	t.Parallel()
	l, err := ledger.New(redistest.Shared(t).Client(t), ledger.Options{RecordTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *httpapi.Options) { o.Ledger, o.Batches, o.ShareCalls = l, l, true })
	rows := make([]string, 501) // a chunk and a row
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"to":"+1206555%04d","mediaUrl":"https://example.com/a.jpg"}`, i)
	}
	b.do(t, stream(ndjson, "", strings.Join(rows, "\n"))).ok(t, http.StatusAccepted)
	var recent []*message.Message
	_, err = l.Recent(t.Context(), message.Scope{Tenant: "shop"}, ledger.Range{}, func(m *message.Message) bool {
		recent = append(recent, m)
		return true
	})
	if err != nil || len(recent) != len(rows) {
		t.Fatalf("%d messages, %v", len(recent), err)
	}
	for _, m := range recent {
		if m.Group == "" || m.Group != recent[0].Group {
			t.Fatalf("groups %q and %q", m.Group, recent[0].Group)
		}
	}
}
