package sinchsim_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"mmsdispatch/internal/sinchsim"
	"mmsdispatch/internal/sinchsim/simtest"
)

// BenchmarkAccept measures the simulator's cost of an accepted call, without the
// network and without receipts.
func BenchmarkAccept(b *testing.B) {
	body, err := json.Marshal(simtest.MMS())
	if err != nil {
		b.Fatal(err)
	}
	for name, countsOnly := range map[string]bool{"recorded": false, "counted": true} {
		b.Run(name, func(b *testing.B) {
			s := simtest.New(sinchsim.Options{CountsOnly: countsOnly})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if w := simtest.Serve(s.Handler(), http.MethodPost, simtest.MMSPath, simtest.MMSHeader(), string(body)); w.Code != http.StatusOK {
						b.Error(w.Code)
					}
				}
			})
		})
	}
}
