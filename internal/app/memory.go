package app

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// heapGrowth is by how many percent the heap may grow before it is collected.
	// What a process keeps is small and what passes through it is much: Go's own
	// 100 would spend a quarter of the api's time on collecting.
	heapGrowth = 400
	// heapGrowthOfGo is what Go sets when GOGC does not.
	heapGrowthOfGo = 100
	// apiMemory is the heap up to which heapGrowth holds in an api process, in bytes:
	// twice what its requests may use at once.
	apiMemory = 320 << 20
	// memoryShare is the part of the container's memory that is left to the heap.
	memoryShare = 0.9
)

// tuneMemory sets when the heap is collected, unless the operator has by GOGC and
// GOMEMLIMIT: seldom, but before the container's limit is reached.
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
