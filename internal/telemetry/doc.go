// Package telemetry is what the processes tell about themselves: log lines and
// Prometheus metrics. Nothing in it holds personal data: metrics are labelled
// with our own words only, and the log lines of libraries are scrubbed.
package telemetry
