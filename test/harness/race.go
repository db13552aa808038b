//go:build race

package harness

// RaceFlags build the programs with the race detector, as the tests are.
func RaceFlags() []string { return []string{"-race"} }
