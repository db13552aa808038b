// Package isolation holds the tests in which one tenant misbehaves and another
// must not notice: with the built programs, a Redis and a simulated Sinch.
package isolation
