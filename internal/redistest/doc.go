// Package redistest runs real redis-server processes for tests.
//
// A test that stops, freezes or reconfigures Redis starts its own server with [Start].
// Other tests of a package share one: TestMain passes its *testing.M to [Main], and
// every test gets an empty database of the shared server with [Shared].
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }
//
// Servers listen on 127.0.0.1 only and die with the test process.
package redistest
