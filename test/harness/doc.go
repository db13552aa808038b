// Package harness is shared by the tests of the built programs: it builds the
// programs, runs them as processes that can be killed and frozen, makes HTTP
// requests, controls the simulator, and puts proxies that can fail between the
// processes. Each test package composes its own installation.
package harness
