// Package redistest runs real redis-server processes for tests.
//
// A test that stops, freezes or reconfigures Redis starts a server of its own
// with [Start]. Tests that only need a Redis share one per package: TestMain
// passes its *testing.M through [Main], and every test takes an empty database
// of the shared server with [Shared].
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(redistest.Main(m)) }
//
// Servers listen on 127.0.0.1 only and die with the test process.
package redistest
