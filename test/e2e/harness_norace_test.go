//go:build !race

package e2e_test

// raceFlags build the programs as they ship.
func raceFlags() []string { return nil }
