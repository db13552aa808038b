// Package chaos holds the tests that break an installation on purpose: the
// built programs, a real Redis and a simulator as its own process, with small
// proxies between them that can be cut and stalled. A seeded schedule kills,
// freezes and disconnects processes while callers send messages; afterwards
// every fault is repaired, and the simulator's count of accepted calls is compared
// with the ledger. `make chaos` runs it for minutes; without -chaos.for it is short. With
// -chaos.clocks the schedule also moves the clocks of Redis and of every process,
// for which the programs are built with an overlay of package time.
package chaos
