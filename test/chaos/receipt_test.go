package chaos_test

import (
	"net/http"
	"sync"
	"testing"

	"mmsdispatch/test/harness"
)

// TestConcurrentReceiptsMakeOneTransition delivers one receipt to sixteen
// replicas at once.
func TestConcurrentReceiptsMakeOneTransition(t *testing.T) {
	t.Parallel()
	const copies = 16
	s := start(t, shape{api: mms, apis: copies, workers: 1})
	m := newMessage("order-1", "normal")
	s.sim.ForNumber(m.To, 0, "none")
	id := s.send(m)
	s.awaitStatus(id, harness.Patience, "sent")

	receipt := map[string]any{
		"origin": "MMS_MT", "code": "N102", "sent-as": "MMS", "status": "Message delivered",
		"to": m.To[1:], "from": "12065550100", "tracking-id": s.sim.Calls(id)[0].ID,
		"client-reference": id + "-1", "timestamp": "2026-04-24T18:34:00Z",
	}
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i := range copies {
		api := s.apis[i]
		wg.Go(func() {
			<-begin
			got, err := s.client.Do(t.Context(), http.MethodPost, api.base+receiptAt+"?token="+s.token, receipt)
			if err != nil || got.Status != http.StatusOK {
				t.Errorf("receipt to %s: %s (%v)", api.Name, got, err)
			}
		})
	}
	close(begin)
	wg.Wait()

	for _, api := range s.apis {
		r, err := s.get(t.Context(), api, id)
		if err != nil {
			t.Fatal(err)
		}
		transitions := 0
		for _, entry := range r.Timeline {
			if entry.Status == "delivered" {
				transitions++
			}
		}
		if r.Status != "delivered" || transitions != 1 {
			t.Errorf("%s shows %s, want delivered once", api.Name, r)
		}
	}
	s.sim.WantAccepted(id, 1)
}
