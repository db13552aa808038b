package app

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// heapGrowth is the percentage by which the heap may grow between collections.
	// The live heap is small and the turnover large: at Go's default of 100 the api
	// would spend a quarter of its time on garbage collection.
	heapGrowth = 400
	// heapGrowthOfGo is Go's default.
	heapGrowthOfGo = 100
	// apiMemory is the heap up to which heapGrowth applies in an api process, in
	// bytes: twice the budget of its requests.
	apiMemory = 320 << 20
	// memoryShare is the share of the container's memory limit for the heap.
	memoryShare = 0.9
)

// tuneMemory sets the garbage collector, unless GOGC or GOMEMLIMIT does: it
// collects rarely, but before the container's limit is reached.
func tuneMemory(kind Kind) {
	if before := debug.SetGCPercent(heapGrowth); before != heapGrowthOfGo {
		debug.SetGCPercent(before)
	}
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return
	}
	limit := int64(math.MaxInt64)
	if ofContainer, err := memlimit.ApplyRatio(memlimit.FromCgroup, memoryShare)(); err == nil {
		limit = int64(min(ofContainer, math.MaxInt64))
	}
	if kind == API {
		limit = min(limit, apiMemory)
	}
	debug.SetMemoryLimit(limit)
}
