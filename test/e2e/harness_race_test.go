//go:build race

package e2e_test

// raceFlags build the programs with the race detector, as the tests are.
func raceFlags() []string { return []string{"-race"} }
