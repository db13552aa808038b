//go:build !race

package harness

// RaceFlags build the programs as they ship.
func RaceFlags() []string { return nil }
