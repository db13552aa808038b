package jobs

import "time"

// The bounds of package recovery that tests of a whole worker rely on.
const (
	itemsAtOnce    = 8    // lookups under way
	failuresInARow = 8    // until lookups end
	waitingEnd     = 1000 // messages of either end of the list of waiting ones
	stuckAfter     = 30 * time.Second
)
