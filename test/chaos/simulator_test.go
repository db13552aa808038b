package chaos_test

import "mmsdispatch/test/harness"

// startSimulator starts the simulator of a stack. Requests of its control API pass
// through no link.
func startSimulator(s *stack) *harness.Simulator {
	s.t.Helper()
	return harness.StartSimulator(s.t, s.control, built("mmsctl"), freePorts.Take(s.t),
		"--receipts-url", "http://"+s.front.Addr()+receiptAt+"?token="+s.token,
		"--mms-retry-after", "1s", "--batches-retry-after", "500ms", "--log-level", "warn")
}

// hanging accepts a message and never sends an answer or a receipt.
func hanging() any {
	return map[string]any{"answer": "hang", "receipts": map[string]any{"outcome": "none"}}
}
