// Package pgtest runs real PostgreSQL servers for tests.
//
// A test that stops the server starts one of its own with [Start]. Tests that only
// need a database share a server per package: TestMain passes its *testing.M through
// [Main], and every test takes an empty database of the shared server with [Shared].
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }
//
// Servers listen on 127.0.0.1 only and end with the test process. PostgreSQL refuses
// to run as root: tests that do run it as the user postgres or nobody.
package pgtest
