// Package telemetry provides the log lines and Prometheus metrics of the
// processes. They contain no personal data: metric labels are constants, and log
// lines of libraries are scrubbed.
package telemetry
