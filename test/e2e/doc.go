// Package e2e tests the built programs from outside: a real Redis, the api, any
// number of workers and the simulator as processes of their own, configured by
// environment only and driven over HTTP.
//
// A test is a handful of sentences:
//
//	s := start(t, over(batches))
//	id := s.send(message{})
//	s.awaitStatus(id, "delivered")
//	s.wantAccepted(id, 1)
//
// The stack is in harness_*_test.go, what it is made of in package harness.
// Whatever a test does, its stack checks at
// the end that no process has logged a number, a text, a media query or a key,
// that Sinch accepted no message twice (unless the test allows it), and
// that every process ended.
package e2e
