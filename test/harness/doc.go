// Package harness is what the tests of the built programs share: it builds the
// programs, runs them as processes that can be killed and frozen, talks HTTP,
// drives the simulator and puts connections that can fail between the parts.
// What an installation consists of is the business of each test package.
package harness
